"""The published figures: every number of the papers' tables, a file's errors, ours beside them."""

import math
from collections import Counter

import pytest

from priorbench.bench.report.published import (
    COLUMNS,
    FOLDER,
    HEADER,
    choose_reconstruction,
    compare_published,
    find_published,
    list_points,
    list_published,
    load_published,
)
from priorbench.bench.report.published_page import make_published_files
from priorbench.bench.study.grid import load_grid
from priorbench.errors import UserError
from tests.bench.synthetic_results import make_likelihood_result as make_result
from tests.bench.synthetic_results import make_result as make_run
from tests.bench.synthetic_results import make_study

GRIDS = ("mnist_products", "omniglot_products", "caltech_products")
ISA_GRIDS = ("dsprites_beta", "faces3d_isa")

# Of the paper's tables, read by another way than the files: how many numbers a table of a dataset
# has, and the sum of each of its columns, baselines apart.
BASELINES = {"mnist_products": 4, "omniglot_products": 2, "caltech_products": 2}
COUNTS = {
    "mnist_products": {1: 8, 2: 44, 5: 8},
    "omniglot_products": {1: 6, 4: 44, 5: 6},
    "caltech_products": {1: 4, 3: 44, 5: 4},
}
SUMS = {
    ("mnist_products", 1): {"log_likelihood": -370.20, "elbo": -393.06},
    ("mnist_products", 2): {
        "log_likelihood": -1041.09,
        "elbo": -1112.06,
        "reconstruction": -804.51,
        "kl": 307.56,
    },
    ("mnist_products", 5): {"log_likelihood": -370.28, "elbo": -393.81},
    ("caltech_products", 1): {"log_likelihood": -279.94, "elbo": -304.72},
    ("caltech_products", 3): {
        "log_likelihood": -1634.37,
        "elbo": -1783.87,
        "reconstruction": -1470.97,
        "kl": 312.88,
    },
    ("caltech_products", 5): {"log_likelihood": -277.79, "elbo": -303.78},
    ("omniglot_products", 1): {"log_likelihood": -338.01, "elbo": -356.33},
    ("omniglot_products", 4): {
        "log_likelihood": -1291.30,
        "elbo": -1358.88,
        "reconstruction": -1069.13,
        "kl": 289.74,
    },
    ("omniglot_products", 5): {"log_likelihood": -337.67, "elbo": -355.75},
}
SPOT = [
    ("mnist_products", "S34×[S1]×3", "log_likelihood", "Table 2", -108.42),
    (
        "mnist_products",
        "S15×S10×S4×S3×S2×S1",
        "log_likelihood",
        "Tables 1 and 2",
        -92.25,
    ),
    ("mnist_products", "S10×S7×S6×S5×S4×S3×S2×[S1]×3", "elbo", "Table 5", -98.81),
    ("mnist_products", "S22×[S1]×9", "reconstruction", "Table 2", -68.75),
    ("caltech_products", "S30×[S1]×5", "kl", "Table 3", 15.55),
    ("caltech_products", "[S10]×4", "log_likelihood", "Table 5", -137.95),
    ("caltech_products", "S40", "elbo", "Tables 1 and 5", -152.25),
    ("omniglot_products", "S4×[S3]×9", "log_likelihood", "Tables 1 and 4", -112.64),
    ("omniglot_products", "S38×S1", "reconstruction", "Table 4", -91.82),
    ("omniglot_products", "[S4]×10", "elbo", "Table 5", -118.70),
]


def select_compositions(grid, number):
    """A table's compositions: "Tables 1 and 2" counts for both."""
    return [
        row
        for row in find_published(grid)
        if row.table.startswith("Table")
        and str(number) in row.table
        and row.method != "S40"
    ]


def test_there_is_a_file_for_each_grid_and_no_other():
    assert {path.stem for path in FOLDER.iterdir()} == {*GRIDS, *ISA_GRIDS}


@pytest.mark.parametrize("grid", GRIDS)
def test_every_number_of_a_table_is_there(grid):
    assert {n: len(select_compositions(grid, n)) for n in COUNTS[grid]} == COUNTS[grid]
    assert Counter(row.method for row in find_published(grid))["S40"] == BASELINES[grid]


@pytest.mark.parametrize(("grid", "number"), SUMS)
def test_sums_of_columns(grid, number):
    sums = Counter()
    for row in select_compositions(grid, number):
        sums[row.score] += row.value
    assert dict(sums) == pytest.approx(SUMS[grid, number], abs=1e-6)


@pytest.mark.parametrize(("grid", "method", "score", "table", "value"), SPOT)
def test_spot_values(grid, method, score, table, value):
    found = [
        r.value
        for r in find_published(grid)
        if (r.method, r.score, r.table) == (method, score, table)
    ]
    assert found == [value]


