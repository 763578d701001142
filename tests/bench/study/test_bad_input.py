"""Bad input: one line that names what was wrong, exit status 2, no traceback."""

import errno

import numpy as np
import pytest
from typer.testing import CliRunner

from priorbench import priors
from priorbench.bench.execution.schedule import Block
from priorbench.bench.execution.worker import run_block
from priorbench.bench.models.architectures import registry as architectures
from priorbench.bench.models.likelihoods import registry as likelihoods
from priorbench.bench.objectives.base import registry as objectives
from priorbench.bench.results import load_results
from priorbench.bench.run import app
from priorbench.bench.study.grid import load_grid
from priorbench.bench.study.job import list_settings
from priorbench.bench.training.experiment import Experiment

MINIMAL = """
metrics = ["mig"]
latent_dim = 4
[dataset]
name = "dsprites"
[dataset.factors]
shape = ["ellipse"]
scale = [5]
orientation = [0]
posX = [0, 10]
posY = [0, 10]
[architecture]
name = "mlp"
hidden = 4
[training]
epochs = 1
batch_size = 2
[[methods]]
name = "A"
prior = { name = "isa", subspaces = [2, 2] }
objective = { name = "beta_vae" }
"""


@pytest.fixture
def fails(tmp_path, monkeypatch):
    """Runs the command in this process and gives its error line."""
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
    def write(old="", new=""):
        assert old in MINIMAL
        path = tmp_path / "my.toml"
        path.write_text(
            MINIMAL.replace(old, new, 1) if old else MINIMAL + new, encoding="utf-8"
        )
        return path

    return write


def test_unknown_grid(fails):
    assert "unknown grid 'dsprites_bet'; did you mean 'dsprites_beta'" in fails(
        "--grid", "dsprites_bet"
    )
    assert "no grid file at 'none.toml'" in fails("--grid", "none.toml")


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        (
            '"isa"',
            '"ise"',
            "line 20: 'methods[0].prior'",
            "unknown prior 'ise'; did you mean 'isa'?",
        ),
        (
            "beta_vae",
            "beta_vea",
            "line 21: 'methods[0].objective'",
            "did you mean 'beta_vae'",
        ),
        ('"dsprites"', '"dsprite"', "line 4: 'dataset'", "did you mean 'dsprites'?"),
        ('"mlp"', '"mpl"', "line 12: 'architecture'", "did you mean 'mlp'?"),
        ('["mig"]', '["mg"]', "line 2: 'metrics[0]'", "did you mean 'mig'"),
        (
            "hidden",
            "hiden",
            "line 12: 'architecture'",
            "no argument 'hiden'; did you mean 'hidden'?",
        ),
        (
            "hidden = 4",
            "hidden = -4",
            "'architecture'",
            "'hidden' must be a positive integer; got -4",
        ),
        (
            "subspaces = [2, 2]",
            "p0 = -1",
            "method 'A'",
            "'p0' must be a positive number; got -1",
        ),
        (
            "subspaces",
            "subspace",
            "method 'A'",
            "'subspace'; did you mean 'subspaces'?",
        ),
        ("[2, 2]", "[2, 3]", "method 'A'", "has 5 latents, but 'latent_dim' is 4"),
        (
            "epochs = 1",
            'epochs = "one"',
            "line 16: 'training.epochs'",
            "must be a whole number",
        ),
        (
            "epochs = 1",
            "epochs = 0",
            "line 16: 'training.epochs'",
            "must be at least 1",
        ),
        (
            "epochs",
            "epoch",
            "line 16: 'training.epoch'",
            "unknown key; did you mean 'epochs'",
        ),
        ('name = "A"', "", "'methods[0].name'", "is missing"),
        ("metrics = ", "metrics 5", "not valid TOML", "line 2"),
        ("ellipse", "elipse", "line 4: 'dataset'", "did you mean 'ellipse'?"),
        ("scale = [5]", "scale = [6]", "'dataset'", "scale"),
        (
            "",
            "beta = [-1.0]\n",
            "line 22: 'methods[0].beta[0]'",
            "must be at least 0; got -1.0",
        ),
    ],
)
def test_wrong_grid_files(fails, grid, old, new, place, message):
    line = fails("--grid", grid(old, new))
    assert place in line
    assert message in line
    assert "my.toml" in line


