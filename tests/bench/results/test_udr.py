import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import Lasso

from priorbench.bench.results import udr
from priorbench.bench.results.udr import (
    find_active_latents,
    unsupervised_disentanglement_rank,
)
from tests.metrics.published_cases import load_values, make_five_models


def average_strength(r):
    """The mean over columns of the largest squared entry over their sum."""
    with np.errstate(invalid="ignore"):
        strength = r.max(axis=0) ** 2 / r.sum(axis=0)
    return np.nan_to_num(strength).mean()


def rank_naively(models, kl, correlate):
    """The score by its definition, with R of two models' active latents."""
    active = [z[:, used] for z, used in zip(models, kl > 0.01, strict=True)]
    scores = []
    for s, own in enumerate(active):
        matrices = [correlate(other, own) for other in active[:s] + active[s + 1 :]]
        pairs = [(average_strength(r) + average_strength(r.T)) / 2 for r in matrices]
        scores.append(np.median(pairs))
    return scores


def test_published_values():
    (published,) = load_values("udr_spearman")
    models, kl = make_five_models()
    published.check(unsupervised_disentanglement_rank(models, kl > 0.01))


def test_spearman_by_its_definition():
    models, kl = make_five_models()
    models = models.round(1)  # with equal values

    def correlate(first, second):
        width = first.shape[1]
        return np.abs(spearmanr(first, second).statistic[:width, width:])

    expected = rank_naively(models, kl, correlate)
    got = unsupervised_disentanglement_rank(models, kl > 0.01)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_the_lasso_variant_agrees_with_the_definition():
    """It has coefficients of regressions on another model's latents for R."""
    (published,) = load_values("udr_lasso")
    models, kl = make_five_models()
    centred = models - models.mean(axis=1, keepdims=True)
    standardised = centred / models.std(axis=1, keepdims=True)

    def correlate(first, second):
        return np.abs(Lasso(alpha=0.1).fit(first, second).coef_.T)

    published.check(rank_naively(standardised, kl, correlate))


def test_invariances():
    models, kl = make_five_models()
    expected = unsupervised_disentanglement_rank(models, kl > 0.01)
    changed = models.copy()
    changed[1] = np.exp(-models[1])
    changed[2] = models[2][:, ::-1]
    kl[2] = kl[2, ::-1]
    constant = np.zeros((5, 360, 1))
    padded = np.concatenate([changed, constant], axis=2)
    kl = np.concatenate([kl, np.zeros((5, 1))], axis=1)
    got = unsupervised_disentanglement_rank(padded, kl > 0.01)
    np.testing.assert_allclose(got, expected, atol=1e-12)
    order = [3, 1, 4, 0, 2]
    got = unsupervised_disentanglement_rank(padded[order], kl[order] > 0.01)
    np.testing.assert_allclose(got, expected[order], atol=1e-12)


def test_constant_latents_and_models_without_active_ones():
    rng = np.random.default_rng(0)
    models = np.stack([rng.standard_normal((50, 3))] * 4)
    models[3] = 2.0
    active = np.ones((4, 3), bool)
    active[2] = False
    ranks = unsupervised_disentanglement_rank(models, active)
    assert ranks[2] == ranks[3] == 0
    # of the scores against the three others, 1, 0 and 0
    assert ranks[0] == ranks[1] == 0
    two = unsupervised_disentanglement_rank(models[:2], active[:2])
    assert 0 < two[0] == two[1] <= 1


def test_latents_that_are_idle_in_an_active_group_take_no_part():
    """A subspace of two has one KL; a sphere that is not used, a direction all the same."""
    arrays = {
        "latent_kl": np.array([3.0, 3.0, 0.002, 0.002, 2.0]),
        "latent_variance": np.array([0.7, 0.002, 0.3, 0.4, 0.9]),
    }
    assert find_active_latents(arrays).tolist() == [True, False, False, False, True]


@pytest.mark.parametrize(
    ("shape", "active_shape", "message"),
    [
        ((1, 10, 2), (1, 2), "at least two of the first two; got"),
        ((2, 1, 2), (2, 2), "at least two of the first two; got"),
        ((2, 10), (2, 2), "must have the shape"),
        ((2, 10, 2), (2, 3), r"'active' must have the shape \(2, 2\)"),
    ],
)
def test_shapes_that_do_not_fit(shape, active_shape, message):
    with pytest.raises(ValueError, match=message):
        unsupervised_disentanglement_rank(np.zeros(shape), np.zeros(active_shape))


def test_it_needs_no_torch():
    program = f"import sys, {udr.__name__}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
