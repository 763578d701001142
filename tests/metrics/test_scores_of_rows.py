"""What the scores in closed form from rows have in common."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from priorbench import metrics
from priorbench.metrics import Codes
from tests.metrics.published_cases import make_case

SAMPLED = ["factor_vae", "irs", "sap"]
OF_CLASSES = ["factor_vae", "infoe", "irs", "sap"]
"""Those that take the values of a factor as classes, in no order."""
NAMES = [*OF_CLASSES, "mcc", "sap_r2"]
NEW_LATENTS = [name for name in NAMES if name != "sap"]
"""Those that constant latents do not change."""


def score(name, codes, **arguments):
    return metrics.registry.get(name)(codes, **arguments)


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


@pytest.fixture
def mixed():
    """Codes of middling scores, 360 points of six latents and four factors."""
    return make_case("small/vae_like").make_codes()


@pytest.mark.parametrize("name", [*NAMES, "d_lsbd"])
def test_what_is_registered(name):
    metric = metrics.registry.get(name)
    assert metric.function is getattr(metrics, name)
    needs = ("factors", "cyclic") if name == "d_lsbd" else ("factors",)
    assert (metric.headline, metric.needs, metric.version) == (name, needs, 1)


@pytest.mark.parametrize("name", NAMES)
def test_order_and_sign_of_latents_change_nothing(mixed, name):
    expected = score(name, mixed)
    order = torch.tensor([4, 2, 0, 3, 5, 1])
    sign = torch.tensor([1.0, -1.0, 1.0, -1.0, -1.0, 1.0]).double()
    got = score(name, change_codes(mixed, mixed.representation[:, order] * sign))
    assert got[name] == pytest.approx(expected[name], abs=1e-6)
    if f"{name}_se" in expected:
        assert got[f"{name}_se"] == pytest.approx(expected[f"{name}_se"], abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_copies_of_all_images_change_nothing(mixed, name):
    expected = score(name, mixed)
    loc = mixed.representation.repeat(2, 1)
    got = score(name, change_codes(mixed, loc, mixed.factors.repeat(2, 1)))
    # with twice the rows, SAP's penalty weighs half as much
    allowed = {"factor_vae": 5e-3, "irs": 0.01, "sap": 0.1}.get(name, 1e-6)
    assert got[name] == pytest.approx(expected[name], abs=allowed)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_relabelled_values_change_nothing(mixed, name):
    columns = []
    for values, size in zip(mixed.factors.T, mixed.factor_sizes, strict=True):
        order = torch.from_numpy(np.random.default_rng(size).permutation(size))
        columns.append(order[values])
    got = score(name, change_codes(mixed, factors=torch.stack(columns, dim=1)))
    allowed = {"factor_vae": 5e-3}.get(name, 1e-6)
    assert got[name] == pytest.approx(score(name, mixed)[name], abs=allowed)


@pytest.mark.parametrize("name", NEW_LATENTS)
def test_constant_latents_change_nothing(mixed, name):
    constant = torch.tensor([0.0, 3.7]).double().expand(360, 2)
    loc = torch.cat([constant, mixed.representation], dim=1)
    got = score(name, change_codes(mixed, loc))
    assert got[name] == pytest.approx(score(name, mixed)[name], abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_constant_codes_score_zero(make_codes, grid, name):
    v = grid(3, 4)
    scores = score(name, make_codes(torch.full((12, 3), 2.5), 1.0, v, (3, 4)))
    assert scores[name] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("case", ["noise", "mixed", "rotated", "missing", "nonlinear"])
@pytest.mark.parametrize("name", NAMES)
def test_scores_lie_between_zero_and_one(name, case):
    scores = score(name, make_case(f"small/{case}").make_codes())
    for column, value in scores.items():
        values = torch.as_tensor(value)
        assert ((values >= 0) & (values <= 1 + 1e-12)).all(), column


@pytest.mark.parametrize("name", NAMES)
def test_one_factor(make_codes, name):
    v = torch.arange(4).repeat(30)[:, None]
    codes = make_codes(torch.cat([v, v + 0.1], dim=1), 1.0, v, (4,))
    scores = score(name, codes)
    if name == "factor_vae":
        assert scores == {}
    else:
        expected = {"sap": 0.0, "sap_r2": 0.0}.get(name, 1.0)
        assert scores[name] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_one_latent(make_codes, grid, name):
    v = grid(3, 4).repeat(20, 1)
    scores = score(name, make_codes(v[:, :1], 1.0, v, (3, 4)))
    assert 0 < scores[name] <= 1
    if name in ("mcc", "sap_r2"):
        assert scores[name] == pytest.approx(0.5)


@pytest.mark.parametrize("name", NAMES)
def test_factors_that_do_not_count(make_codes, grid, name):
    v = grid(3, 4, 2, 1).repeat(5, 1)
    loc = v[:, :3] + 0.5 * v[:, [1, 2, 0]]
    sizes = (3, 4, 2, 6)
    codes = make_codes(loc, 0.5, v, sizes, nuisance=("c",))
    counted = make_codes(loc, 0.5, v[:, :2], (3, 4))
    assert score(name, codes)[name] == pytest.approx(score(name, counted)[name])
    with pytest.raises(ValueError, match="no factor can be counted"):
        score(name, make_codes(loc, 0.5, v[:, 3:], (6,)))
    with pytest.raises(ValueError, match=f"'{name}' needs factors"):
        score(name, make_codes(loc, 0.5, v[:, :0], ()))


@pytest.mark.parametrize("name", NAMES)
def test_values_that_do_not_occur(make_codes, grid, name):
    v = grid(3, 4).repeat(10, 1)
    gaps = v * 2
    loc = v + 0.5 * v[:, [1, 0]]
    expected = score(name, make_codes(loc, 0.5, v, (3, 4)))[name]
    got = score(name, make_codes(loc, 0.5, gaps, (6, 8)))[name]
    assert got == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_scores_belong_to_the_seed(make_codes, name):
    v = torch.from_numpy(np.random.default_rng(0).integers(0, 4, (400, 3)))
    loc = v[:, [0, 1, 1]] + torch.from_numpy(np.random.default_rng(1).random((400, 3)))
    few = {
        "factor_vae": {"num_train": 30, "num_test": 50},
        "sap": {"num_train": 100, "num_test": 50},
        "irs": {"num_samples": 100},
        "infoe": {"num_samples": 100},
    }.get(name, {})

    def score_seed(seed):
        codes = make_codes(loc, 1.0, v, (4, 4, 4), seed=seed)
        return score(name, codes, **few)[name]

    assert score_seed(3) == score_seed(3)
    if few:
        assert score_seed(3) != score_seed(4)


@pytest.mark.parametrize("name", [*SAMPLED, "infoe"])
def test_standard_errors_are_those_of_other_draws(make_codes, name):
    rng = np.random.default_rng(2)
    v = torch.from_numpy(rng.integers(0, 3, (6_000, 3)))
    loc = v[:, [0, 1, 1]] + torch.from_numpy(rng.standard_normal((6_000, 3)))
    few = {
        "factor_vae": {"num_rows": 4, "num_test": 400},
        "sap": {"num_train": 1_000, "num_test": 400},
        "irs": {"num_samples": 300},
        "infoe": {"num_samples": 500},
    }[name]
    found = [
        score(name, make_codes(loc, 1.0, v, (3, 3, 3), seed=seed), **few)
        for seed in range(12)
    ]
    spread = np.std([scores[name] for scores in found], ddof=1)
    claimed = math.sqrt(np.mean([scores[f"{name}_se"] ** 2 for scores in found]))
    # 12 draws give a standard deviation to about a fifth
    assert 0.5 < claimed / spread < 2


@pytest.mark.parametrize("name", NAMES)
def test_float32_codes(mixed, name):
    low = change_codes(mixed, mixed.representation.float())
    got = score(name, low)[name]
    assert got == pytest.approx(score(name, mixed)[name], abs=1e-5)
