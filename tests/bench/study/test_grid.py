from itertools import groupby
from pathlib import Path

import pytest

from priorbench import priors
from priorbench.bench.study import grid_file
from priorbench.bench.study.grid import (
    Plugin,
    PriorPlugin,
    TrainingOptions,
    load_grid,
)
from priorbench.bench.study.grid_file import find_line
from priorbench.bench.study.plugins import check_plugins
from priorbench.errors import UserError

GOOD = """\
seeds = 3
beta = [1.0, 4]
latent_dim = 6
metrics = ["mig", { name = "mig_sampled", num_samples = 50 }]

[dataset]
name = "dsprites"
factors = { shape = ["heart"] }

[training]
epochs = 7

[[methods]]
name = "A"
prior = "normal"
objective = "beta_vae"

[[methods]]
name = "B"
prior = { name = "isa", subspaces = [4, 2] }
objective = { name = "beta_tcvae", over = "latents" }
beta = [2]

[profiles.quick]
seeds = 1
dataset.factors.scale = [0]
training = { batch_size = 16 }

[profiles.other]
methods = ["B"]
training.epochs = 9
beta = [0.5]
"""

METRICS = '["mig", { name = "mig_sampled", num_samples = 50 }]'


@pytest.fixture
def write(tmp_path):
    def write(text=GOOD, *changes, name="mine.toml"):
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def error(path, profile=None):
    with pytest.raises(UserError) as caught:
        load_grid(path, profile)
    text = str(caught.value)
    assert "\n" not in text
    return text


# what is read


def test_a_preset_stands_for_its_metrics(write):
    """Its metrics have the preset's place; one that was there before is left out."""
    names = [
        m.name
        for _, m in load_grid(write(GOOD, (METRICS, '"neurips2019"'))).list_metrics()
    ]
    assert names == ["dci", "factor_vae", "sap", "mig_histogram", "irs"]
    grid = load_grid(write(GOOD, (METRICS, '["sap", "default", "mcc"]')))
    listed = [(position, m.name) for position, m in grid.list_metrics()]
    assert (listed[0], listed[-1]) == ((0, "sap"), (2, "mcc"))
    assert {position for position, _ in listed[1:-1]} == {1}
    assert len({name for _, name in listed}) == len(listed) == 14


@pytest.mark.parametrize("name", ["", " ", "=cmd()", "@sum", "two\\nlines", " A"])
def test_names_that_tables_cannot_show_are_refused(write, name):
    text = GOOD.replace('name = "A"', f'name = "{name}"')
    assert text != GOOD
    assert "methods[0].name" in error(write(text))


@pytest.mark.parametrize(
    "value", ["1000000000000", "9" * 5000, "[" * 2000 + "]" * 2000]
)
def test_what_has_no_end_is_refused(write, value):
    assert "mine.toml" in error(write(GOOD, ("seeds = 3", f"seeds = {value}")))


def test_a_metric_with_two_settings_is_refused(write):
    with pytest.raises(UserError, match="metric 'irs' is there twice"):
        load_grid(write(GOOD, (METRICS, '["default", "neurips2019"]')))


def test_added_metrics_replace_those_of_their_name(write):
    grid = load_grid(write(GOOD, (METRICS, '"neurips2019"')))
    added = (Plugin(name="sap", num_train=20), Plugin(name="mig"))
    together = grid.add_metrics(added)
    assert [m for _, m in together.list_metrics()][-2:] == list(added)
    assert len(together.list_metrics()) == 6
    assert len(grid.list_metrics()) == 5