@pytest.mark.parametrize("grid", GRIDS)
def test_elbo_is_its_parts_up_to_rounding(grid):
    """A digit that was read wrong in a full table shows here."""
    full = {}
    for row in find_published(grid):
        full.setdefault(row.method, {})[row.score] = row.value
    complete = [scores for scores in full.values() if len(scores) == 4]
    assert len(complete) == 11
    for scores in complete:
        assert scores["elbo"] == pytest.approx(
            scores["reconstruction"] - scores["kl"], abs=0.011
        )
        assert scores["elbo"] < scores["log_likelihood"] < 0


def test_both_baselines_of_static_mnist_are_kept():
    rows = [
        r
        for r in find_published("mnist_products")
        if (r.method, r.score) == ("S40", "log_likelihood")
    ]
    assert [(r.value, r.table) for r in rows] == [
        (-93.37, "Table 1"),
        (-93.38, "Table 5"),
        (-96.32, "other version"),
    ]
    assert all("best single S_m, m ≤ 40" in r.note for r in rows)
    assert "another version" in rows[2].source


@pytest.mark.parametrize("grid", GRIDS)
def test_compositions_have_as_many_coordinates_as_the_paper_says(grid):
    """41 in the fixed ambient space; 40 degrees of freedom in Table 5."""
    for row in find_published(grid):
        if row.method == "S40":
            continue
        dims = parse_spheres(row.method)
        assert (
            sum(dims) == 40 if row.table == "Table 5" else sum(dims) + len(dims) == 41
        )


def parse_spheres(method):
    """Dimensions of the spheres: "S4×[S3]×2" is 4, 3, 3."""
    dims = []
    for part in method.split("×"):
        if part.isdigit():
            dims += dims[-1:] * (int(part) - 1)
        else:
            dims.append(int(part.strip("[S]")))
    return dims


def test_a_grid_of_ones_own_has_nothing_published():
    assert find_published("mine") == find_published("../published/mnist_products") == ()


GOOD = "S40,1,elbo,-98.88,all,Table 1,source,"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "",
            r"line 1: the columns must be "
            r"method,beta,score,value,models,table,source,note; got $",
        ),
        ("method,value\n", r"line 1: the columns must be .*; got method,value"),
        (
            "S40,1,elbo,-98.88,upper haf,Table 1,source,",
            r"line 2: unknown models 'upper haf'; did you mean 'upper half'\?",
        ),
        (
            "S40,one,elbo,-98.88,all,Table 1,source,",
            r"line 2: 'beta' must be a finite number; got 'one'",
        ),
        (
            "S40,1,elbo,-98.8.8,all,Table 1,source,",
            r"line 2: 'value' must be a finite number; got '-98.8.8'",
        ),
        (
            "S40,1,elbo,nan,all,Table 1,source,",
            r"line 2: 'value' must be a finite number; got 'nan'",
        ),
        (
            f"{GOOD}\nS40,1,elbo,-inf,all,Table 1,source,",
            r"line 3: 'value' must be a finite number",
        ),
        (f"{GOOD}\n{GOOD}", r"line 3: elbo of S40 in Table 1 is there twice"),
        ("S40,1,elbo,-98.88,all,Table 1", r"line 2: expected 8 columns; got 6"),
        (f"{GOOD}\n\n", r"line 3: expected 8 columns; got 0"),
        (" ,1,elbo,-98.88,all,Table 1,source,", r"line 2: 'method' is empty"),
        ("S40,1,elbo,-98.88,all,,source,", r"line 2: 'table' is empty"),
        ("S40,1,elbo,-98.88,all,Table 1,,", r"line 2: 'source' is empty"),
    ],
)
def test_a_wrong_file_is_named_with_the_line(tmp_path, text, message):
    path = tmp_path / "wrong.csv"
    header = "" if text == "" or text.startswith("method") else ",".join(HEADER) + "\n"
    path.write_text(header + text, encoding="utf-8")
    with pytest.raises(UserError, match=r"wrong\.csv, " + message):
        load_published(path)


def test_a_good_file(tmp_path):
    path = tmp_path / "good.csv"
    path.write_text(
        f'{",".join(HEADER)}\n{GOOD}\nS40,1,elbo,-98,all,Table 5,"a, b",a note\n',
        encoding="utf-8",
    )
    assert [(r.value, r.table, r.source, r.note) for r in load_published(path)] == [
        (-98.88, "Table 1", "source", ""),
        (-98.0, "Table 5", "a, b", "a note"),
    ]


