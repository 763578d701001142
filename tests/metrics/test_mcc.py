import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from priorbench.metrics import mcc
from priorbench.metrics.mcc import _rank_columns
from tests.metrics.published_cases import list_values, make_case


@pytest.mark.parametrize("published", list_values("mcc_pearson"))
def test_published_values(published):
    published.check(mcc(make_case(published.case).make_codes())["mcc"])


@pytest.mark.parametrize("published", list_values("mcc_spearman"))
def test_published_values_of_ranks(published):
    published.check(mcc(make_case(published.case).make_codes())["mcc_spearman"])


def test_ranks_give_spearmans_correlation():
    x = np.random.default_rng(0).integers(0, 5, (50, 2)).astype(float)
    ranks = _rank_columns(x)
    expected = spearmanr(x[:, 0], x[:, 1]).statistic
    assert np.corrcoef(ranks.T)[0, 1] == pytest.approx(expected)


def test_the_assignment_is_the_best_of_all(make_codes):
    # taken one by one, the first latent would go to the first factor
    v = torch.from_numpy(np.random.default_rng(0).integers(0, 9, (500, 2)))
    both = v[:, 0] * 1.1 + v[:, 1]
    noisy = v[:, 0] + torch.from_numpy(np.random.default_rng(1).normal(0, 3, 500))
    codes = make_codes(torch.stack([both, noisy], dim=1), 1.0, v, (9, 9))
    r = np.corrcoef(np.stack([both, noisy, v[:, 0], v[:, 1]]))
    assert r[0, 2] > r[1, 2]
    assert mcc(codes)["mcc"] == pytest.approx((r[0, 3] + r[1, 2]) / 2)