def test_a_grid_file(write):
    grid = load_grid(write())
    assert (grid.name, grid.profile, grid.seeds, grid.latent_dim) == (
        "mine",
        "default",
        3,
        6,
    )
    assert grid.training.model_dump(exclude_none=True) == {
        "epochs": 7,
        "batch_size": 2048,
        "learning_rate": 1e-3,
    }
    assert grid.dataset.arguments == {"factors": {"shape": ["heart"]}}
    assert [m.name for m in grid.metrics] == ["mig", "mig_sampled"]
    assert grid.metrics[1].arguments == {"num_samples": 50}
    first, second = grid.methods
    assert (first.name, first.prior, first.objective) == (
        "A",
        PriorPlugin(name="normal"),
        Plugin(name="beta_vae"),
    )
    assert second.prior.arguments == {"subspaces": [4, 2]}
    assert grid.betas(first) == (1.0, 4.0)
    assert grid.betas(second) == (2.0,)
    assert all(isinstance(b, float) for m in grid.methods for b in grid.betas(m))


def test_defaults_are_the_papers(write):
    """Table 1 of ISA-VAE for dSprites; architecture and likelihood of appendix A."""
    grid = load_grid(
        write(
            GOOD,
            ("seeds = 3\n", ""),
            ("latent_dim = 6\n", ""),
            ("[training]\nepochs = 7\n", ""),
            ("[4, 2]", "[4, 4, 4, 4, 4]"),
        )
    )
    assert (grid.seeds, grid.latent_dim, grid.keep_models) == (50, 20, True)
    assert (grid.architecture.name, grid.likelihood.name) == ("mlp", "bernoulli")
    assert grid.training.model_dump(exclude_none=True) == {
        "epochs": 20,
        "batch_size": 2048,
        "learning_rate": 1e-3,
    }
    assert (grid.importance_samples, grid.importance_images) == (500, 1000)


def test_a_beta_for_each_group(write):
    grid = load_grid(
        write(
            GOOD,
            ("beta = [1.0, 4]", "beta = [1.0, 4, [1, 1, 8.0]]"),
            ("beta = [2]", "beta = [[0.5, 2]]"),
        )
    )
    first, second = grid.methods
    assert grid.betas(first) == (1.0, 4.0, (1.0, 1.0, 8.0))
    assert grid.betas(second) == ((0.5, 2.0),)
    assert all(isinstance(b, float) for b in (*grid.beta[2], *grid.betas(second)[0]))


def test_a_profile_overrides_key_by_key(write):
    grid = load_grid(write(), "quick")
    assert (grid.profile, grid.seeds) == ("quick", 1)
    assert grid.dataset.arguments == {"factors": {"shape": ["heart"], "scale": [0]}}
    assert (grid.training.epochs, grid.training.batch_size) == (7, 16)
    assert len(grid.methods) == 2
    assert grid.beta == (1.0, 4.0)


def test_a_profile_keeps_methods_by_name(write):
    grid = load_grid(write(), "other")
    assert [m.name for m in grid.methods] == ["B"]
    assert grid.methods[0].beta == (2.0,)
    assert (grid.beta, grid.training.epochs) == ((0.5,), 9)


def test_a_profile_may_order_and_replace_methods(write):
    ordered = GOOD.replace('methods = ["B"]', 'methods = ["B", "A"]')
    assert [m.name for m in load_grid(write(ordered), "other").methods] == ["B", "A"]
    replaced = GOOD.replace(
        'methods = ["B"]',
        'methods = [{ name = "C", prior = "normal", objective = "beta_vae" }]',
    )
    assert [m.name for m in load_grid(write(replaced), "other").methods] == ["C"]


def test_a_profile_may_change_a_method(write):
    """Key by key; what is not named stays, and a name alone keeps the method."""
    changed = GOOD.replace(
        'methods = ["B"]', 'methods = [{ name = "A", beta = [7.0] }, "B"]'
    )
    before = load_grid(write(GOOD)).methods[0]
    first, second = load_grid(write(changed), "other").methods
    assert (first.name, first.beta) == ("A", (7.0,))
    assert (first.prior, first.objective) == (before.prior, before.objective)
    assert second.name == "B"


