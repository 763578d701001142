"""A study small enough to run whole in a test, and the command line to run it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TINY = """
seeds = {seeds}
beta = [1.0, 4.0]
latent_dim = 4
importance_samples = 5
importance_images = 10
metrics = ["mig", "mig_sampled", "mig_histogram", "mig_groups", "elbo_decomposition",
           "active_latents"]

[dataset]
name = "dsprites"

[dataset.factors]
shape = ["ellipse", "heart"]
scale = [5]
orientation = [0]
posX = [0, 10, 20, 31]
posY = [0, 10, 20, 31]

[architecture]
name = "mlp"
hidden = 16

[training]
epochs = {epochs}
batch_size = 16

[[methods]]
name = "β-VAE"
prior = "normal"
objective = "beta_vae"

[[methods]]
name = "ISA-TCVAE"
prior = {{ name = "isa", subspaces = [2, 2], learn_exponents = true }}
objective = "beta_tcvae"

[profiles.short]
seeds = 1
methods = ["β-VAE"]
training.epochs = 2
"""


@pytest.fixture
def tiny(tmp_path):
    """Writes the tiny study's grid file; changes are textual."""

    def write(seeds=1, epochs=3, **changes):
        text = TINY.format(seeds=seeds, epochs=epochs)
        for old, new in changes.get("replace", {}).items():
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "tiny.toml"
        path.write_text(text + changes.get("append", ""), encoding="utf-8")
        return str(path)

    return write


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
    """Runs ``python -m bench.run`` with ``--out`` in the test's folder; gives the process."""

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
