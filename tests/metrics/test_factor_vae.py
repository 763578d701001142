from dataclasses import replace

import numpy as np
import pytest
import torch

from priorbench.metrics import factor_vae
from priorbench.metrics.factor_vae import _draw_votes, _score_votes
from tests.metrics.published_cases import list_values, load_values, make_case


@pytest.mark.parametrize("published", list_values("factor_vae_score"))
def test_published_values(published):
    scores = factor_vae(make_case(published.case).make_codes())
    published.check(scores["factor_vae"])


@pytest.mark.parametrize("published", list_values("factor_vae_groups"))
def test_published_values_of_groups(published):
    scores = factor_vae(make_case(published.case).make_codes(grouped=True))
    published.check(scores["factor_vae_groups"])


def test_many_rows_approach_the_limit():
    for published in load_values("factor_vae_limit"):
        if published.case.startswith("small") or "tie" in published.note:
            continue
        codes = make_case(published.case).make_codes()
        scores = factor_vae(codes, num_rows=1_000, num_train=200, num_test=100)
        # chance variances of noise decide until there are far more rows than that
        by_chance = 0.2 if published.case in ("large/missing", "large/noise") else 0
        allowed = 4 * scores["factor_vae_se"] + by_chance
        published.check(scores["factor_vae"], allowed + 1e-9)


@pytest.mark.parametrize("published", list_values("ubisoft_z_min_var"))
def test_votes_of_whole_passes_are_those_of_carbonneau_et_al(published):
    """Their votes vary less, and their score is rescaled to 0 at chance.

    The rows of a value are shuffled, and again when all are used, and cut into the rows
    of one vote after the other, so that a vote has each of 60 rows three or four times.
    """
    case = make_case(published.case)
    overall = case.z.var(axis=0, ddof=1)
    num_factors = len(case.sizes)
    rng = np.random.default_rng(1)
    fixed = rng.integers(num_factors, size=1_600)
    values = rng.integers(np.array(case.sizes)[fixed])
    ratio = np.empty((1_600, case.z.shape[1]))
    for k, size in enumerate(case.sizes):
        for value in range(size):
            votes = np.flatnonzero((fixed == k) & (values == value))
            rows = np.flatnonzero(case.factors[:, k] == value)
            needed = 200 * len(votes)
            passes = [rng.permutation(rows) for _ in range(needed // len(rows) + 1)]
            drawn = np.concatenate(passes)[:needed].reshape(-1, 200)
            ratio[votes] = case.z[drawn].var(axis=1, ddof=1) / overall
    accuracy = _score_votes(fixed, ratio, 800)
    chance = 1 / num_factors
    published.check((accuracy - chance) / (1 - chance))


def test_votes_hold_one_factor_fixed():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 3, (500, 2)) * 2  # 0, 2 and 4
    fixed, local = _draw_votes(values * 1.0, values, 2_500, 10, rng)
    assert local.shape == (2_500, 2)
    for k in range(2):
        assert (local[fixed == k, k] == 0).all()
        assert (local[fixed == k, 1 - k] > 0).all()
        assert abs((fixed == k).mean() - 0.5) < 0.04
    # the other factor is drawn uniformly: its variance is that of 0, 2 and 4
    assert local[fixed == 0, 1].mean() == pytest.approx(8 / 3, abs=0.1)


def test_no_complete_grid_is_needed():
    codes = make_case("small/incomplete").make_codes()
    assert factor_vae(codes)["factor_vae"] == 1.0


def test_ties_go_to_the_first_latent():
    codes = make_case("large/rotated").make_codes()
    scores = factor_vae(codes)
    # factors 0 and 1 both vote for latent 0, factors 2 and 3 for latent 2
    assert scores["factor_vae"] == pytest.approx(0.5, abs=4 * scores["factor_vae_se"])


def test_latents_that_hardly_vary_take_no_part(make_codes, grid):
    v = grid(3, 4).repeat(10, 1)
    loc = 0.04 * torch.stack([v[:, 0], v[:, 1]], dim=1) / v.double().std(0)
    codes = make_codes(loc, 1.0, v, (3, 4))
    assert factor_vae(codes)["factor_vae"] == 0.0
    assert factor_vae(codes, min_deviation=0.0)["factor_vae"] == 1.0
    still = make_codes(torch.zeros(120, 2), 1.0, v, (3, 4))
    assert factor_vae(still, min_deviation=0.0)["factor_vae"] == 0.0


def test_turning_a_group_changes_nothing():
    case = make_case("small/circle")
    turned = make_case("small/circle_turned")
    first, second = (
        factor_vae(c.make_codes(grouped=True))["factor_vae_groups"]
        for c in (case, turned)
    )
    assert first == second == 1.0


def test_one_group_has_no_score(make_codes, grid):
    v = grid(3, 4).repeat(5, 1)
    codes = make_codes(v, 1.0, v, (3, 4), groups=[[0, 1]])
    assert set(factor_vae(codes)) == {"factor_vae", "factor_vae_se"}
    singles = replace(codes, groups=[[0], [1]])
    assert factor_vae(singles) == factor_vae(codes)


@pytest.mark.parametrize(
    "arguments", [{"num_rows": 1}, {"num_train": 0}, {"num_test": 0}]
)
def test_numbers_that_are_too_small(toy, arguments):
    with pytest.raises(ValueError, match=f"'{next(iter(arguments))}' must be at least"):
        factor_vae(toy(), **arguments)