def test_the_profile_by_default(write):
    path = write(GOOD, ("seeds = 3\n", 'seeds = 3\nprofile = "quick"\n'))
    assert (load_grid(path).profile, load_grid(path).seeds) == ("quick", 1)
    assert load_grid(path, "other").seeds == 3
    assert load_grid(write(), "default").seeds == 3


def test_the_projects_own_grid():
    grid = load_grid("dsprites_beta")
    assert (grid.name, grid.profile, grid.seeds, grid.latent_dim) == (
        "dsprites_beta",
        "paper",
        50,
        20,
    )
    assert [m.name for m in grid.methods] == [
        "β-VAE",
        "β-TCVAE",
        "β-TCVAE, stratified",
        "ISA-VAE",
        "ISA-VAE 5×5",
        "ISA-TCVAE",
        "ISA-TCVAE, groups",
        "FactorVAE",
    ]
    assert grid.beta == (1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6)
    assert (grid.training.epochs, grid.training.batch_size) == (20, 2048)
    assert "dsprites_beta" in grid_file.list_grids()
    for profile in ("quick", "demo"):
        assert load_grid("dsprites_beta", profile).profile == profile


@pytest.mark.parametrize("grid", grid_file.list_grids())
def test_every_grid_of_the_project_has_its_profiles(grid):
    """And names plug-ins that there are."""
    for profile in (None, "quick", "demo"):
        study = load_grid(grid, profile)
        assert study.profile == (profile or "paper")
        check_plugins(study)


def test_the_faces_and_cars_of_the_paper():
    """Stühmer et al. 2019, Figs. 5c and 6."""
    faces, cars = load_grid("faces3d_isa"), load_grid("cars3d_isa")
    assert (faces.seeds, faces.latent_dim, faces.training.epochs) == (15, 10, 1500)
    assert faces.beta == (0.5, 1, 2, 3, 4, 5)
    assert (cars.seeds, cars.beta) == (35, (1, 2, 3, 4))
    for grid in (faces, cars):
        assert grid.architecture.name == "conv"
        learned = [
            m.name for m in grid.methods if m.prior.arguments.get("learn_exponents")
        ]
        assert learned == ["ISA-VAE", "ISA-TCVAE", "ISA-TCVAE, groups"]
    fixed = next(m for m in faces.methods if m.name == "ISA-VAE, p=1.9")
    assert fixed.prior.arguments["p"] == 1.9
    assert load_grid("faces3d_isa", "table2").beta == (1, 1.5, 2, 2.5, 3, 4)


@pytest.mark.parametrize("grid", ["dsprites_beta", "cars3d_isa", "faces3d_isa"])
def test_the_papers_total_correlation_is_that_of_its_code(grid):
    """Weighted, over single latents; ours has a name of its own."""
    objectives = {m.name: m.objective.model_dump() for m in load_grid(grid).methods}
    weighted = {"name": "beta_tcvae", "estimator": "weighted"}
    assert objectives["β-TCVAE"] == weighted
    assert objectives["ISA-TCVAE"] == weighted | {"over": "latents"}
    assert objectives["ISA-TCVAE, groups"] == {"name": "beta_tcvae"}


def test_the_platykurtic_prior_is_that_of_the_figure():
    """Stühmer et al. 2019, Fig. 3: p = 1 and p = 2.4, here of unit variance."""
    found = {m.name: m.prior for m in load_grid("dsprites_priors").methods}
    for name, p in (("leptokurtic", 1.0), ("platykurtic", 2.4)):
        arguments = found[name].arguments
        assert arguments["p"] == p
        prior = priors.build_prior(found[name].name, 20, **arguments)
        assert prior.variance() == pytest.approx(1, rel=1e-6)


