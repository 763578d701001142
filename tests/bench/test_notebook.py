"""Plug-ins of a script or a notebook: trained alone, and in a study."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.distributions import Normal

import priorbench
from priorbench import datasets, priors
from priorbench.bench.models.architectures import Architecture
from priorbench.bench.models.architectures import registry as architectures
from priorbench.bench.objectives.base import Objective, registry
from priorbench.errors import UserError
from tests.bench.small_study import METHODS


def make_dots(side=8):
    """Return dots of two sizes at every position of a coarse grid."""
    images = np.zeros((2, side, side, side, side), np.uint8)
    for size, y, x in np.ndindex(2, side, side):
        images[size, y, x, y : y + 2 + size, x : x + 2 + size] = 1
    sizes = {"size": 2, "y": side, "x": side}
    return datasets.from_array(images.reshape(-1, side, side), factor_sizes=sizes)


class Wide(priors.Normal):
    """Independent Gaussians of standard deviation 2."""

    def _log_prob(self, z):
        return Normal(0.0, 2.0, validate_args=False).log_prob(z).sum(-1)

    def _sample(self, shape, generator):
        return 2 * torch.randn(*shape, self.latent_dim, generator=generator)

    _kl = priors.Prior._kl
    _log_prob_groups = priors.Prior._log_prob_groups
    _kl_groups = priors.Prior._kl_groups


SMALL = {
    "architecture": {"name": "mlp", "hidden": 64},
    "batch_size": 16,
    "learning_rate": 3e-3,
    "progress": False,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def model():
    return priorbench.train(
        Wide, make_dots(), latent_dim=3, beta=0.1, epochs=30, **SMALL
    )


def test_one_model_is_trained_scored_and_looked_at(model):
    scores = model.score("mig", {"name": "active_latents"})
    blank = -64 * np.log(2)
    assert blank / 2 < scores["elbo"] < 0
    assert scores["elbo"] == pytest.approx(scores["reconstruction"] - scores["kl"])
    assert 0 < scores["mig"] < 1
    assert len(model.losses) == 30 * 8
    assert model.losses["loss"].iloc[-1] < model.losses["loss"].iloc[0] / 2
    assert model.show_reconstructions().size == (8 * 10 - 2, 2 * 10 - 2)
    blocks = 2  # of the factor with two levels
    assert model.show_traversals().size[0] == blocks * (7 * 10 - 2) + 10


def test_an_object_of_a_prior_is_left_as_it_was():
    prior = priors.ISA([2, 2], learn_exponents=True)
    before = {name: value.clone() for name, value in prior.state_dict().items()}
    first, second = (
        priorbench.train(prior, make_dots(), epochs=1, **SMALL) for _ in range(2)
    )
    for name, value in prior.state_dict().items():
        assert torch.equal(value, before[name])
        assert not torch.equal(first.model.prior.state_dict()[name], value)
    assert first.score() == second.score()


def test_a_dataset_in_splits_is_scored_on_its_test_images():
    images = np.random.default_rng(0).integers(0, 2, (100, 4, 4), dtype=np.uint8)
    data = datasets.from_array(images)
    found = priorbench.train("normal", data, latent_dim=2, epochs=1, **SMALL)
    assert len(found.dataset) == data.lengths["test"]
    assert found.score().keys() == {"reconstruction", "kl", "elbo"}
    with pytest.raises(ValueError, match="no latent is active"):
        found.show_traversals()
    with pytest.raises(ValueError, match=r"'mig': .*needs factors"):
        found.score("mig")


class Diverging(Objective):
    """Fine at first."""

    def forward(self, draw, dataset_size, progress):
        loss = -draw.log_likelihood.mean()
        return loss + torch.where(torch.as_tensor(progress) > 0.5, torch.inf, 0.0)


class Narrow(Architecture):
    """A decoder with one output, which would be broadcast."""

    def __init__(self, image_shape, latent_dim, num_params):
        super().__init__()
        self.encoder = torch.nn.Linear(64, num_params)
        self.decoder = torch.nn.Linear(latent_dim, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prior": "norml"}, "unknown prior 'norml'; did you mean 'normal'"),
        ({"prior": {"p0": 2}}, "a mapping must have 'name' beside its arguments"),
        (
            {"prior": lambda latent_dim: 3},
            "'prior' must be a Prior, its class or a name",
        ),
        ({"dataset": "none.npz"}, "there is no file or folder 'none.npz'"),
        (
            {"beta": (1.0, 2.0)},
            "'beta' must have one number for each of the prior's 10",
        ),
        ({"device": "tpu"}, "'--device' must be auto, cpu"),
        (
            {"architecture": "tests_narrow"},
            r"the decoder must map \(batch, 10\) to \(batch, 64\).*it gave \(4, 1\)",
        ),
    ],
)
def test_what_is_wrong_is_named_before_the_training(monkeypatch, arguments, message):
    monkeypatch.setitem(architectures._entries, "tests_narrow", Narrow)
    given = {"dataset": make_dots(), **SMALL, **arguments}
    with pytest.raises((UserError, ValueError), match=message):
        priorbench.train(**given)


def test_a_loss_that_stops_being_finite_is_an_error(monkeypatch):
    monkeypatch.setitem(registry._entries, "diverging", Diverging)
    with pytest.raises(FloatingPointError, match="the loss became inf at step"):
        priorbench.train(
            "normal", make_dots(), objective="diverging", epochs=2, **SMALL
        )


SCRIPT = """
import math, torch
from pathlib import Path
from priorbench import priors
from priorbench.bench.run import main

SCALE = 1.0

@priors.register("of_the_script")
class OfTheScript(priors.Prior):
    def _log_prob(self, z):
        return -0.5 * ((z / SCALE).square() + math.log(2 * math.pi)).sum(-1)

    def _sample(self, shape, generator):
        return SCALE * torch.randn(*shape, self.latent_dim, generator=generator)

main(grid="tiny.toml", jobs=2, out=Path("runs"), device="cpu")
"""


def test_a_study_of_a_class_without_a_file_runs_in_several_processes(
    tiny, tmp_path, environment
):
    """As in a notebook: the other processes are given the class."""
    own = '[[methods]]\nname = "own"\nprior = "of_the_script"\nobjective = "beta_vae"\n'
    tiny((METHODS, own), epochs=1)

    done = subprocess.run(
        [sys.executable, "-c", "import sys; exec(sys.stdin.read())"],
        input=SCRIPT,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 runs to do" in done.stdout


def test_folders_and_files_of_the_same_names_hide_nothing(tiny, tmp_path, environment):
    """The user's datasets/ or metrics.py lies where the command is given."""
    for name in ("datasets", "priors", "bench"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError")
    (tmp_path / "metrics.py").write_text("raise ImportError")
    done = subprocess.run(
        [sys.executable, "-m", "priorbench.bench.run", tiny(), "--dry-run"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "4 runs to do" in done.stdout
