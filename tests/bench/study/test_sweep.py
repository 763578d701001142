import pytest

from priorbench.bench.study.grid import load_grid
from priorbench.bench.study.job import list_jobs, list_settings
from priorbench.bench.study.sweep import expand_method
from priorbench.bench.training.experiment import Experiment
from priorbench.errors import UserError

GRID = """\
seeds = 2
latent_dim = 4
metrics = []
[dataset]
name = "dsprites"
factors = { shape = ["heart"], scale = [0], orientation = [0], posX = [0, 16] }
[architecture]
name = "mlp"
hidden = 8
[training]
epochs = 3
batch_size = 16
"""

METHOD = """
[[methods]]
name = "A"
prior = { name = "isa", subspaces = [2, 2], p = 2.2 }
objective = "beta_vae"
"""


@pytest.fixture
def load(tmp_path):
    def load(methods, **options):
        path = tmp_path / "mine.toml"
        path.write_text(GRID + methods)
        return load_grid(str(path), **options)

    return load


def test_a_table_of_lists_makes_every_combination(load):
    grid = load(METHOD + "sweep.prior.p = [1.9, 2.1]\nsweep.prior.p0 = [2.0, 3.0]\n")
    names = ["A, p = 1.9, p0 = 2", "A, p = 1.9, p0 = 3"]
    assert [m.name for m in grid.methods][:2] == names
    pairs = [(m.prior.arguments["p"], m.prior.arguments["p0"]) for m in grid.methods]
    assert pairs == [(1.9, 2.0), (1.9, 3.0), (2.1, 2.0), (2.1, 3.0)]
    assert grid.methods[0].prior.arguments["subspaces"] == [2, 2]


def test_a_list_of_tables_makes_one_method_each(load):
    grid = load(
        METHOD + "sweep = [{ name = 'B', beta = [4.0] }, "
        "{ name = 'C {prior.p}', prior = { p = 3.0 } }]\n"
    )
    assert [m.name for m in grid.methods] == ["B", "C 3"]
    assert [m.beta for m in grid.methods] == [(4.0,), None]
    assert grid.methods[1].prior.arguments["p"] == 3.0


def test_a_name_takes_the_values_of_its_keys(load):
    text = METHOD.replace('"A"', '"{objective}, {prior.name} of {prior.subspaces}"')
    grid = load(text + "sweep.prior.p = [2.1]\n")
    assert [m.name for m in grid.methods] == ["beta_vae, isa of [2, 2]"]


def test_a_method_of_a_sweep_is_the_one_written_out(load):
    swept = list_jobs(load(METHOD + "sweep.prior.p = [2.2, 2.5]\n"))
    plain = list_jobs(load(METHOD))
    assert [job.id for job in swept[:2]] == [job.id for job in plain]
    assert len({job.id for job in swept}) == 4


def test_training_networks_and_likelihood_may_be_a_method_s_own(load):
    own = (
        "training.epochs = 5\narchitecture.hidden = 16\n"
        "likelihood = { name = 'gaussian', sigma = 0.5 }\n"
    )
    grid = load(METHOD + METHOD.replace('"A"', '"B"') + own)
    first, second = list_settings(grid)
    assert first.grid.training.epochs == 3
    assert second.grid.training.epochs == 5
    assert second.grid.training.batch_size == 16  # the grid's
    network = Experiment(second).make_model().architecture.encoder[0]
    assert network.out_features == 16
    # the same as where the grid has these
    overrides = {
        "training.epochs": 5,
        "architecture.hidden": 16,
        "likelihood": {"name": "gaussian", "sigma": 0.5},
    }
    other = list_settings(load(METHOD, overrides=overrides))[0]
    assert second.config == other.config


def test_a_sweep_over_training_ends_in_trainings_of_their_own(load):
    grid = load(METHOD + "sweep.training.learning_rate = [1e-2, 1e-4]\n")
    names = ["A, learning_rate = 0.01", "A, learning_rate = 0.0001"]
    assert [m.name for m in grid.methods] == names
    ends = []
    for setting in list_settings(grid):
        training = Experiment(setting).make_training([0], "cpu")
        while not training.done:
            training.run_epoch()
        ends.append(training.outcomes()[0].losses["loss"][-1])
    assert ends[0] < ends[1] - 1.0


def test_methods_that_come_to_the_same_are_an_error(load):
    base = METHOD + METHOD.replace('"A"', '"B"')
    with pytest.raises(
        UserError, match=r"methods 'A' and 'B, epochs = 3' are the same"
    ):
        load(base + "sweep.training.epochs = [2, 3]\n")


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        (
            "sweep = 3",
            r"mine.toml, line 18: 'methods\[0\].sweep': must be a table of lists",
        ),
        ("sweep = []", "must be a table of lists"),
        ("sweep.prior.p = 3", r"'prior.p' must be a list with at least one value"),
        ("sweep.prior.p = []", r"'prior.p' must be a list with at least one value"),
        (
            "sweep = [{ name = 'p {prior.q}' }]",
            r"the name 'p {prior.q}' takes 'prior.q', which the method does not have",
        ),
        ("sweep.seeds = [1, 2]", r"mine.toml, line \d+: 'methods\[0\].seeds': unknown"),
        ("swep.prior.p = [1.9]", "did you mean 'sweep'"),
        ("training.epoch = 2", "did you mean 'epochs'"),
        ("training.epochs = 0", r"'methods\[0\].training.epochs'"),
    ],
)
def test_errors_name_the_place_in_the_file(load, sweep, message):
    with pytest.raises(UserError, match=message):
        load(METHOD + sweep + "\n")


def test_an_error_of_a_later_method_is_located_in_its_own_table(load):
    swept = METHOD + "sweep.prior.p = [1.9, 2.1, 2.3]\n"
    with pytest.raises(UserError, match=r"line 24: 'methods\[1\].beta"):
        load(swept + METHOD.replace('"A"', '"B"') + "beta = [-1.0]\n")
    grid = load(swept + METHOD.replace('"A"', '"B"'))
    assert "methods[1].prior" in grid.locate("methods", 3, "prior")
    assert "methods[0].prior" in grid.locate("methods", 2, "prior")


def test_a_profile_may_change_a_sweep(load):
    text = METHOD + "sweep.prior.p = [1.9, 2.1]\n"
    changed = "[profiles.few]\nmethods = [{ name = 'A', sweep.prior.p = [2.4] }]\n"
    names = [m.name for m in load(text + changed, profile="few").methods]
    assert names == ["A, p = 2.4"]
    overridden = load(text, overrides={"methods.0.sweep.prior.p": [2.6]})
    assert [m.name for m in overridden.methods] == ["A, p = 2.6"]


def test_a_method_without_a_sweep_stands_for_itself():
    assert expand_method({"name": "{prior.p}"}) == [{"name": "{prior.p}"}]