def test_the_printed_delta_vae():
    """Pérez Rey et al. 2019, Eq. 3 and Algorithm 1, with perceptrons in a profile."""
    grid = load_grid("cars3d_diffusion", "printed")
    assert grid.architecture.name == "mlp"
    printed = [m.prior.arguments for m in grid.methods if "printed" in m.name]
    assert [(a["dim"], a["kl"], a["step"]) for a in printed] == [
        (10, "paper", "printed"),
        (20, "paper", "printed"),
    ]


def test_gaussians_and_spheres_of_as_many_dimensions():
    names = [m.name for m in load_grid("mnist_svae").methods]
    assert names == [f"{kind}{d}" for kind in "NS" for d in (2, 5, 10, 20, 40)]


@pytest.mark.parametrize(
    ("grid", "methods", "images"),
    [
        ("mnist_products", 26, 10_000),
        ("caltech_products", 22, 2_307),
        ("omniglot_products", 23, 8_070),
    ],
)
def test_the_products_of_spheres_of_the_paper(grid, methods, images):
    """Davidson et al. 2019, section 3: single spheres, the eleven of 41 coordinates, Table 5.

    And what its text names: S37 beside three circles, and the torus.
    """
    study = load_grid(grid)
    assert study.training == TrainingOptions(
        epochs=300, batch_size=64, learning_rate=1e-3, warm_up=100, look_ahead=50
    )
    assert (study.seeds, study.importance_samples, study.importance_images) == (
        3,
        500,
        images,
    )
    assert (study.beta, study.architecture.name) == ((1.0,), "mlp_svae")
    normal, *spheres = study.methods
    assert (normal.name, normal.prior.name, study.latent_dim) == ("N40", "normal", 40)
    assert len(spheres) == methods - 1
    singles, products = spheres[:5], spheres[5:]
    assert [m.prior.arguments["dims"] for m in singles] == [[2], [5], [10], [20], [30]]
    coordinates = []
    for method in spheres:
        dims = method.prior.arguments["dims"]
        name, *gradient = method.name.split(", ")
        assert name == composition(dims)
        assert method.prior.arguments.get("gradient", "") == "".join(gradient)
        coordinates.append(method.prior.arguments["latent_dim"])
        assert coordinates[-1] == sum(dims) + len(dims)
        assert method in singles or 41 in (coordinates[-1], sum(dims) + 1)
    assert coordinates[5:17] == [41] * 12
    assert {m.name for m in products} >= {"S37×[S1]×3", "[S1]×40"}


def composition(dims):
    """As in the paper's tables: equal neighbours once, in brackets, with their number."""
    runs = [(k, len(list(equal))) for k, equal in groupby(dims)]
    return "×".join(
        part
        for k, n in runs
        for part in (
            [f"[S{k}]", str(n)] if n > 2 or n == len(dims) > 1 else [f"S{k}"] * n
        )
    )


# what is refused: file, key, line, and what was expected


def test_unknown_grid(tmp_path):
    assert "did you mean 'dsprites_beta'" in error("dsprites_bta")
    assert f"no grid file at '{tmp_path}/none.toml'" in error(f"{tmp_path}/none.toml")


def test_unknown_profile(write):
    path = write()
    assert (
        error(path, "qick") == f"{path}: unknown profile 'qick'; did you mean 'quick'?"
    )
    assert "known: default, quick, other" in error(path, "zzzz")


def test_not_toml(write):
    path = write(GOOD, ("epochs = 7", "epochs = = 7"))
    assert error(path).startswith(f"{path}: not valid TOML: ")
    assert "line 11" in error(path)


def test_not_text(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"seeds = 3 # \xff\n")
    assert "cannot be read" in error(str(path))


