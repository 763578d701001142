"""What every command does with its terminal, its warnings and its errors."""

import subprocess
import sys

PROGRAM = """
import warnings
import typer
from priorbench.command_line import make_app
from priorbench.errors import UserError

def main(lines: int = 1, wrong: bool = False) -> None:
    for _ in range(lines):
        typer.echo("β=1 of ‘ISA’")
    warnings.warn("the factors are few")
    if wrong:
        raise UserError("β is wrong")

make_app(main)()
"""


def run(*arguments, encoding="utf-8", shell=""):
    command = [sys.executable, "-c", PROGRAM, *arguments]
    if shell:
        command = ["bash", "-c", f'"$@" {shell}', "-", *command]
    return subprocess.run(
        command,
        env={"PYTHONIOENCODING": encoding, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        timeout=60,
    )


def test_a_terminal_that_lacks_characters_shows_others():
    for encoding in ("ascii", "cp1252", "latin-1"):
        done = run("--wrong", encoding=encoding)
        assert done.returncode == 2
        assert b"Traceback" not in done.stderr
        if encoding != "ascii":  # which typer takes for UTF-8
            assert done.stdout.startswith(b"?=1 of")
            assert b"error: ? is wrong" in done.stderr


def test_a_reader_that_has_gone_is_no_error():
    done = run("--lines", "100000", shell="| head -1; exit ${PIPESTATUS[0]}")
    assert done.returncode == 141
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr


def test_a_warning_is_one_line():
    assert run().stderr.decode() == "WARNING: the factors are few\n"


def test_wrong_options_are_one_line():
    for arguments, message in (
        (["--lines", "x"], "'--lines' must be a whole number"),
        (["--lines"], "--lines"),
        (["--line", "1"], "--line"),
        (["more"], "more"),
    ):
        done = run(*arguments)
        assert done.returncode == 2
        line = done.stderr.decode()
        assert line.startswith("error: ")
        assert message in line
        assert line.count("\n") == 1
