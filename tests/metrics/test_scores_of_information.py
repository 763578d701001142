"""What the scores of the matrix of mutual informations have in common."""

import math
from dataclasses import replace

import pytest
import torch

from priorbench import metrics
from priorbench.priors import Gaussian
from tests.metrics.published_cases import load_values, make_case, make_posterior_codes
from tests.metrics.synthetic_codes import OpaqueGaussian, unit_vectors

NAMES = [
    "infoc",
    "infom",
    "mi_completeness",
    "mi_disentanglement",
    "mig_sup",
    "modularity",
]
OF_LATENTS = ["infom", "mi_disentanglement", "mig_sup", "modularity"]
"""Those that say whether a latent knows one factor, in place of the reverse."""

PUBLISHED = {
    "infoc": "infoc_posterior",
    "infom": "infom_posterior",
    "mi_completeness": "med_completeness_posterior",
    "mi_disentanglement": "med_disentanglement_posterior",
    "mig_sup": "mig_sup_posterior_active",
    "modularity": "modularity_posterior_active",
    "mig": "mig_posterior",
}


def score(name, codes, **arguments):
    return metrics.registry.get(name)(codes, **arguments)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_values_of_posteriors(name):
    for value in load_values(PUBLISHED[name]):
        codes = make_posterior_codes(value.case, tuple(value.details["scale"]))
        scores = score(name, codes)
        value.check(scores[name])
        assert scores[f"{name}_error"] < 2e-3


def test_published_informations_of_posteriors():
    for value in load_values("mutual_information_posterior"):
        codes = make_posterior_codes(value.case, tuple(value.details["scale"]))
        value.check(score("mig", codes)["mutual_information"].numpy())


