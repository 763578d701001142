"""Processes that end with their command, and what Ctrl-C does to them."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_python(program):
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        # in the background of a shell SIGINT is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_a_process_ends_where_its_parent_is_gone_before_it_looks():
    done = run_python(
        "import time\n"
        "from priorbench.processes import exit_with_parent\n"
        "exit_with_parent(2**22)\n"  # no process has this number
        "time.sleep(50)"
    )
    assert done.returncode == 1


def test_a_process_ends_soon_after_its_parent(tmp_path):
    child = (
        "import os, time\n"
        "from priorbench.processes import exit_with_parent\n"
        "exit_with_parent(os.getppid())\n"
        f"open({str(tmp_path / 'started')!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(50)"
    )
    run_python(
        "import subprocess, sys, time, pathlib\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.DEVNULL,"
        " stderr=subprocess.DEVNULL)\n"
        f"while not pathlib.Path({str(tmp_path / 'started')!r}).exists(): time.sleep(0.05)"
    )
    number = int((tmp_path / "started").read_text() or "0")
    deadline = time.monotonic() + 5
    while Path(f"/proc/{number}/cmdline").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{number}/cmdline").exists()


INTERRUPT = "import os, signal\nfrom priorbench import processes\n"


@pytest.mark.parametrize(
    ("program", "status", "output"),
    [
        ("processes.end_at_interrupts()\nos.kill(os.getpid(), 2)", -2, ""),
        (
            "processes.end_at_interrupts()\nprocesses.raise_interrupts()\n"
            "try: os.kill(os.getpid(), 2)\nexcept KeyboardInterrupt: print('raised')",
            0,
            "raised",
        ),
        (
            "processes.ignore_interrupts()\nos.kill(os.getpid(), 2)\nprint('went on')",
            0,
            "went on",
        ),
        (
            "signal.signal(2, signal.SIG_IGN)\nprocesses.end_at_interrupts()\n"
            "os.kill(os.getpid(), 2)\nprint('still ignored')",
            0,
            "still ignored",
        ),
    ],
)
def test_an_interrupt_while_importing_says_nothing(program, status, output):
    done = run_python(INTERRUPT + program)
    assert done.returncode == status
    assert done.stdout.strip() == output
    assert done.stderr == ""
