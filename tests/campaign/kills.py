"""Kill a study again and again: ``python -m tests.campaign.kills``.

Each trial starts the command with two workers, kills something of it at a random time,
and looks at what is left: processes, temporary files, results. Then the command is
given once more, and has to end with every run there once. Linux only: it reads /proc.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from priorbench.atomic_files import UNFINISHED
from priorbench.bench.results.checkpoints import CHECKPOINTS
from priorbench.bench.results.store import Store
from tests.campaign.study import write_study

ROOT = Path(__file__).parents[2]
MARK = "PRIORBENCH_CAMPAIGN"
PATIENCE = 5.0
"""Seconds after which nothing of a killed command may be left."""

LONGEST_STOP = 120.0
"""Seconds after which a command that was stopped hangs."""

LONGEST_RUN = 600.0
"""Seconds after which one hangs that lost a worker, and goes on to its end."""

KINDS = {"dask": ("parent", "terminate", "hang up", "interrupt twice", "worker")}
KINDS["local"] = (*KINDS["dask"], "messages")
"""What is killed, and how, by the back end; the scheduler is in the parent."""

WORKERS = {"local": "loky", "dask": "spawn_main"}
"""What the command lines of a back end's processes hold."""


def hear_signals():
    """Undo what a shell's background and nohup ignore."""
    for signum in (signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_DFL)