@pytest.mark.parametrize("name", NAMES)
def test_perfect_codes_score_one(make_codes, grid, name):
    v = grid(3, 4, 5)
    scores = score(name, make_codes(20 * v, 0.5, v, (3, 4, 5)))
    assert set(scores) == {name, f"{name}_error"}
    assert scores[name] == pytest.approx(1, abs=1e-6)
    assert 0 <= scores[f"{name}_error"] < 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_uneven_factors_and_missing_values_score_one(make_codes, name):
    # 10% / 90%, and four of eight values
    rare = (torch.arange(200) % 10 == 0).long()
    few = 2 * (torch.arange(200) // 10 % 4)
    v = torch.stack([rare, few], dim=1)
    codes = make_codes(30 * v, 0.5, v, (2, 8))
    assert score(name, codes)[name] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_constant_codes_have_no_score(make_codes, grid, name):
    v = grid(3, 4)
    assert score(name, make_codes(torch.zeros(12, 3), 1.0, v, (3, 4))) == {}


@pytest.mark.parametrize("name", NAMES)
def test_one_factor(make_codes, name):
    v = torch.arange(4)[:, None]
    codes = make_codes(torch.cat([9 * v, 9 * v], dim=1), 1.0, v, (4,))
    scores = score(name, codes)
    if name in OF_LATENTS:
        assert scores == {}
    else:
        assert scores[name] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_one_latent(make_codes, grid, name):
    v = grid(3, 4)
    scores = score(name, make_codes(20 * v[:, :1], 1.0, v, (3, 4)))
    if name in OF_LATENTS:
        assert scores[name] == pytest.approx(1, abs=1e-6)
    else:
        assert scores == {}


@pytest.mark.parametrize("name", NAMES)
def test_factors_that_do_not_vary(make_codes, grid, name):
    v = torch.cat([grid(3, 4), torch.zeros(12, 1, dtype=torch.int64)], dim=1)
    loc = 2 * v[:, :2] + v[:, [1, 0]]
    codes = make_codes(loc, 0.5, v, (3, 4, 6))
    without = make_codes(loc, 0.5, v[:, :2], (3, 4))
    assert score(name, codes) == score(name, without)
    with pytest.raises(ValueError, match="no factor can be counted"):
        score(name, make_codes(loc, 0.5, v[:, 2:], (6,)))
    with pytest.raises(ValueError, match="needs factors"):
        score(name, make_codes(loc, 0.5, v[:, :0], ()))


@pytest.mark.parametrize("name", NAMES)
def test_nuisance_factors_do_not_count(make_codes, grid, name):
    v = grid(3, 4, 5)
    loc = torch.stack([v[:, 0], v[:, 0] + v[:, 1], v[:, 2]], dim=1)
    codes = make_codes(loc, 0.2, v, (3, 4, 5), nuisance=("c",))
    without = make_codes(loc, 0.2, v[:, :2], (3, 4))
    assert score(name, codes)[name] == pytest.approx(score(name, without)[name])
    excluded = make_codes(loc, 0.2, v, (3, 4, 5), excluded=("c",))
    everything = make_codes(loc, 0.2, v, (3, 4, 5))
    assert score(name, excluded) == score(name, everything)


@pytest.mark.parametrize("name", NAMES)
def test_order_sign_and_labels_change_nothing(toy, name):
    codes = toy()
    expected = score(name, codes)
    assert 0.05 < expected[name] < 1
    q = codes.posterior
    order = torch.tensor([2, 0, 3, 1])
    sign = torch.tensor([1.0, -1.0, 1.0, -1.0]).double()
    loc = q.loc[:, order] * sign
    params = torch.cat([loc, q.log_scale[:, order]], dim=1)
    relabel = torch.randperm(12)
    columns = codes.factors.T
    factors = torch.stack([3 - columns[0], columns[1], relabel[columns[2]]], dim=1)
    points = torch.randperm(240).repeat(2)  # and every image twice
    changed = replace(
        codes,
        posterior=Gaussian()(params[points]),
        z=codes.z[points],
        log_prior=codes.log_prior[points],
        factors=factors[points],
    )
    got = score(name, changed)
    assert got[name] == pytest.approx(expected[name], abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_constant_latents_change_nothing_but_the_base(make_codes, grid, name):
    v = grid(3, 4)
    loc = 2.0 * v + v[:, [1, 0]]
    before = score(name, make_codes(loc, 0.5, v, (3, 4)))[name]
    padded = torch.cat([loc, torch.zeros(12, 2)], dim=1)
    after = score(name, make_codes(padded, 0.5, v, (3, 4)))[name]
    if name == "mi_completeness":  # the base of the entropy is the number of latents
        assert 1 - after == pytest.approx((1 - before) * math.log(2) / math.log(4))
    else:
        assert after == pytest.approx(before, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_other_families_are_sampled(toy, name):
    codes = toy()
    opaque = OpaqueGaussian()(codes.posterior.params)
    got = score(name, replace(codes, posterior=opaque))
    assert 0 < got[f"{name}_error"] < 1
    assert abs(got[name] - score(name, codes)[name]) < got[f"{name}_error"]


def test_what_is_shared_is_in_one_latent_or_two():
    def scores_of(case):
        codes = make_posterior_codes(case, (0.05,) * make_case(case).z.shape[1])
        return {name: score(name, codes)[name] for name in NAMES}

    shared, split = scores_of("small/shared"), scores_of("small/split")
    for name in ("infom", "mi_disentanglement"):
        assert shared[name] < 0.8
        assert split[name] == pytest.approx(1, abs=1e-3)
    assert shared["mig_sup"] == pytest.approx(2 / 3, abs=5e-3)
    assert split["mig_sup"] == pytest.approx(0.8, abs=1e-3)  # two of five know half
    for name in ("infoc", "mi_completeness"):
        assert split[name] < 0.95
        assert shared[name] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_turned_circle_is_one_code(make_spherical, name):
    v = torch.cartesian_prod(torch.arange(5), torch.arange(6)).repeat(3, 1)
    first = unit_vectors(2 * math.pi * v[:, 0] / 5)
    scores = []
    for turn in (0.0, 0.4):
        second = unit_vectors(2 * math.pi * v[:, 1] / 6 + turn)
        scores.append(score(name, make_spherical([first, second], 2e3, v, (5, 6))))
    for got in scores:
        assert got[f"{name}_groups"] == pytest.approx(1, abs=1e-4)
        assert got[f"{name}_groups_error"] < 1e-3
    if name not in OF_LATENTS:
        assert scores[0][name] < 0.95


@pytest.mark.parametrize("name", NAMES)
def test_groups_of_gaussians_are_sampled(make_codes, grid, name):
    v = grid(3, 4)
    loc = 3.0 * torch.stack([v[:, 0], v[:, 0], v[:, 1], v[:, 1]], dim=1)
    apart = make_codes(loc, 0.5, v, (3, 4), groups=[[0], [1], [2], [3]])
    assert set(score(name, apart)) == {name, f"{name}_error"}
    pairs = make_codes(loc, 0.5, v, (3, 4), groups=[[0, 1], [2, 3]])
    got = score(name, pairs)
    assert got[f"{name}_groups"] == pytest.approx(1, abs=1e-2)
    assert 0 <= got[f"{name}_groups_error"] < 0.1
    whole = make_codes(loc, 0.5, v, (3, 4), groups=[[0, 1, 2, 3]])
    assert set(score(name, whole)) == {name, f"{name}_error"}


def test_all_integrate_the_latents_once(toy, monkeypatch):
    module = "priorbench.metrics.information.latent_information"
    calls = []

    def count_calls(loc, scale, table, step):
        calls.append(loc.shape[1])
        return torch.rand(loc.shape[1], 3).double()

    monkeypatch.setattr(f"{module}.gaussian_information", count_calls)
    codes = toy()
    for name in ["mig", "mig_groups", *NAMES]:
        score(name, codes)
    assert calls == [4]