def test_the_line_of_the_dataset_is_its_table(fails, grid):
    line = fails("--grid", grid("posY = [0, 10]", "posZ = [0, 10]"))
    assert "did you mean" in line
    assert "'dataset'" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "B"], "unknown method 'B'; known: A"),
        (["--profile", "demo"], "unknown profile 'demo'"),
        (
            ["--precision", "fp16"],
            "'--precision' must be one of fp32, tf32, bf16; got 'fp16'",
        ),
        (
            ["--device", "tpu"],
            "'--device' must be auto, cpu, cuda or cuda:N; got 'tpu'",
        ),
        (["--device", "cuda:99"], "there is no device 'cuda:99'"),
        (["--plugin", "none.py"], "plug-in 'none.py': there is no such file"),
        (["--plugin", "my.toml"], "plug-in 'my.toml' is not a Python file"),
        (["--plugin", "~no_such_user/x.py"], "there is no such user"),
        (["--plugin", "x" * 300 + ".py"], "File name too long"),
        (["--profile", "[/red]"], "unknown profile '[/red]'"),
        (["--only", "[/red]"], "unknown method '[/red]'"),
        (["--set", "function-x=1"], "--set function-x: unknown key"),
        (["--set", "of-x=1"], "--set of-x: unknown key"),
        (["--set", "seeds=" + "9" * 5000], "--set seeds: must be a whole number"),
        (["--set", 'dataset="~no_such_user/x.npz"'], "there is no such user"),
        (["--set", 'name="' + "n" * 300 + '"'], "must have at most 200 characters"),
    ],
)
def test_wrong_options(fails, grid, arguments, message):
    assert message in fails("--grid", grid(), *arguments)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named"),
        ("import nothing_of_this_name", "(mine.py, line 1)"),
        ("x = 1\ny = (", "SyntaxError: '(' was never closed (mine.py, line 2)"),
        ("import sys\nsys.exit(3)", "SystemExit: 3 (mine.py, line 2)"),
        ("x = 1", "registers nothing"),
        (
            "import priors\n@priors.register('isa')\nclass A(priors.Normal): pass",
            "ValueError: prior 'isa' is already registered; choose another name (mine.py, line 2)",
        ),
    ],
)
def test_plugins_that_do_not_load(fails, grid, tmp_path, source, message):
    (tmp_path / "mine.py").write_text(source)
    line = fails("--grid", grid(), "--plugin", tmp_path / "mine.py")
    assert "mine.py" in line
    assert message in line


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


def test_a_product_that_does_not_add_up(fails, grid):
    line = fails(
        "--grid",
        grid(
            '"isa", subspaces = [2, 2]',
            '"product", parts = [{ name = "isa", subspaces = [2, 1] }]',
        ),
    )
    assert "method 'A'" in line
    assert "'parts' have 3 = 3 latents, but 'latent_dim' is 4" in line
    line = fails(
        "--grid", grid('"isa", subspaces = [2, 2]', '"product", parts = ["isa", "ise"]')
    )
    assert "line 20: 'methods[0].prior'" in line
    assert "unknown prior 'ise'; did you mean 'isa'?" in line


def test_a_plugin_that_is_no_prior(fails, grid, tmp_path):
    (tmp_path / "noprior.py").write_text(
        "import priors\n@priors.register('no_prior')\ndef f(latent_dim): return 3"
    )
    try:
        line = fails(
            "--grid",
            grid('"isa", subspaces = [2, 2]', '"no_prior"'),
            "--plugin",
            tmp_path / "noprior.py",
        )
    finally:
        priors.registry._entries.pop("no_prior", None)
    assert "prior 'no_prior' must be a subclass of priors.Prior; got int" in line


def test_unwritable_folder(fails, grid, tmp_path):
    (tmp_path / "file").write_text("")
    line = fails("--grid", grid(), out="file/runs")
    assert "cannot write to" in line
    assert "--out" in line


def test_full_disk(fails, grid, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("priorbench.atomic_files.os.fsync", full)
    line = fails("--grid", grid(), "--seeds", 1, "--jobs", 1)
    assert "cannot write to" in line
    assert "No space left on device; finished runs are kept" in line
    left = {p.name for p in (tmp_path / "runs" / "my").iterdir()} - {".lock"}
    assert not left


def test_two_commands_on_one_folder(fails, grid, tmp_path):
    from filelock import FileLock

    (tmp_path / "runs" / "my").mkdir(parents=True)
    with FileLock(tmp_path / "runs" / "my" / ".lock"):
        assert "another command is running on" in fails("--grid", grid())


def test_half_written_record_is_named_and_redone(grid, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path / "data"))
    given = [
        "--grid",
        str(grid()),
        "--out",
        str(tmp_path / "runs"),
        "--seeds",
        "2",
        "--jobs",
        "1",
        "--device",
        "cpu",
    ]
    assert CliRunner().invoke(app, given).exit_code == 0
    first, second = sorted((tmp_path / "runs" / "models").glob("*/record.json"))
    text = first.read_text(encoding="utf-8")
    first.write_text(text[: len(text) // 2], encoding="utf-8")
    again = CliRunner().invoke(app, given)
    assert again.exit_code == 0
    assert "1 run to do, 1 already done" in again.output
    assert f"{first} is damaged" in caplog.text
    assert "it is made again by the next run" in caplog.text
    assert len(load_results(tmp_path / "runs" / "my")) == 2
    assert first.exists()
    assert second.exists()


def test_errors_of_the_machine_are_not_failed_runs(grid, tmp_path, monkeypatch):
    """A full memory or disk stops the command; it is not recorded as the run's fault."""
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path / "data"))
    setting, *_ = list_settings(load_grid(str(grid())))

    def no_memory(*_):
        raise MemoryError("full")

    monkeypatch.setattr("priorbench.bench.training.train.Training.run_epoch", no_memory)
    with pytest.raises(MemoryError):
        list(run_block(Experiment(setting), Block(setting, (0,)), "cpu", None))