@pytest.mark.parametrize("grid", [*GRIDS, *ISA_GRIDS])
def test_the_grid_has_every_published_method(grid):
    names = {method.name for method in load_grid(grid).methods}
    assert {row.method for row in find_published(grid)} <= names


@pytest.mark.parametrize("grid", [*GRIDS, *ISA_GRIDS])
def test_published_values_are_for_runs_on_the_same_images(grid):
    same = load_grid(grid).dataset.model_dump()
    others = ({"name": "mine.npz"}, {**same, "source": "another"})
    for dataset, shown in ((same, True), *((other, False) for other in others)):
        run = make_run(grid=grid, config={"dataset": dataset})
        assert bool(list_published(make_study([run]))) == shown


def compare_results(records):
    return compare_published(make_study(records), find_published("mnist_products"))


def format_page(records):
    return make_published_files(make_study(records))["published.md"].decode()


def test_comparison_by_hand():
    runs = [
        make_result("S38×S1", seed=s, ll=ll)
        for s, ll in enumerate([-95.0, -96.0, -97.0])
    ]
    table = compare_results(runs)
    assert list(table.columns) == [
        "method",
        "beta",
        "score",
        "models",
        "table",
        "ours",
        "se",
        "n",
        "published",
        "difference",
        "difference_in_se",
        "note",
    ]
    assert table["score"].tolist() == ["log_likelihood", "elbo", "reconstruction", "kl"]
    se = 1 / math.sqrt(3)
    assert table.loc[0, "ours":"difference_in_se"].tolist() == pytest.approx(
        [-96, se, 3, -95.69, -0.31, -0.31 / se]
    )
    # equal runs have no spread to measure the difference by
    kl = table.loc[3, "ours":"difference_in_se"].tolist()
    assert kl[:-1] == pytest.approx([26, 0, 3, 32.01, -6.01])
    assert math.isnan(kl[-1])


def test_one_seed_has_a_difference_and_no_error():
    [row] = compare_results([make_result("[S10]×4", scores={"elbo": -98.0})]).to_dict(
        "records"
    )
    assert (row["n"], row["published"]) == (1, -98.26)
    assert row["difference"] == pytest.approx(0.26)
    assert math.isnan(row["se"])
    assert math.isnan(row["difference_in_se"])
    written = format_page([make_result("[S10]×4")])
    assert "| [S10]×4 | elbo | Table 5 | -99.00 | 1 | -98.26 | -0.74 | | |" in " ".join(
        written.split()
    )


def test_rows_are_as_published_and_methods_without_runs_are_named():
    runs = [
        make_result("[S10]×4"),
        make_result("S40"),
        make_result("N40"),
        make_result("S20×S19", status="failed"),
    ]
    table = compare_results(runs)
    assert table["method"].tolist() == ["S40"] * 4 + ["[S10]×4"] * 2
    assert table["published"].tolist() == [
        -93.37,
        -93.38,
        -96.32,
        -98.88,
        -92.62,
        -98.26,
    ]
    written = format_page(runs)
    assert "No finished run at β = 1 of: S20×S19, S38×S1, S10×[S9]×3," in written
    assert (
        "1. best single S_m, m ≤ 40; the paper does not say which m\n2. best" in written
    )
    assert "- another version of Davidson" in written


def test_only_beta_one_is_compared():
    runs = [make_result(beta=4.0, ll=-120.0), make_result("S20×S19", beta=(1.0, 2.0))]
    assert compare_results(runs).empty
    assert list(compare_results(runs).columns) == COLUMNS
    assert "No finished run at β = 1 of: S40" in format_page(runs)
    assert compare_results([*runs, make_result()])["ours"].tolist() == [-93] * 3 + [-99]


def test_n_counts_the_runs_that_have_the_score():
    runs = [make_result(), make_result(seed=1, scores={"log_likelihood": -94.0})]
    table = compare_results(runs)
    assert table["n"].tolist() == [2, 2, 2, 1]


def test_a_profile_that_is_not_the_papers_is_warned_of():
    written = format_page([make_result(profile="demo")])
    assert (
        "**These are runs of profile demo, not of paper: the differences say nothing"
        in written
    )
    assert "say nothing" not in format_page([make_result()])


