import numpy as np
import pytest
import torch

from priorbench.metrics import irs
from priorbench.metrics.irs import score_robustness
from tests.metrics.published_cases import list_values, make_case


@pytest.mark.parametrize("published", list_values("irs"))
def test_published_values(published):
    arguments = {
        "quantile": 0.99 if "diff_quantile=0.99" in published.settings else 1.0,
        "num_bins": 20 if "20 bins" in published.settings else None,
    }
    scores = irs(make_case(published.case).make_codes(), **arguments)
    published.check(scores["irs"])
    assert scores["irs_se"] == 0


@pytest.mark.parametrize("published", list_values("ubisoft_irs"))
def test_carbonneau_et_al_take_the_maximum(published):
    published.check(irs(make_case(published.case).make_codes(), quantile=1)["irs"])


@pytest.mark.parametrize("published", list_values("irs_groups"))
def test_published_values_of_groups(published):
    codes = make_case(published.case).make_codes(grouped=True)
    published.check(irs(codes, quantile=1)["irs_groups"])


def test_turning_a_group_changes_nothing(make_codes):
    rng = np.random.default_rng(0)
    v = torch.from_numpy(rng.integers(0, 4, (300, 2)))
    loc = v[:, [0, 1, 1]] + torch.from_numpy(rng.standard_normal((300, 3)))
    turn = torch.from_numpy(np.linalg.qr(rng.standard_normal((2, 2)))[0])
    turned = torch.cat([loc[:, :1], loc[:, 1:] @ turn], dim=1)
    first, second = (
        irs(make_codes(z, 1.0, v, (4, 4), groups=[[0], [1, 2]])) for z in (loc, turned)
    )
    assert first["irs_groups"] == pytest.approx(second["irs_groups"], abs=1e-12)
    assert first["irs"] != pytest.approx(second["irs"], abs=1e-3)


def test_one_group_has_a_score(make_codes, grid):
    v = grid(3, 4)
    circle = torch.stack([torch.cos(2.1 * v[:, 0]), torch.sin(2.1 * v[:, 0])], dim=1)
    codes = make_codes(circle, 1.0, v, (3, 4), groups=[[0, 1]])
    assert irs(codes)["irs_groups"] == pytest.approx(1)


def test_a_value_that_is_far_from_the_others_does_not_make_it_negative():
    # nine of ten are at -1 in one half of the data, at 1 in the other
    z = np.array([-1.0] * 9 + [1.0] + [1.0] * 9 + [-1.0])[:, None]
    factors = np.repeat([0, 1], 10)[:, None]
    assert score_robustness(z, factors, [[0]], 1.0) == 0


def test_draws_are_averaged(make_codes):
    rng = np.random.default_rng(0)
    v = torch.from_numpy(rng.integers(0, 4, (2_000, 2)))
    codes = make_codes(rng.standard_normal((2_000, 3)), 1.0, v, (4, 4))
    few = irs(codes, num_samples=400, num_draws=4)
    many = irs(codes, num_samples=400, num_draws=40)
    assert few["irs_se"] > many["irs_se"] > 0
    assert few["irs"] == pytest.approx(many["irs"], abs=5 * few["irs_se"])
    assert irs(codes, num_samples=2_000)["irs_se"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quantile": 0}, "'quantile' must be above 0 and at most 1; got 0"),
        ({"quantile": 99}, "got 99"),
        ({"num_samples": 1}, "'num_samples' must be at least 2; got 1"),
        ({"num_draws": 1}, "'num_draws' must be at least 2; got 1"),
    ],
)
def test_arguments_out_of_range(toy, arguments, message):
    with pytest.raises(ValueError, match=message):
        irs(toy(), **arguments)