SCHEMA = {
    "unknown key": (
        "seeds = 3",
        "sedes = 3",
        1,
        "'sedes': unknown key; did you mean 'seeds'",
    ),
    "unknown table": (
        "[training]",
        "[trainin]",
        10,
        "'trainin': unknown key; did you mean 'train",
    ),
    "unknown training key": (
        "epochs = 7",
        "epoch = 7",
        11,
        "'training.epoch': unknown key; did you mean 'epochs'",
    ),
    "unknown method key": (
        "beta = [2]",
        "bta = [2]",
        22,
        "'methods[1].bta': unknown key; did you mean 'beta'",
    ),
    "number as word": (
        "seeds = 3",
        'seeds = "three"',
        1,
        "'seeds': must be a whole number; got ",
    ),
    "part of a seed": (
        "seeds = 3",
        "seeds = 3.5",
        1,
        "'seeds': must be a whole number; got ",
    ),
    "no seeds": (
        "seeds = 3",
        "seeds = 0",
        1,
        "'seeds': must be at least 1; got 0",
    ),
    "negative seeds": ("seeds = 3", "seeds = -2", 1, "got -2"),
    "no latents": (
        "latent_dim = 6",
        "latent_dim = 0",
        3,
        "'latent_dim': must be at least 1",
    ),
    "no epochs": (
        "epochs = 7",
        "epochs = 0",
        11,
        "'training.epochs': must be at least 1",
    ),
    "batch of one": (
        "epochs = 7",
        "batch_size = 1",
        11,
        "'training.batch_size': must be at least 2",
    ),
    "no step": (
        "epochs = 7",
        "learning_rate = 0.0",
        11,
        "'training.learning_rate': must be greater than 0",
    ),
    "no warm-up": (
        "epochs = 7",
        "warm_up = 0",
        11,
        "'training.warm_up': must be at least 1",
    ),
    "longer warm-up": (
        "epochs = 7",
        "warm_up = 21",
        11,
        "'training.warm_up': must be at most the 20 epochs; got 21",
    ),
    "no look-ahead": (
        "epochs = 7",
        "look_ahead = 0",
        11,
        "'training.look_ahead': must be at least 1",
    ),
    "no number": (
        "epochs = 7",
        "learning_rate = nan",
        11,
        "'training.learning_rate': must be finite; got nan",
    ),
    "beta no list": (
        "beta = [1.0, 4]",
        "beta = 1.0",
        2,
        "'beta': must be a list, in brackets; got 1.0",
    ),
    "beta a word": (
        "beta = [1.0, 4]",
        'beta = ["a"]',
        2,
        "'beta[0]': must be a number; got \"a\"",
    ),
    "metrics no list": ('metrics = ["mig", {', "metrics = 3 #", 4, "'metrics': "),
    "plug-in a number": (
        'prior = "normal"',
        "prior = 3",
        15,
        "'methods[0].prior': must be a name, or a table with a name; got 3",
    ),
    "plug-in without name": (
        '{ name = "isa", ',
        "{ ",
        20,
        "'methods[1].prior.name': is missing",
    ),
    "no prior": ('prior = "normal"\n', "", 13, "'methods[0].prior': is missing"),
    "no dataset name": ('name = "dsprites"\n', "", 6, "'dataset.name': is missing"),
    "method without name": (
        'name = "A"\n',
        "",
        13,
        "'methods[0].name': is missing",
    ),
    "method with empty name": ('name = "A"', 'name = ""', 14, "'methods[0].name': "),
    "two of a name": ('name = "B"', 'name = "A"', None, "two methods are called 'A'"),
    "name no word": ("seeds = 3", 'name = "../x"', 1, "'name': "),
}


@pytest.mark.parametrize(("old", "new", "line", "message"), SCHEMA.values(), ids=SCHEMA)
def test_schema_errors(write, old, new, line, message):
    path = write(GOOD, (old, new))
    text = error(path)
    assert text.startswith(f"{path}, line {line}: " if line else path)
    assert message in text


@pytest.mark.parametrize("key", ["metrics = ", "[dataset]\nname = "])
def test_missing_keys(write, key):
    """The line that is not there cannot be said."""
    start = GOOD.index(key)
    text = GOOD[:start] + GOOD[GOOD.index("\n\n", start) + 1 :]
    name = key.strip("[").split(" ")[0].split("]")[0]
    assert error(write(text)).endswith(f": '{name}': is missing")


