"""Plug-ins with a mistake are refused before anything runs, in one line."""

import pytest
from typer.testing import CliRunner

from priorbench import priors
from priorbench.bench.models.architectures import registry as architectures
from priorbench.bench.models.likelihoods import registry as likelihoods
from priorbench.bench.objectives.base import registry as objectives
from priorbench.bench.run import app

POSTERIOR = """class Family(priors.PosteriorFamily):
        def __call__(self, params): return Mine(params, self)
        def num_params(self, latent_dim): return 2 * latent_dim
    posterior = Family()

class Mine(priors.GaussianPosterior):
        pass
"""
"""A family of its own in the prior's class, and the head of its distributions' class."""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "def _log_prob(self, z): return self.scal * z.sum(-1)",
            "AttributeError: 'P' object has no attribute 'scal' (mine.py, line 4)",
        ),
        (
            "def _log_prob(self, z): return -z.square().sum(-1, keepdim=True)",
            "P._log_prob must map z of shape (..., 4) to (...), here (4, 3); it gave (4, 3, 1)",
        ),
        (
            "def log_prob(self, z): return -z.square().sum(-1, keepdim=True)",
            "P.log_prob must map z of shape (..., 4) to (...), here (4, 3); it gave (4, 3, 1)",
        ),
        (
            "def _sample(self, shape, generator): return torch.zeros(shape)",
            "P._sample must give draws of shape (*shape, 4), here (4, 3, 4); it gave (4, 3)",
        ),
        (
            POSTERIOR + "        def rsample(self, noise): return noise[..., :3]",
            "Mine.rsample must give a point an image, shape (4, 4); it gave (4, 3)",
        ),
        (
            POSTERIOR + "        def log_prob(self, z): return z",
            "Mine.log_prob must give one value an image, shape (4,); it gave (4, 4)",
        ),
        (
            POSTERIOR + "        def log_prob_groups(self, z, groups): return 0.0",
            "Mine.log_prob_groups must give one value for each of 4 groups; it gave float",
        ),
        (
            POSTERIOR + "        @property\n"
            "        def representation(self): return self.params",
            "Mine.representation must give a point an image, shape (4, 4); it gave (4, 8)",
        ),
        ("def _log_prob(self, z): return -z.square().sum()", "it gave ()"),
        (
            "def __init__(self, latent_dim): self.latent_dim = latent_dim",
            "P.__init__ must call super().__init__(latent_dim) before anything else",
        ),
        (
            "def __init__(self, latent_dim): self.a = torch.nn.Linear(1, 1)",
            "cannot assign module before Module.__init__() call (mine.py, line 4)",
        ),
        (
            "def learned(self): return {'a': [1.0]}",
            "P.learned() must give tensors; 'a' is list",
        ),
        (
            "def __init__(self, latent_dim):\n"
            "        priors.Prior.__init__(self, latent_dim, [priors.Group((0, 1))])",
            "must hold each of the latents 0 to 3 once",
        ),
        (
            "def _kl(self, q, z): return super()._kl(q, z) * (2 if z.max() > 3 else 1)",
            "must not branch on the value of a tensor, nor call .item() (mine.py, line 4)",
        ),
        (
            "def _kl(self, q, z): return super()._kl(q, z).sum()",
            "P._kl must give one value for each posterior, here (4,); it gave ()",
        ),
    ],
)
def test_priors_with_a_mistake_are_refused_before_anything_runs(
    fails, grid, tmp_path, body, message
):
    (tmp_path / "mine.py").write_text(
        f"import priors, torch\n@priors.register('mine')\nclass P(priors.Normal):\n    {body}\n"
    )
    try:
        line = fails(
            "--grid",
            grid('"isa", subspaces = [2, 2]', '"mine"'),
            "--plugin",
            tmp_path / "mine.py",
        )
    finally:
        priors.registry._entries.pop("mine", None)
    assert "method 'A'" in line
    assert message in line


@pytest.mark.parametrize(
    ("body", "beta", "message"),
    [
        (
            "def _log_prob(self, z): return -z.square().sum(-1)\n"
            "    _log_prob_groups = priors.Prior._log_prob_groups\n"
            "    _kl_groups = priors.Prior._kl_groups",
            "1, [1, 2, 3, 4]",
            "'beta' has a number for each group, but P does not define _log_prob_groups(z)",
        ),
        (
            "def _kl_groups(self, q, z): return self.kl(q, z)",
            "1, [1, 2, 3, 4]",
            "P._kl_groups must give one value for each posterior and each of 4 groups, here "
            "(4, 4); it gave (4,)",
        ),
        (
            "pass",
            "[1, 2]",
            "'beta' must have one number for each of the prior's 4 groups; got 2: [1.0",
        ),
        (
            "pass",
            "1, 2, [1, 2, 3, 4], [1, 2]",
            "the prior's 4 groups; got 2: [1.0, 2.0]",
        ),
    ],
)
def test_a_beta_for_each_group_that_does_not_fit_is_refused_before_anything_runs(
    fails, grid, tmp_path, body, beta, message
):
    (tmp_path / "mine.py").write_text(
        f"import priors\n@priors.register('mine')\nclass P(priors.Normal):\n    {body}\n"
    )
    path = grid('"isa", subspaces = [2, 2]', '"mine"')
    path.write_text(
        path.read_text(encoding="utf-8") + f"beta = [{beta}]\n", encoding="utf-8"
    )
    try:
        line = fails("--grid", path, "--plugin", tmp_path / "mine.py")
    finally:
        priors.registry._entries.pop("mine", None)
    assert "method 'A'" in line
    assert message in line


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ("beta_tcvae", "'beta' of BetaTCVAE must be one number"),
        ("capacity", "'beta' of Capacity must be one number"),
    ],
)
def test_objectives_that_take_one_beta(fails, grid, objective, message):
    path = grid("beta_vae", objective)
    path.write_text(
        path.read_text(encoding="utf-8") + "beta = [1, [1, 2]]\n", encoding="utf-8"
    )
    line = fails("--grid", path)
    assert message in line
    assert "got [1.0, 2.0]" in line


