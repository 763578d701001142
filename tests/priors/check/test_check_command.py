"""The command line of the check: a table, and exit status 0, 1 or 2."""

import contextlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from priorbench import priors
from priorbench.priors.check import Report, posterior, subject
from priorbench.priors.check.__main__ import app
from priorbench.priors.check.target import parse_settings

ROOT = Path(__file__).parents[3]

FILE = """
import math
import torch
import priors

class Laplace(priors.Prior):
    def __init__(self, latent_dim, scale=1.0):
        super().__init__(latent_dim)
        if scale <= 0:
            raise ValueError(f"'scale' must be positive; got {scale}")
        self.scale = scale

    def log_prob(self, z):
        self.check_shape(z)
        return (-z.abs() / self.scale - math.log(2 * self.scale)).sum(-1)

    def sample(self, shape=(), generator=None):
        size = torch.empty(*shape, self.latent_dim).exponential_(generator=generator)
        sign = 2 * torch.randint(0, 2, size.shape, generator=generator) - 1
        return self.scale * size * sign

class Improper(Laplace):
    def log_prob(self, z):
        return super().log_prob(z) + 1

class Unbuilt(priors.Prior):
    def __init__(self, latent_dim):
        self.latent_dim = latent_dim
"""


@pytest.fixture
def fewer_draws(monkeypatch):
    """A fifth of the draws: the faults are planted large enough."""
    monkeypatch.setattr(subject, "DRAWS", 20_000)
    monkeypatch.setattr(posterior, "DRAWS", 10_000)
    monkeypatch.setattr(posterior, "COUNT", 2)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_prior.py"
    path.write_text(FILE)
    return path


@contextlib.contextmanager
def registered_no_longer(name):
    """Take a name out of the registry in the end."""
    try:
        yield
    finally:
        priors.registry._entries.pop(name)


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_the_command_line_passes_a_class_of_a_file(file, fewer_draws):
    done = call(f"{file}:Laplace", "--latent-dim", 2, "--set", "scale=0.5")
    assert done.exit_code == 0, done.output
    assert "Laplace(scale=0.5)" in done.stdout
    assert "1 checked, all properties hold" in done.stdout


def test_the_command_line_fails_a_fault(file, fewer_draws):
    done = call(f"{file}:Improper", "--latent-dim", 2)
    assert done.exit_code == 1
    assert "density normalises: 1.72 is above" in done.stdout
    assert "1 of 1 fail: Improper()" in done.stdout


@pytest.mark.parametrize(
    ("example", "name"),
    [
        ("my_prior.py", "logistic"),
        ("my_sphere_prior.py", "von_mises_fisher_prior"),
    ],
)
def test_the_examples_of_the_documentation_pass(tmp_path, fewer_draws, example, name):
    source = (ROOT / "examples" / example).read_text(encoding="utf-8")
    # registered under its own name by other tests of this process
    assert f'register("{name}")' in source
    (tmp_path / "mine.py").write_text(
        source.replace(f'register("{name}")', 'register("checked")'), encoding="utf-8"
    )
    with registered_no_longer("checked"):
        done = call(tmp_path / "mine.py")
    assert done.exit_code == 0, done.stdout


def test_all_registered_priors_are_named_without_argument(monkeypatch):
    """The same as --all; every example of each."""
    seen = []

    def note(prior, seed, title):
        seen.append((type(prior), title, prior.latent_dim))
        return Report(title, ())

    monkeypatch.setattr("priorbench.priors.check.__main__.check_prior", note)
    assert call().exit_code == 0
    everything = list(seen)
    assert call("--all").exit_code == 0
    assert seen == 2 * everything
    assert {kind for kind, _, _ in everything} == {
        priors.get(name) for name in priors.names()
    }
    assert (priors.ISA, "isa(subspaces=[2, 4])", 6) in everything
    assert call("isa", "--set", "subspaces=[2, 3]", "--set", "p=1.5").exit_code == 0
    assert seen[-1] == (priors.ISA, "isa(subspaces=[2, 3], p=1.5)", 5)
    assert call("normal", "--latent-dim", 9).exit_code == 0
    assert seen[-1] == (priors.Normal, "normal()", 9)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nromal"], "unknown prior 'nromal'; did you mean 'normal'?"),
        (
            ["normal", "--set", "scael=2"],
            "prior 'normal' has no argument 'scael'; known: latent_dim",
        ),
        (
            ["generalized_gaussian", "--set", "p=-1"],
            "'p' must be a positive number; got -1",
        ),
        (["normal", "--set", "p"], "--set 'p': write it key=value, like p=1.5"),
        (["isa", "--set", "p=[1,"], "--set 'p=[1,': '[1,' is no TOML value"),
        (
            ["isa", "--latent-dim", "7"],
            "prior 'isa' has 6 latents by its settings, not the 7",
        ),
        (
            ["isa", "normal", "--latent-dim", "7"],
            "need one prior; there are 2: isa, normal",
        ),
        (
            ["{folder}/my_piror.py"],
            "there is no file '{folder}/my_piror.py'; did you mean 'my_prior.py'?",
        ),
        (
            ["{folder}/my_prior.py:Laplcae"],
            "defines no prior 'Laplcae'; did you mean 'Laplace'?",
        ),
        (
            ["{folder}/my_prior.py:Laplace", "--set", "scale=-2"],
            "'scale' must be positive; got -2 (my_prior.py, line 10)",
        ),
        (
            ["{folder}/my_prior.py:Unbuilt"],
            "whose __init__ calls super().__init__(latent_dim)",
        ),
        (
            ["{folder}/broken.py:A"],
            "does not import: NameError: name 'tensor' is not defined "
            "(broken.py, line 3)",
        ),
        (
            ["{folder}/syntax.py:A"],
            "does not import: SyntaxError: '(' was never closed (syntax.py, line 2)",
        ),
        (["{folder}/empty.py"], "defines no prior, a subclass of priors.Prior"),
    ],
)
def test_bad_usage_is_one_line_and_exit_status_2(arguments, said, file):
    folder = file.parent
    (folder / "broken.py").write_text("import torch\n\nA = tensor([1])\n")
    (folder / "syntax.py").write_text("import torch\nA = torch.tensor(\n")
    (folder / "empty.py").write_text("from priors import Normal\n")
    done = call(*[a.format(folder=folder) for a in arguments])
    assert done.exit_code == 2, done.output
    assert said.format(folder=folder) in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_settings_are_toml_or_bare_words():
    assert parse_settings(["a=[1, 2]", "b=true", "c=unit", 'd="x y"', "e=1e-3"]) == {
        "a": [1, 2],
        "b": True,
        "c": "unit",
        "d": "x y",
        "e": 1e-3,
    }
