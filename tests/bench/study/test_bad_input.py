"""Bad input: one line that names what was wrong, exit status 2, no traceback."""

import errno

import numpy as np
import pytest
from typer.testing import CliRunner

from priorbench import priors
from priorbench.bench.execution.schedule import Block
from priorbench.bench.execution.worker import run_block
from priorbench.bench.results import load_results
from priorbench.bench.run import app
from priorbench.bench.study.grid import load_grid
from priorbench.bench.study.job import list_settings
from priorbench.bench.training.experiment import Experiment
from tests.bench.small_study import MINIMAL


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

    monkeypatch.setattr("priorbench.bench.training.train.Training.run_steps", no_memory)
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