def test_a_dataset_of_fewer_images_than_a_trial_takes(grid, tmp_path, monkeypatch):
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path / "data"))
    path = grid("posY = [0, 10]", "posY = [0]")
    path.write_text(path.read_text(encoding="utf-8").replace("beta_vae", "beta_tcvae"))
    done = CliRunner().invoke(
        app,
        [
            "--grid",
            str(path),
            "--out",
            str(tmp_path),
            "--seeds",
            "1",
            "--jobs",
            "1",
            "--device",
            "cpu",
        ],
    )
    assert done.exit_code == 0, done.output


ON_CIRCLE = """
import torch, priors
@priors.register("on_circle")
class OnCircle(priors.Prior):
    def __init__(self, latent_dim):
        super().__init__(latent_dim, [priors.Group(range(4), on="sphere")])
    def _log_prob(self, z): return z.new_zeros(z.shape[:-1])
    def _sample(self, shape, generator):
        z = torch.randn(*shape, self.latent_dim, generator=generator)
        return z / z.norm(dim=-1, keepdim=True)
"""


def test_a_prior_and_a_posterior_that_contradict_each_other(fails, grid, tmp_path):
    (tmp_path / "circle.py").write_text(ON_CIRCLE)
    own = grid('"isa", subspaces = [2, 2]', '"on_circle"')
    try:
        line = fails("--grid", own, "--plugin", tmp_path / "circle.py")
    finally:
        priors.registry._entries.pop("on_circle", None)
    assert "a draw of OnCircle's posterior GaussianPosterior has length" in line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ('"mig_sampled"', "'mig_sampled' of method 'A': "),
        ('"mig_sampled"', "ask for 'mig' or 'mig_groups'"),
        (
            '{ name = "mig_groups", num_samples = -5 }',
            "'metrics[0]', metric 'mig_groups' of method 'A': "
            "'num_samples' must be at least 2; got -5",
        ),
    ],
)
def test_metrics_that_cannot_be_had_are_told_before_training(
    fails, grid, tmp_path, metric, words
):
    prior = '"hypersphere", dims = [3], posterior = "power_spherical"'
    path = grid('"isa", subspaces = [2, 2]', prior)
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace('metrics = ["mig"]', f"metrics = [{metric}]"), encoding="utf-8"
    )
    line = fails("--grid", path)
    assert words in line
    assert not (tmp_path / "runs").exists()


def test_a_file_of_images_that_is_not_there(fails, grid):
    own = grid(
        MINIMAL[MINIMAL.index("[dataset]") : MINIMAL.index("[architecture]")],
        'dataset = "mine.npz"\n',
    )
    line = fails("--grid", own)
    assert "'dataset': there is no file or folder 'mine.npz'" in line


def test_images_without_factors(fails, grid, tmp_path):
    """Said plainly, before anything is run."""
    np.savez(tmp_path / "mine.npz", images=np.zeros((20, 4, 4), np.uint8))
    own = grid(
        MINIMAL[MINIMAL.index("[dataset]") : MINIMAL.index("[architecture]")],
        'dataset = "mine.npz"\n',
    )
    line = fails("--grid", own)
    assert "'metrics[0]', metric 'mig' of method 'A'" in line
    assert "needs factors, and the dataset has none: leave the metric out" in line


def test_early_stopping_needs_images_to_validate_with(fails, grid):
    line = fails("--grid", grid("epochs = 1\n", "epochs = 1\nlook_ahead = 2\n"))
    assert line.endswith(
        "'training.look_ahead': 'look_ahead' needs images to validate with, and "
        "dataset 'dsprites' has no split 'valid' (a data set with factors is not "
        "split); leave it out"
    )


def test_latents_that_a_prior_does_not_have(fails, grid):
    line = fails(
        "--grid", grid("subspaces = [2, 2]", "subspaces = [2, 2], latent_dim = 5")
    )
    assert (
        "prior 'isa' has 4 latents, but 'latent_dim' is 5; in a grid the prior may have its own"
        in line
    )