def test_no_methods(write):
    text = GOOD[: GOOD.index("[[methods]]")]
    assert error(write(text)).endswith("'methods': is missing")
    assert "'methods': " in error(write("methods = []\n" + text))


def test_two_methods_that_are_the_same(write):
    path = write(
        GOOD,
        ('{ name = "isa", subspaces = [4, 2] }', '"normal"'),
        ('{ name = "beta_tcvae", over = "latents" }', '"beta_vae"'),
    )
    assert "methods 'A' and 'B' are the same" in error(path)


def test_a_profile_that_names_no_method(write):
    text = error(write(GOOD, ('methods = ["B"]', 'methods = ["BB"]')), "other")
    assert "method 'BB'; did you mean 'B'" in text


def test_profiles_that_are_no_tables(write):
    text = GOOD[: GOOD.index("[profiles.quick]")] + "[[profiles]]\nseeds = 1\n"
    assert "'profiles' must be tables" in error(write(text))
    assert "'profiles' must be tables" in error(
        write("profiles = 3\n" + GOOD.split("[profile")[0])
    )


def test_the_line_of_an_error_in_a_profile(write):
    path = write(GOOD, ("seeds = 1", "seeds = 0"))
    assert load_grid(path).seeds == 3
    assert error(path, "quick").startswith(f"{path}, line 25: 'seeds'")
    dotted = write(GOOD, ("training.epochs = 9", "training.epochs = 0"))
    assert error(dotted, "other").startswith(f"{dotted}, line 31: 'training.epochs'")
    unknown = write(GOOD, ("training.epochs = 9", "training.epoch = 9"))
    assert error(unknown, "other").startswith(
        f"{unknown}, line 31: 'training.epoch': unknown key"
    )


def test_the_line_is_not_that_of_another_profile(write):
    path = write(GOOD, ("seeds = 3", "seeds = 0"))
    assert error(path).startswith(f"{path}, line 1: ")
    assert error(path, "other").startswith(f"{path}, line 1: ")


BAD_VALUES = {
    "seeds a string": ("seeds = 3", 'seeds = "3"', "'seeds'"),
    "seeds a truth value": ("seeds = 3", "seeds = true", "'seeds'"),
    "epochs a string": ("epochs = 7", 'epochs = "7"', "'training.epochs'"),
    "beta strings": ("beta = [1.0, 4]", 'beta = ["1.0"]', "'beta"),
    "beta truth values": ("beta = [1.0, 4]", "beta = [true]", "'beta"),
    "keep_models a string": ("seeds = 3", 'keep_models = "yes"', "'keep_models'"),
    "no beta": ("beta = [1.0, 4]", "beta = []", "'beta'"),
    "no beta of a method": ("beta = [2]", "beta = []", "'methods[1].beta'"),
    "beta twice": ("beta = [1.0, 4]", "beta = [4, 1.0, 4.0]", "'beta"),
    "beta of a method twice": ("beta = [2]", "beta = [2, 2.0]", "'methods[1].beta"),
    "beta negative": ("beta = [1.0, 4]", "beta = [-1.0]", "'beta"),
    "beta not a number": ("beta = [1.0, 4]", "beta = [nan]", "'beta"),
    "beta infinite": ("beta = [1.0, 4]", "beta = [inf]", "'beta"),
    "no beta of a group": ("beta = [1.0, 4]", "beta = [1.0, []]", "'beta[1]'"),
    "beta of a group negative": (
        "beta = [1.0, 4]",
        "beta = [[1.0, -2.0]]",
        "'beta[0][1]': must be at least 0; got",
    ),
    "beta of a group not a number": (
        "beta = [2]",
        "beta = [1, [1, nan]]",
        "'methods[1].beta[1][1]'",
    ),
    "beta of a group infinite": (
        "beta = [2]",
        "beta = [[inf]]",
        "'methods[1].beta[0][0]'",
    ),
    "beta of a group a word": (
        "beta = [1.0, 4]",
        'beta = [["a"]]',
        "'beta[0][0]': must be a number; got \"a\"",
    ),
    "beta of a group a list": ("beta = [1.0, 4]", "beta = [[[1.0]]]", "'beta[0][0]'"),
    "betas of groups twice": (
        "beta = [1.0, 4]",
        "beta = [[1, 2], 1, [1.0, 2.0]]",
        "'beta",
    ),
    "no images": ("seeds = 3", "importance_images = 0", "'importance_images'"),
    "samples negative": (
        "seeds = 3",
        "importance_samples = -1",
        "'importance_samples'",
    ),
    "step infinite": ("epochs = 7", "learning_rate = inf", "'training.learning_rate'"),
    "metric twice": (
        '{ name = "mig_sampled", num_samples = 50 }',
        '"mig"',
        "'metrics'",
    ),
}


