"""The command line of the check: a table, and exit status 0, 1 or 2."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from priorbench import priors
from priorbench.command_line import parse_settings
from priorbench.priors.check import Report
from priorbench.priors.check.__main__ import app

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

    def _log_prob(self, z):
        return (-z.abs() / self.scale - math.log(2 * self.scale)).sum(-1)

    def _sample(self, shape, generator):
        size = torch.empty(*shape, self.latent_dim).exponential_(generator=generator)
        sign = 2 * torch.randint(0, 2, size.shape, generator=generator) - 1
        return self.scale * size * sign

class Improper(Laplace):
    def _log_prob(self, z):
        return super()._log_prob(z) + 1

class Unbuilt(priors.Prior):
    def __init__(self, latent_dim):
        self.latent_dim = latent_dim
"""

WRAPPED = """
import torch
from priorbench import priors

def make_laplace(latent_dim, scale=0.5):
    return torch.distributions.Laplace(torch.zeros(latent_dim), scale)

"""


@pytest.fixture(autouse=True)
def _same_registry(monkeypatch):
    """Take out of the registry what a test registers."""
    entries = dict(priors.registry._entries)
    monkeypatch.setattr(priors.registry, "_entries", entries)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_prior.py"
    path.write_text(FILE)
    return path


@pytest.fixture
def checked(monkeypatch):
    """What is checked, in place of the check: class, title, number of latents."""
    seen = []

    def note_prior(prior, seed, title):
        seen.append((type(prior), title, prior.latent_dim))
        return Report(title, ())

    monkeypatch.setattr("priorbench.priors.check.__main__.check_prior", note_prior)
    return seen


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
    done = call(tmp_path / "mine.py")
    assert done.exit_code == 0, done.stdout


def test_a_wrapped_distribution_passes(tmp_path, fewer_draws):
    path = tmp_path / "wrapped.py"
    path.write_text(
        f'{WRAPPED}Laplace = priors.register("checked")'
        "(priors.from_distribution(make_laplace))\n"
    )
    done = call(f"{path}:Laplace", "--latent-dim", 6)
    assert done.exit_code == 0, done.output
    done = call("--plugin", path, "checked", "--set", "scale=2")
    assert done.exit_code == 0, done.output
    assert "checked(scale=2)" in done.stdout


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("Mine = priors.from_distribution(make_laplace)", "Mine"),
        (
            "import functools\n"
            "narrow = functools.partial(make_laplace, scale=0.1)\n"
            "Mine = priors.from_distribution(narrow)",
            "Mine",
        ),
        (
            'priors.register("checked")(priors.from_distribution(make_laplace))',
            "checked",
        ),
    ],
)
def test_wrapped_distributions_are_found_in_a_file(tmp_path, checked, code, name):
    """Bound or registered, whichever module the class calls its own."""
    path = tmp_path / "wrapped.py"
    path.write_text(f"{WRAPPED}from priorbench.priors import Normal\n{code}\n")
    done = call(path)
    assert done.exit_code == 0, done.output
    assert [(title, latents) for _, title, latents in checked] == [(f"{name}()", 6)]


def test_all_registered_priors_are_named_without_argument(checked):
    """The same as --all; every example of each."""
    assert call().exit_code == 0
    everything = list(checked)
    assert call("--all").exit_code == 0
    assert checked == 2 * everything
    assert {kind for kind, _, _ in everything} == {
        priors.registry.get(name) for name in priors.registry.names()
    }
    assert (priors.ISA, "isa(subspaces=[2, 4])", 6) in everything
    assert call("isa", "--set", "subspaces=[2, 3]", "--set", "p=1.5").exit_code == 0
    assert checked[-1] == (priors.ISA, "isa(subspaces=[2, 3], p=1.5)", 5)
    assert call("normal", "--latent-dim", 9).exit_code == 0
    assert checked[-1] == (priors.Normal, "normal()", 9)


@pytest.mark.parametrize(
    ("arguments", "message"),
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
        (["isa", "--set", "p=[1,"], "--set 'p=[1,': '[1,' is not a TOML value"),
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
            "plug-in '{folder}/my_piror.py': there is no such file; did you mean "
            "'my_prior.py'?",
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
            ["{folder}/my_prior.py:Laplace", "--set", "scael=2"],
            "prior 'Laplace': TypeError: Laplace.__init__() got an unexpected keyword "
            "argument 'scael'",
        ),
        (
            ["{folder}/my_prior.py:Unbuilt"],
            "with an __init__ that calls super().__init__(latent_dim)",
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
        (["normal", "--plugin", "{folder}/empty.py"], "registers nothing"),
    ],
)
def test_bad_usage_is_one_line_and_exit_status_2(arguments, message, file):
    folder = file.parent
    (folder / "broken.py").write_text("import torch\n\nA = tensor([1])\n")
    (folder / "syntax.py").write_text("import torch\nA = torch.tensor(\n")
    (folder / "empty.py").write_text("from priors import Normal\n")
    done = call(*[a.format(folder=folder) for a in arguments])
    assert done.exit_code == 2, done.output
    assert message.format(folder=folder) in done.stderr
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
