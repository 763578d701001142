import numpy as np
import pytest
import torch

from priorbench.metrics import sap_r2
from tests.metrics.published_cases import list_values, make_case


@pytest.mark.parametrize(
    "published",
    [*list_values("sap_continuous"), *list_values("ubisoft_sap_regression")],
)
def test_published_values(published):
    published.check(sap_r2(make_case(published.case).make_codes())["sap_r2"])


def test_squared_correlations(make_codes, grid):
    v = grid(3, 4)
    loc = np.stack([v[:, 0], v[:, 0] + v[:, 1], np.full(12, 0.1)], axis=1)
    scores = sap_r2(make_codes(loc, 1.0, v, (3, 4)))
    # variances 2/3 and 5/4
    both = 2 / 3 + 5 / 4
    expected = [[1, 0], [2 / 3 / both, 5 / 4 / both], [0, 0]]
    np.testing.assert_allclose(scores["r2"], expected, atol=1e-12)
    gaps = [1 - 2 / 3 / both, 5 / 4 / both]
    assert scores["sap_r2"] == pytest.approx(np.mean(gaps))


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_scale_and_shift_change_nothing(factor, shift):
    case = make_case("small/noisy")
    expected = sap_r2(case.make_codes())["sap_r2"]
    loc = factor * (torch.from_numpy(case.z) + shift)
    from priorbench.metrics import Codes

    codes = Codes.from_arrays(loc, case.factors)
    assert sap_r2(codes)["sap_r2"] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    ("grid_name", "index"), [("small", 0.9214285714), ("large", 0.9026200433)]
)
def test_groups_and_cyclic_factors(grid_name, index):
    for name in ("circle", "circle_turned"):
        case = make_case(f"{grid_name}/{name}")
        groups = sap_r2(case.make_codes(grouped=True))
        assert groups["sap_r2_groups"] == pytest.approx(index, abs=1e-7)
        cyclic = sap_r2(case.make_codes(grouped=True, cyclic=("d",)))
        assert cyclic["sap_r2_groups"] == pytest.approx(1, abs=1e-9)
        # single latents are held against the index, as published
        assert cyclic["sap_r2"] == groups["sap_r2"]


def test_one_group_has_no_score(make_codes, grid):
    v = grid(3, 4)
    scores = sap_r2(make_codes(v, 1.0, v, (3, 4), groups=[[0, 1]]))
    assert set(scores) == {"sap_r2", "r2"}