@pytest.mark.parametrize(("old", "new", "place"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_bad_values_are_refused(write, old, new, place):
    path = write(GOOD, (old, new))
    text = error(path)
    assert text.startswith(f"{path}, line ")
    assert place in text


@pytest.mark.parametrize(
    ("old", "new", "profile"),
    [
        ("seeds = 3", 'seeds = 3\nprofile = ["quick"]', None),
        ('methods = ["B"]', "methods = 5", "other"),
        ('methods = ["B"]', 'methods = "B"', "other"),
    ],
    ids=["profile a list", "methods a number", "methods a string"],
)
def test_wrong_types_in_profiles_are_refused(write, old, new, profile):
    path = write(GOOD, (old, new))
    assert error(path, profile).startswith(path)


def test_methods_that_are_names_only(write):
    """A profile picks among methods that are none."""
    text = 'methods = ["B"]\n' + GOOD[: GOOD.index("[[methods]]")]
    path = write(text + '[profiles.other]\nmethods = ["B"]\n')
    assert error(path, "other").startswith(path)


def test_errors_of_a_profiles_methods_name_the_file(write):
    path = write(GOOD, ('methods = ["B"]', 'methods = ["BB"]'))
    assert error(path, "other").startswith(path)


def test_a_profile_overrides_a_bare_name(write):
    """``dataset = "dsprites"`` is the same as ``dataset = { name = "dsprites" }``."""
    text = GOOD.replace(
        '[dataset]\nname = "dsprites"\nfactors = { shape = ["heart"] }\n', ""
    )
    grid = load_grid(write('dataset = "dsprites"\n' + text), "quick")
    assert grid.dataset == Plugin(name="dsprites", factors={"scale": [0]})


def test_a_profile_overrides_a_default_plugin(write):
    grid = load_grid(write(GOOD, ("seeds = 1", "architecture.hidden = 32")), "quick")
    assert grid.architecture == Plugin(name="mlp", hidden=32)


def test_a_profile_with_another_plugin_does_not_take_the_arguments_of_the_first(write):
    path = write(GOOD, ("dataset.factors.scale = [0]", 'dataset = { name = "other" }'))
    assert load_grid(path, "quick").dataset == Plugin(name="other")


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (["seeds"], 1),
        (["training", "epochs"], 11),
        (["training", "batch_size"], 10),
        (["methods", 0, "name"], 14),
        (["methods", 1, "beta", 0], 22),
        (["methods", 1, "x"], 18),
        (["dataset", "factors", "shape"], 8),
        (["nothing"], None),
    ],
)
def test_find_line(keys, line):
    assert find_line(GOOD, keys) == line


def test_where(write):
    path = write()
    assert grid_file.read_grid_file(path).locate(["methods", 1, "beta"]) == (
        f"{path}, line 22: 'methods[1].beta'"
    )
    assert (
        grid_file.read_grid_file(path).locate(["seeds"], "quick")
        == f"{path}, line 25: 'seeds'"
    )


