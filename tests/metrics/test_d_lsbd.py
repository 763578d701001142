from dataclasses import replace

import numpy as np
import pytest

from priorbench import metrics
from priorbench.metrics import Codes, d_lsbd
from tests.metrics.published_cases import TORUS_SIZES, list_values, make_case

TORUS = "torus (5, 6, 7)"


def make_cyclic(z, factors, cyclic):
    """Codes as points, of which some factors are cyclic."""
    codes = Codes.from_arrays(z, factors, factor_names="abcdef"[: factors.shape[1]])
    return replace(codes, cyclic=tuple(cyclic))


@pytest.fixture
def noisy():
    return make_case(f"{TORUS}/torus_noisy")


def score(case, z=None, rows=slice(None)):
    z = case.z if z is None else z
    return d_lsbd(make_cyclic(z[rows], case.factors[rows], "abc"))


@pytest.mark.parametrize("published", list_values("d_lsbd"))
def test_published_values(published):
    codes = make_case(published.case).make_codes(cyclic=("a", "b", "c"))
    scores = d_lsbd(codes)
    published.check(scores["d_lsbd"])
    parts = [scores[f"d_lsbd_{name}"] for name in "abc"]
    assert scores["d_lsbd"] == pytest.approx(np.mean(parts))


def test_a_latent_that_follows_the_index():
    case = make_case(f"{TORUS}/torus")
    values = case.factors - case.factors.mean(0)
    standardised = values / values.std(0)
    noise = np.random.default_rng(1).standard_normal((210, 3))
    z = np.concatenate([standardised, 0.01 * noise], axis=1)
    # with the public code
    assert score(case, z)["d_lsbd"] == pytest.approx(0.8163863718)
    assert 0.75 < score(case, standardised)["d_lsbd"] < 0.85


@pytest.mark.parametrize("turns", [-3, -1, 2])
def test_planes_may_turn_faster_and_backwards(turns):
    v = np.stack(np.unravel_index(np.arange(63), (7, 9)), axis=1)
    angle = 2 * np.pi * turns * v[:, 1] / 9
    z = np.stack([np.cos(angle), v[:, 0] / 3, np.sin(angle)], axis=1)
    codes = make_cyclic(z, v, "b")
    assert d_lsbd(codes)["d_lsbd"] == pytest.approx(0, abs=1e-12)
    slower = d_lsbd(codes, max_frequency=abs(turns))["d_lsbd"]
    assert slower == pytest.approx(0, abs=1e-12)
    if abs(turns) > 1:
        assert d_lsbd(codes, max_frequency=1)["d_lsbd"] > 0.9


def test_invariances(noisy):
    expected = score(noisy)["d_lsbd"]
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    assert score(noisy, 3 * noisy.z @ turn + 1)["d_lsbd"] == pytest.approx(expected)
    flipped = noisy.z[:, [3, 0, 5, 1, 4, 2]] * [1, -1, 1, -1, -1, 1]
    assert score(noisy, flipped)["d_lsbd"] == pytest.approx(expected)
    padded = np.column_stack([noisy.z, np.full(210, 0.1)])
    assert score(noisy, padded)["d_lsbd"] == pytest.approx(expected)
    order = rng.permutation(210)
    assert score(noisy, rows=order)["d_lsbd"] == pytest.approx(expected)
    twice = np.tile(rng.permutation(210), 2)
    doubled = score(noisy, rows=twice)["d_lsbd"]
    assert doubled == pytest.approx(expected, abs=1 / 210)
    assert doubled / (1 - 1 / 420) == pytest.approx(expected / (1 - 1 / 210))


def test_starting_elsewhere_and_running_backwards_change_nothing(noisy):
    expected = score(noisy)["d_lsbd"]
    moved = (np.array(TORUS_SIZES) - noisy.factors + 2) % TORUS_SIZES
    codes = make_cyclic(noisy.z, moved, "abc")
    assert d_lsbd(codes)["d_lsbd"] == pytest.approx(expected)


def test_constant_codes_score_one(noisy):
    codes = make_cyclic(np.full((210, 2), 0.3), noisy.factors, "abc")
    assert d_lsbd(codes)["d_lsbd"] == pytest.approx(1 - 1 / 210)


def test_one_latent():
    case = make_case(f"{TORUS}/torus")
    codes = make_cyclic(case.z[:, :1], case.factors, "a")
    # the cosine alone is half of the plane, and turns both ways at once
    assert d_lsbd(codes)["d_lsbd"] == pytest.approx(0.75 * (1 - 1 / 210))


def test_dsprites_orientation():
    """Its last value is its first; a square looks the same after a quarter turn."""
    v = np.stack(np.unravel_index(np.arange(3 * 40 * 4), (3, 40, 4)), axis=1)
    angle = 2 * np.pi * v[:, 1] / 39

    def score_folds(folds):
        turned = angle * np.array(folds)[v[:, 0]]
        z = np.stack([np.cos(turned), np.sin(turned), v[:, 0], v[:, 2]], axis=1)
        return d_lsbd(make_cyclic(z, v, "b"))["d_lsbd"]

    assert score_folds([1, 1, 1]) == pytest.approx(0.0014, abs=3e-4)
    assert score_folds([4, 2, 1]) > 0.8


def test_what_is_refused(noisy):
    metric = metrics.registry.get("d_lsbd")
    with pytest.raises(ValueError, match="'d_lsbd' needs cyclic factors, and the data"):
        metric(make_cyclic(noisy.z, noisy.factors, ""))
    with pytest.raises(ValueError, match="'factors' must be a complete grid"):
        score(noisy, rows=slice(1, None))
    with pytest.raises(ValueError, match="'factors' must be a complete grid"):
        score(noisy, rows=np.append(np.arange(209), 0))
    with pytest.raises(ValueError, match="'max_frequency' must be at least 1; got 0"):
        metric(make_cyclic(noisy.z, noisy.factors, "a"), max_frequency=0)
    two = make_cyclic(np.eye(2), np.array([[0], [1]]), "a")
    with pytest.raises(ValueError, match="at least three values; 'a' has 2"):
        d_lsbd(two)
    with pytest.raises(ValueError, match=r"'cyclic' must be names .*\['z'\]"):
        make_cyclic(noisy.z, noisy.factors, "z")
