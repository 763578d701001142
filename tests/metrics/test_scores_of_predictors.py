"""What the scores of fitted predictors have in common."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from priorbench import metrics
from priorbench.metrics import Codes

HEADLINES = {
    "beta_vae": "beta_vae",
    "dci": "dci_disentanglement",
    "dci_fast": "dci_fast_disentanglement",
    "explicitness": "explicitness",
    "knn_probe": "knn_probe_1000",
    "linear_probe": "linear_probe_1000",
}
SCORES = {
    "beta_vae": ["beta_vae"],
    "dci": ["dci_disentanglement", "dci_completeness", "dci_informativeness"],
    "dci_fast": [
        "dci_fast_disentanglement",
        "dci_fast_completeness",
        "dci_fast_informativeness",
    ],
    "explicitness": ["explicitness"],
    "knn_probe": ["knn_probe_100"],
    "linear_probe": ["linear_probe_100"],
}
NAMES = list(HEADLINES)
FEW = {"beta_vae": {"num_train": 500, "num_test": 500, "num_pairs": 16}}
"""Arguments that make a metric fast on few data points."""


def score(name, codes):
    scores = metrics.registry.get(name)(codes, **FEW.get(name, {}))
    return {column: scores[column] for column in SCORES[name] if column in scores}


def change_codes(codes, loc=None, factors=None, **fields):
    """Codes as points, of other representations or factors."""
    loc = codes.representation if loc is None else loc
    factors = codes.factors if factors is None else factors
    points = Codes.from_arrays(loc, np.zeros(len(loc)))
    return replace(
        codes,
        posterior=points.posterior,
        z=points.z,
        log_prior=None,
        factors=factors,
        groups=[[j] for j in range(loc.shape[1])],
        **fields,
    )


def draw_points(num_points=240, seed=0):
    """Values of three factors, and four latents that know some of them."""
    rng = np.random.default_rng(seed)
    v = torch.from_numpy(rng.integers(0, [2, 3, 2], (num_points, 3)))
    loc = v[:, [0, 1, 1, 2]] + 0.4 * v[:, [2, 0, 1, 1]]
    return v, loc + 0.5 * torch.from_numpy(rng.standard_normal((num_points, 4)))


@pytest.fixture
def mixed(make_codes):
    """Codes of middling scores: 240 points of four latents and three factors."""
    v, loc = draw_points()
    return make_codes(loc, 1.0, v, (2, 3, 2))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_registered(name):
    metric = metrics.registry.get(name)
    assert metric.function is getattr(metrics, name)
    assert (metric.headline, metric.needs) == (HEADLINES[name], ("factors",))
    assert metric.version == 1


def test_scikit_learn_is_not_imported_before_it_is_needed():
    program = "import sys, priorbench.metrics; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", NAMES)
def test_order_and_sign_of_latents_change_nothing(mixed, name):
    order = torch.tensor([2, 0, 3, 1])
    sign = torch.tensor([1.0, -1.0, -1.0, 1.0]).double()
    turned = change_codes(mixed, mixed.representation[:, order] * sign)
    # of trees, the order of the latents decides between splits that are as good
    allowed = {"dci": 0.03, "dci_fast": 0.03}.get(name, 1e-6)
    assert score(name, turned) == pytest.approx(score(name, mixed), abs=allowed)


@pytest.mark.parametrize("name", NAMES)
def test_relabelled_values_change_nothing(mixed, name):
    a, b, c = mixed.factors.T
    relabelled = torch.stack([1 - a, (b + 1) % 3, c], dim=1)
    got = score(name, change_codes(mixed, factors=relabelled))
    allowed = {"dci": 0.03, "beta_vae": 0.05}.get(name, 1e-4)
    assert got == pytest.approx(score(name, mixed), abs=allowed)


@pytest.mark.parametrize("name", NAMES)
def test_constant_latents_change_nothing_but_completeness(mixed, name):
    constant = torch.tensor([0.0, 3.7]).double().expand(240, 2)
    padded = change_codes(mixed, torch.cat([constant, mixed.representation], dim=1))
    expected, got = score(name, mixed), score(name, padded)
    allowed = {"dci": 0.03}.get(name, 1e-6)
    completeness = f"{name}_completeness"
    if completeness in expected:
        c = expected.pop(completeness)
        share = np.log(4) / np.log(6)
        padded_c = got.pop(completeness)
        assert 1 - padded_c == pytest.approx((1 - c) * share, abs=allowed)
        assert padded_c > c
    assert got == pytest.approx(expected, abs=allowed)


@pytest.mark.parametrize("name", NAMES)
def test_copies_of_all_images(make_codes, name):
    v, loc = draw_points(600)
    few = make_codes(loc[:300], 1.0, v[:300], (2, 3, 2))
    twice = make_codes(loc[:300].repeat(2, 1), 1.0, v[:300].repeat(2, 1), (2, 3, 2))
    once, copied = score(name, few), score(name, twice)
    for column, value in once.items():
        if "informativeness" in column:
            # trees know test rows of which there are copies among the training rows
            assert value <= copied[column]
        else:
            assert copied[column] == pytest.approx(value, abs=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_constant_codes_score_chance(make_codes, grid, name):
    v = grid(2, 3, 2).repeat(20, 1)
    chance = {
        "beta_vae": {"beta_vae": pytest.approx(1 / 3, abs=0.06)},
        "dci": {
            "dci_disentanglement": 0.0,
            "dci_completeness": 0.0,
            "dci_informativeness": pytest.approx(4 / 9, abs=0.1),
        },
        "explicitness": {"explicitness": 0.5},
        "knn_probe": {"knn_probe_100": pytest.approx(4 / 9, abs=0.1)},
        "linear_probe": {"linear_probe_100": pytest.approx(4 / 9, abs=0.1)},
    }
    chance["dci_fast"] = {
        column.replace("dci", "dci_fast"): value
        for column, value in chance["dci"].items()
    }
    for constant in (0.0, 3.7):
        codes = make_codes(torch.full((240, 3), constant), 1.0, v, (2, 3, 2))
        assert score(name, codes) == chance[name]


@pytest.mark.parametrize("name", NAMES)
def test_perfect_codes_score_one(make_codes, grid, name):
    v = grid(2, 3, 2).repeat(30, 1)
    for column, value in score(name, make_codes(v, 1.0, v, (2, 3, 2))).items():
        assert value == pytest.approx(1, abs=1e-3), column


@pytest.mark.parametrize("name", NAMES)
def test_one_factor(make_codes, name):
    v = torch.arange(3).repeat(80)[:, None]
    scores = score(name, make_codes(torch.cat([v, -v], dim=1), 1.0, v, (3,)))
    if name == "beta_vae":
        assert scores == {}
    elif name.startswith("dci"):
        assert list(scores) == [f"{name}_completeness", f"{name}_informativeness"]
        assert scores[f"{name}_informativeness"] == 1
    else:
        assert list(scores.values()) == pytest.approx([1])


@pytest.mark.parametrize("name", NAMES)
def test_one_latent(make_codes, grid, name):
    v = grid(2, 3).repeat(40, 1)
    scores = score(name, make_codes(v[:, :1], 1.0, v, (2, 3)))
    assert all(0 < value <= 1 for value in scores.values())
    if name.startswith("dci"):
        assert list(scores) == [f"{name}_informativeness"]


@pytest.mark.parametrize("name", NAMES)
def test_factors_that_do_not_count(make_codes, grid, name):
    v = grid(2, 3, 2, 1).repeat(20, 1)
    loc = v[:, :3] + 0.3 * v[:, [1, 2, 0]]
    codes = make_codes(loc, 0.5, v, (2, 3, 2, 6), nuisance=("c",))
    counted = make_codes(loc, 0.5, v[:, :2], (2, 3))
    assert score(name, codes) == score(name, counted)
    with pytest.raises(ValueError, match="no factor can be counted"):
        score(name, make_codes(loc, 0.5, v[:, 3:], (6,)))
    with pytest.raises(ValueError, match=f"'{name}' needs factors"):
        score(name, make_codes(loc, 0.5, v[:, :0], ()))


@pytest.mark.parametrize("name", NAMES)
def test_values_that_do_not_occur(mixed, name):
    doubled = change_codes(mixed, factors=2 * mixed.factors, factor_sizes=(4, 6, 4))
    assert score(name, doubled) == pytest.approx(score(name, mixed), abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_scores_belong_to_the_seed(mixed, name):
    assert score(name, mixed) == score(name, mixed)
    assert score(name, mixed) != score(name, change_codes(mixed, seed=1))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "dci"])
def test_standard_errors_are_those_of_other_draws(make_codes, name):
    column = SCORES[name][-1]
    few = {"num_test": 100, "num_train": 500}
    if name.endswith("probe"):
        few = {"num_test": 100, "labels": [500]}
        column = f"{name}_500"
    v, loc = draw_points(10_000)
    v, loc = v[:, :2], loc[:, :2]
    if name == "beta_vae":
        few["num_pairs"] = 2
    found = []
    for seed in range(12):
        codes = make_codes(loc, 1.0, v, (2, 3), seed=seed)
        found.append(metrics.registry.get(name)(codes, **few))
    spread = np.std([scores[column] for scores in found], ddof=1)
    claimed = np.mean([scores[f"{column}_se"] for scores in found])
    # 12 draws give a standard deviation to about a fifth
    assert 0.5 < claimed / spread < 2


@pytest.mark.parametrize("name", NAMES)
def test_float32_codes(mixed, name):
    low = change_codes(mixed, mixed.representation.float())
    assert score(name, low) == pytest.approx(score(name, mixed), abs=1e-3)
