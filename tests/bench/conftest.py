"""The command line that tests run, on a study of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    return {
        **os.environ,
        "PRIORBENCH_DATA": str(tmp_path / "data"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "200",
    }


@pytest.fixture
def run(tmp_path, environment):
    """Runs a command, by default bench.run with results in the test's folder."""

    def call(*arguments, module="bench.run", check=None):
        command = [sys.executable, "-m", module, *map(str, arguments)]
        if module == "bench.run":
            command += ["--out", str(tmp_path / "runs"), "--device", "cpu"]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=300,
        )
        if check is not None:
            assert done.returncode == check, done.stdout + done.stderr
        return done

    return call