OWN = """
import torch
from priorbench import priors
from priorbench.bench import objectives
from priorbench.bench.models import architectures, likelihoods

@priors.register("p")
class P(priors.Normal):
    def _log_prob(self, z): return z.sum(-1) * {log_prob}

@likelihoods.register("l")
class L(likelihoods.Bernoulli):
    def __call__(self, raw, x): return {likelihood}

@objectives.register("o")
class O(objectives.Objective):
    def forward(self, draw, dataset_size, progress):
        value = self.beta * draw.prior.kl(draw.q, draw.z) - draw.log_likelihood
        return {loss}

@architectures.register("a")
class A(architectures.Architecture):
    def __init__(self, image_shape, latent_dim, num_params):
        super().__init__()
        self.encoder = {encoder}
        self.decoder = {decoder}
"""
"""Plug-ins of every kind, of which a test spoils one."""

GOOD = {
    "log_prob": "1.0",
    "likelihood": "super().__call__(raw, x)",
    "loss": "value.mean()",
    "encoder": "torch.nn.Linear(4096, num_params)",
    "decoder": "torch.nn.Linear(latent_dim, 4096)",
}


@pytest.fixture
def own_plugins(grid, tmp_path, monkeypatch):
    """Returns the arguments of a grid of plug-ins of one's own."""
    for registry in (priors.registry, likelihoods, objectives, architectures):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    def write(**spoilt):
        (tmp_path / "own.py").write_text(OWN.format(**{**GOOD, **spoilt}))
        path = grid('"isa", subspaces = [2, 2]', '"p"')
        text = path.read_text().replace('"beta_vae"', '"o"')
        text = text.replace('name = "mlp"\nhidden = 4', 'name = "a"')
        path.write_text('likelihood = "l"\n' + text)
        return "--grid", path, "--plugin", tmp_path / "own.py"

    return write


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        (
            {"log_prob": "float('nan')"},
            "'A': P.log_prob of its own draws must be finit",
        ),
        (
            {"likelihood": "super().__call__(raw, x).sum()"},
            "L must give one log-likelihood an image, shape (4,); it gave ()",
        ),
        (
            {"likelihood": "super().__call__(raw, x) / 0"},
            "L's log-likelihood of untrained networks must be finite; 4 of 4 values",
        ),
        ({"loss": "value"}, "O.forward must return a scalar, shape (); it gave (4,)"),
        ({"loss": "1.0"}, "O.forward must return a scalar, shape (); it gave float"),
        ({"loss": "value.mean(), {}"}, "must return a scalar, shape (); it gave tuple"),
        (
            {"loss": "value.mean().detach()"},
            "O.forward must return a loss that has a gradient; it is detached from",
        ),
        (
            {"loss": "value.mean() * float('nan')"},
            "the loss of O with untrained networks must be finite; 1 of 1 values are "
            "not, the first is nan",
        ),
        (
            {"loss": "value.mean() + (0 * value.mean()).sqrt()"},
            "the gradient of O's loss to model.",
        ),
        (
            {"loss": "value[torch.randperm(4)].mean()"},
            "random numbers are drawn (torch.rand, torch.randperm, dropout, ...) that "
            "are not the seed's own",
        ),
        (
            {"encoder": "torch.nn.Linear(4096, num_params + 1)"},
            "'architecture': the encoder must map (batch, 4096) to (batch, 8), here "
            "(4, 8); it gave (4, 9)",
        ),
        (
            {"decoder": "torch.nn.Linear(latent_dim, 1)"},
            "'architecture': the decoder must map (batch, 4) to (batch, 4096), here "
            "(4, 4096); it gave (4, 1)",
        ),
        (
            {"encoder": "torch.nn.LazyLinear(num_params)"},
            "'architecture': lazy modules have no parameters before their first call",
        ),
        (
            {
                "decoder": "torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Linear(4, 4096))"
            },
            "networks do without dropout",
        ),
    ],
)
def test_plugins_that_would_fail_in_training_are_refused_before(
    fails, own_plugins, tmp_path, spoilt, message
):
    assert message in fails(*own_plugins(**spoilt))
    assert not (tmp_path / "runs").exists()


def test_the_plugins_that_are_not_spoilt_run(own_plugins, tmp_path, monkeypatch):
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path / "data"))
    options = ["--jobs", "1", "--seeds", "1", "--out", str(tmp_path / "runs")]
    done = CliRunner().invoke(app, [*map(str, own_plugins()), *options])
    assert done.exit_code == 0, done.output