class Campaign:
    """A study that is killed, and what is found after each kill.

    Args:
        folder: of the study.
        seeds: of each of its four settings.
        generator: of the random times and kinds.
        backend: "local" or "dask".
        longest: seconds of a command within which it is killed.
    """

    def __init__(self, folder, seeds, generator, backend="local", longest=10.0):
        self.folder = folder
        self.backend = backend
        self.longest = longest
        self.generator = generator
        self.grid = write_study(folder, seeds=seeds, epochs=20)
        self.expected = 4 * seeds
        self.created = {}
        self.faults = Counter()
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.environment = {
            **os.environ,
            MARK: str(folder),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "",
            "OMP_NUM_THREADS": "1",
            "PYTHONFAULTHANDLER": "1",
            "TMPDIR": str(self.temporary),
            # what torch keeps there on purpose
            "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
        }

    def start(self):
        """Start the command, in a group of processes of its own."""
        out = ["--out", str(self.folder / "runs"), "--jobs", "2", "--device", "cpu"]
        out += ["--checkpoint-minutes", "0.0001"]  # so that most trials go on from one
        out += ["--backend", self.backend]
        out += ["--shared"] if self.backend == "dask" else []
        return subprocess.Popen(
            [sys.executable, "-m", "priorbench.bench.run", str(self.grid), *out],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=hear_signals,
        )

    def run_trial(self):
        """Kill the command once; return the kind, or "ended" where it was too late."""
        command = self.start()
        kind = self.generator.choice(KINDS[self.backend])
        time.sleep(self.generator.uniform(0.0, self.longest))
        if command.poll() is not None:
            kind = "ended"
        try:
            self._kill(kind, command)
            longest = LONGEST_RUN if kind == "worker" else LONGEST_STOP
            output, _ = command.communicate(timeout=longest)
        except subprocess.TimeoutExpired:
            self.faults["the command hangs"] += 1
            os.kill(command.pid, signal.SIGABRT)  # Python says where
            for pid in self.find_processes():
                os.kill(pid, signal.SIGKILL)
            output, _ = command.communicate()
            print(f"--- hangs after {kind}\n{output[-5000:]}", flush=True)
        # before its first line of ours, an interrupted Python says so in its own way
        if "Traceback" in output and "init_import_site" not in output:
            self.faults["traceback"] += 1
            print(f"--- {kind}\n{output[-3000:]}")
        self.check_processes(kind)
        self.check_results(kind)
        return kind

    def _kill(self, kind, command):
        try:
            if kind == "parent":
                os.kill(command.pid, signal.SIGKILL)
            elif kind == "terminate":
                os.kill(command.pid, signal.SIGTERM)
            elif kind == "hang up":
                os.killpg(command.pid, signal.SIGHUP)
            elif kind == "interrupt twice":
                for _ in range(2):
                    os.killpg(command.pid, signal.SIGINT)
                    time.sleep(self.generator.uniform(0.0, 0.5))
            elif kind in ("worker", "messages"):
                workers = WORKERS[self.backend]
                others = [
                    pid
                    for pid, line in self.find_processes().items()
                    if pid != command.pid
                    and (workers in line) == (kind == "worker")
                    and "resource_tracker" not in line
                ]
                if others:
                    os.kill(self.generator.choice(others), signal.SIGKILL)
                else:  # it has not started any yet
                    os.kill(command.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass  # it has ended meanwhile

    def find_processes(self):
        """Return the command lines of the study's processes, by their number."""
        found = {}
        mark = f"{MARK}={self.folder}".encode()
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (path / "environ").read_bytes().split(b"\0"):
                    line = (path / "cmdline").read_bytes()
                    if line:  # one that has ended and waits for its parent has none
                        found[int(path.name)] = line.decode(errors="replace")
            except OSError:
                continue
        return found

    def check_processes(self, kind):
        """Wait for processes and temporary files to go, and count those that stay."""
        deadline = time.monotonic() + PATIENCE
        while left := [*self.find_processes().values(), *self.temporary.iterdir()]:
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        for what in left:
            text = str(what).replace("\0", " ")[-150:]
            print(f"--- left {PATIENCE:g} s after {kind}: {text}", flush=True)
            sort = "file" if isinstance(what, Path) else "process"
            self.faults[f"{sort} left"] += 1
        for pid in self.find_processes():
            os.kill(pid, signal.SIGKILL)
        for path in self.temporary.iterdir():
            subprocess.run(["rm", "-rf", str(path)], check=True)

    def check_results(self, kind):
        """Check that no run failed, and that none that was finished has gone."""
        store, found = Store(self.folder / "runs"), {}
        for path in store.folder.glob("[0-9a-f]*/record.json"):
            record = store.load_model(path.parent.name)
            if record is None:
                self.faults["half a record"] += 1
                continue
            found[record.id] = record.created
            if record.status != "finished":
                self.faults["falsely failed"] += 1
                print(f"--- failed after {kind}: {record.reason}", flush=True)
        for model, created in self.created.items():
            if found.get(model) != created:
                self.faults["lost"] += 1
        self.created = found

    def finish(self):
        """Let the command run to its end, and check that all is there once."""
        output, _ = (command := self.start()).communicate(timeout=3600)
        if command.returncode != 0:
            self.faults["does not finish"] += 1
            print(f"--- at the end\n{output[-3000:]}", flush=True)
        self.check_processes("the end")
        self.check_results("the end")
        if len(self.created) != self.expected:
            self.faults["not every run once"] += 1
        for path in (self.folder / "runs").glob(f"{CHECKPOINTS}/*"):
            self.faults["checkpoint left"] += 1
            print(f"--- left at the end: {path}", flush=True)
        for path in (self.folder / "runs").rglob(f"{UNFINISHED}*"):
            self.faults["unfinished file left"] += 1
            print(f"--- left at the end: {path}", flush=True)


def run_kills(count, seed=0, trials=25, **options):
    """Run trials on one study after the other; return the kinds and the faults."""
    generator, kinds, faults = random.Random(seed), Counter(), Counter()
    while kinds.total() < count:
        with tempfile.TemporaryDirectory() as name:
            campaign = Campaign(Path(name), 40, generator, **options)
            for _ in range(min(trials, count - kinds.total())):
                kinds[campaign.run_trial()] += 1
            campaign.finish()
            faults += campaign.faults
        print(f"{kinds.total()} kills, faults so far: {dict(faults)}", flush=True)
    return kinds, faults


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backend", choices=KINDS, default="local")
    parser.add_argument("--longest", type=float, default=10.0)
    kinds, faults = run_kills(**vars(parser.parse_args()))
    for kind, number in kinds.most_common():
        print(f"{number:6} {kind}")
    for fault, number in faults.most_common():
        print(f"{number:6} FAULT {fault}")
    print(f"{faults.total():6} faults")