def test_representative_models_of_the_isa_vae():
    """Eight models, MIG and log p(x): Figs. 8 to 16; each is there for its layouts."""
    found = {}
    for row in find_published("dsprites_beta"):
        assert row.models == "upper half"
        found.setdefault((row.method, row.beta), {})[row.score] = row.value
    assert {place: (*scores.values(),) for place, scores in found.items()} == {
        ("β-VAE", 1.0): (0.14, -21.99),
        ("ISA-VAE", 1.0): (0.20, -20.93),
        ("ISA-VAE 5×5", 1.0): (0.20, -20.93),
        ("β-VAE", 2.0): (0.28, -29.40),
        ("β-TCVAE", 2.0): (0.30, -27.15),
        ("ISA-VAE", 2.0): (0.41, -25.86),
        ("ISA-VAE 5×5", 2.0): (0.41, -25.86),
        ("β-VAE", 3.0): (0.47, -33.44),
        ("β-TCVAE", 3.0): (0.43, -33.40),
        ("ISA-VAE", 3.0): (0.48, -32.42),
        ("ISA-VAE 5×5", 3.0): (0.48, -32.42),
    }


def test_a_value_over_every_beta_counts_seeds_not_runs():
    exponents = {(1.0, 0): 1.0, (1.0, 1): 2.0, (4.0, 0): 2.0, (4.0, 1): 5.0}
    runs = [
        make_run("ISA-VAE", beta, seed, learned={"exponents": [value]})
        for (beta, seed), value in exponents.items()
    ]
    published = find_published("faces3d_isa")
    table = compare_published(make_study(runs), published)
    row = table.set_index("score").loc["sorted_exponents_1"]
    assert (row["ours"], row["n"]) == (2.5, 2)
    assert row["se"] == pytest.approx(1.0)


def make_isa_run(seed, mig, first_10k, method="β-VAE", **changes):
    scores = {"mig": mig, "reconstruction": -99.0}
    scores["reconstruction_first_10k"] = first_10k
    fields = {"grid": "dsprites_beta", "profile": "paper", "scores": scores}
    return make_run(method, 1.0, seed, **(fields | changes))


def test_single_models_are_compared_with_the_upper_half():
    """Of four runs the two best by MIG: 0.2 and 0.4, of reconstructions -30 and -50."""
    runs = [
        make_isa_run(seed, mig, first_10k)
        for seed, (mig, first_10k) in enumerate(
            [(0.1, -10), (0.4, -50), (0.2, -30), (0.0, -10)]
        )
    ]
    study = make_study(runs)
    table = compare_published(study, find_published("dsprites_beta"))
    assert table["score"].tolist() == ["mig", "reconstruction_first_10k"]
    assert table["ours"].tolist() == pytest.approx([0.3, -40])
    assert table["se"].tolist() == pytest.approx([0.1, 10])
    assert table["difference"].tolist() == pytest.approx([0.16, -18.01])
    assert table["difference_in_se"].isna().all()  # of one model it says nothing
    page = make_published_files(study)["published.md"].decode()
    assert "ours is the mean over the upper half of our seeds by `mig`" in page
    assert "| β-VAE | 1 | upper half | mig |" in " ".join(page.split())
    assert "the published code's log p(x)" in page
    assert "No finished run at β = 2 of: β-VAE, β-TCVAE, ISA-VAE, ISA-VAE 5×5." in page


def test_figures_show_the_reconstruction_that_was_published():
    study = make_study([make_isa_run(0, 0.1, -10.0)])
    assert choose_reconstruction(study) == "reconstruction_first_10k"
    points = list_points(study, "reconstruction_first_10k", "mig")
    assert [(row.method, row.beta, x, y) for row, x, y in points] == [
        ("β-VAE", 1.0, -21.99, 0.14),
        ("β-VAE", 2.0, -29.40, 0.28),
        ("β-VAE", 3.0, -33.44, 0.47),
    ]
    mine = make_study([make_isa_run(0, 0.1, -10.0, grid="mine")])
    assert choose_reconstruction(mine) == "reconstruction"
    assert list_points(mine, "reconstruction", "mig") == []
    lacking = make_study([make_run(grid="dsprites_beta")])
    assert choose_reconstruction(lacking) == "reconstruction"


def test_learned_exponents_are_compared_in_ascending_order_over_every_beta():
    runs = [
        make_run("ISA-VAE", beta, grid="faces3d_isa", learned={"exponents": exponents})
        for beta, exponents in [(1.0, [2.2, 1.9, 2.0]), (2.0, [1.7, 2.1, 2.4])]
    ]
    table = compare_published(make_study(runs), find_published("faces3d_isa"))
    assert table["published"].tolist() == [1.95, 1.98, 2.17]
    assert table["ours"].tolist() == pytest.approx([1.8, 2.05, 2.3])
    assert table["n"].tolist() == [1, 1, 1]  # both are of one seed
    assert table["beta"].tolist() == ["all"] * 3
    none = make_run("ISA-VAE", grid="faces3d_isa", learned={"exponents": [1.0]})
    few = compare_published(make_study([none]), find_published("faces3d_isa"))
    assert few["score"].tolist() == ["sorted_exponents_1"]
