"""The command line that tests run, on a study of their own."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.bench.command_server import run_command
from tests.bench.small_study import MINIMAL, load_jobs, write_grid

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tiny(tmp_path):
    """Writes the small study's grid file with one seed; changes are textual."""

    def write(*changes, seeds=1, epochs=3, append=""):
        numbers = (
            ("seeds = 2\n", f"seeds = {seeds}\n"),
            ("epochs = 3\n", f"epochs = {epochs}\n"),
        )
        return write_grid(tmp_path, *numbers, *changes, append=append)

    return write


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """Gives the small study's jobs, changed."""
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path / "data"))

    def make(*changes, **options):
        return load_jobs(tmp_path, *changes, **options)

    return make


@pytest.fixture
def environment(tmp_path):
    """Of a command in a test: one thread each, a data folder of its own."""
    # an empty value lets Python keep what it compiles, which halves a command's start
    return {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "",
        "PRIORBENCH_DATA": str(tmp_path / "data"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "200",
    }


@pytest.fixture
def run(tmp_path, environment):
    """Runs a command, by default bench.run with results in the test's folder."""

    def call(*arguments, module="bench.run", check=None):
        listed = list(map(str, arguments))
        if module == "bench.run":
            listed += ["--out", str(tmp_path / "runs"), "--device", "cpu"]
        done = run_command(module, listed, tmp_path, environment)
        if check is not None:
            assert done.returncode == check, done.stdout + done.stderr
        return done

    return call


@pytest.fixture
def fails(tmp_path, monkeypatch):
    """Runs the command in this process and gives its error line."""
    from priorbench.bench.run import app

    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def call(*arguments, out="runs"):
        given = [*map(str, arguments), "--out", str(tmp_path / out)]
        done = CliRunner().invoke(app, given)
        assert done.exit_code == 2, done.output
        line = done.stderr.strip()
        assert line.startswith("error: ")
        assert "\n" not in line
        debug = CliRunner().invoke(app, [*given, "--debug"])
        assert debug.exception is not None
        assert not isinstance(debug.exception, SystemExit)
        return line.removeprefix("error: ")

    return call


@pytest.fixture
def grid(tmp_path):
    """Writes the least grid there is, with one textual change."""

    def write(old="", new=""):
        assert old in MINIMAL
        path = tmp_path / "my.toml"
        path.write_text(
            MINIMAL.replace(old, new, 1) if old else MINIMAL + new, encoding="utf-8"
        )
        return path

    return write