# what is set on the command line


def test_keys_are_set_over_a_profile(write):
    changes = {
        "seeds": 2,
        "training.epochs": 3,
        "methods.1.beta": [7],
        "dataset.factors": {},
    }
    grid = load_grid(write(), "quick", changes)
    assert grid.seeds == 2
    assert (grid.training.epochs, grid.training.batch_size) == (3, 16)
    assert grid.betas(grid.methods[1]) == (7.0,)
    assert grid.dataset.arguments == {"factors": {}}
    assert grid.overrides == changes


def test_methods_are_chosen_on_the_command_line(write):
    whole = load_grid(write())
    one, other = (method.name for method in whole.methods)
    assert load_grid(write(), None, {"methods": [other]}).methods == whole.methods[1:]
    chosen = [{"name": one, "beta": [3.0]}]
    (changed,) = load_grid(write(), None, {"methods": chosen}).methods
    assert (changed.prior, changed.beta) == (whole.methods[0].prior, (3.0,))


def test_a_bare_plugin_takes_arguments(write):
    path = write(GOOD, ("seeds = 3", 'likelihood = "gaussian"'))
    grid = load_grid(path, None, {"likelihood.sigma": 0.5, "methods.0.prior.p": 1.0})
    assert grid.likelihood.arguments == {"sigma": 0.5}
    assert grid.methods[0].prior.arguments == {"p": 1.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training.epochs": 0}, "--set training.epochs: must be at least"),
        ({"trainng.epochs": 1}, "--set trainng.epochs: unknown key; did you mean 'tr"),
        ({"training.epoch": 1}, "--set training.epoch: unknown key; did you mean 'ep"),
        ({"methods.1.beta": [-1]}, "--set methods.1.beta: must be at least"),
        ({"methods.2.beta": [1]}, "--set 'methods.2.beta': 2 must be a position from"),
        ({"methods.x": 1}, "--set 'methods.x': 'x' must be a position from 0 to 1"),
        ({"seeds.a": 1}, "--set 'seeds.a': 'seeds' has no key 'a'; it is 3"),
        ({"methods": ["C"]}, "--set methods: unknown method 'C'"),
        ({"methods": 3}, "--set methods: 'methods' must be a list of names or of ta"),
    ],
)
def test_wrong_keys_of_the_command_line(write, changes, message):
    with pytest.raises(UserError) as caught:
        load_grid(write(), None, changes)
    assert message in str(caught.value)


def test_a_grids_file_is_opened_once(write, monkeypatch):
    """The place of an error is looked up in what was read."""
    path, opened = write(), []
    read = Path.read_text

    def count(self, *arguments, **options):
        opened.append(self)
        return read(self, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", count)
    grid = load_grid(path, "quick")
    assert grid.locate("methods", 1, "beta") == f"{path}, line 22: 'methods[1].beta'"
    assert len(opened) == 1


def test_a_byte_order_mark_is_left_out(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load_grid(str(path)).seeds == 3


def test_a_grid_of_the_project_is_known_by_its_name_wherever_it_is(tmp_path):
    """So that results may be given to others without the paths of a machine."""
    assert load_grid("dsprites_beta").file.place == "dsprites_beta.toml"
    own = tmp_path / "own.toml"
    own.write_text(load_grid("dsprites_beta").file.text, encoding="utf-8")
    assert load_grid(str(own)).file.place == str(own)


def test_the_readme_says_how_many_runs_the_profiles_have():
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    for profile in ("paper", "quick", "laptop", "demo"):
        grid = load_grid("dsprites_beta", profile)
        settings = sum(len(grid.betas(method)) for method in grid.methods)
        words = f"{len(grid.methods)} methods, {settings} settings × {grid.seeds} seeds"
        assert f"| `{profile}` | {words} |" in readme
