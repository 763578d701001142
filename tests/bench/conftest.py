"""The command line that tests run, on a study of their own."""

import os
from pathlib import Path

import pytest

from tests.bench.command_server import run_command
from tests.bench.small_study import load_jobs, write_grid

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
