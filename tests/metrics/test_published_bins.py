"""Published scores of binned codes, from this project's matrix of informations.

The formulas are those of the project's metrics; where an implementation has conventions
of its own, they are computed here and named in the test.
"""

import math
from functools import cache

import pytest
import torch

from priorbench.metrics import mig_histogram
from priorbench.metrics.infoc import average_code_share
from priorbench.metrics.infom import average_factor_share
from priorbench.metrics.information.discrete import (
    assign_bins,
    discrete_information,
    histogram_information,
)
from priorbench.metrics.information.importances import (
    importance_completeness,
    importance_disentanglement,
)
from priorbench.metrics.information.matrix_scores import InformationMatrix
from priorbench.metrics.mig_sup import average_gap
from priorbench.metrics.modularity import average_modularity
from tests.metrics.published_cases import list_values, load_values, make_case

NUM_BINS = 20
ADDED = 1e-11
"""What disentanglement_lib adds to importances before it takes their entropy."""


def measure_entropies(columns):
    return torch.stack([discrete_information(column, column) for column in columns])


@cache
def bin_case(name):
    """Informations (d, F), entropies of the factors (F,) and of the bins (d,)."""
    case = make_case(name)
    z, v = torch.from_numpy(case.z), torch.from_numpy(case.factors)
    bins = [assign_bins(coordinate, NUM_BINS) for coordinate in z.T]
    information = histogram_information(z, v, NUM_BINS)
    return information, measure_entropies(v.T), measure_entropies(bins)


@cache
def bin_angle(name):
    """The same of a circle case, with the circle's angle as one code."""
    case = make_case(name)
    z, v = torch.from_numpy(case.z), torch.from_numpy(case.factors)
    angle = torch.atan2(z[:, 4], z[:, 3])
    bins = ((angle + math.pi) / (2 * math.pi) * NUM_BINS).long().clamp(max=NUM_BINS - 1)
    of_circle = [discrete_information(bins, column) for column in v.T]
    rest = histogram_information(z[:, :3], v, NUM_BINS)
    return torch.cat([rest, torch.stack(of_circle)[None]]), measure_entropies(v.T)


def make_matrix(information, entropies):
    return InformationMatrix(information, torch.zeros_like(information), entropies)


def average_over_all(formula, information, entropies):
    """The mean of a score over all codes, of which those that know nothing count 0."""
    known = information.amax(1) > 0
    if not known.any():
        return 0.0
    score = formula(make_matrix(information[known], entropies))
    return score * int(known.sum()) / len(known)


@pytest.mark.parametrize("value", list_values("mutual_information_histogram"))
def test_informations(value):
    value.check(bin_case(value.case)[0].numpy())


@pytest.mark.parametrize("value", list_values("mig_histogram"))
def test_mig(value):
    num_bins = int(value.settings.rpartition("=")[2])
    codes = make_case(value.case).make_codes()
    scores = mig_histogram(codes, num_samples=10_000, num_bins=num_bins)
    value.check(scores["mig_histogram"])


@pytest.mark.parametrize("value", list_values("mig_angle_histogram"))
def test_mig_of_the_angle(value):
    information, entropies = bin_angle(value.case)
    first, second = information.topk(2, dim=0).values
    value.check(((first - second) / entropies).mean().item())


@pytest.mark.parametrize("value", list_values("mig_sup"))
def test_mig_sup(value):
    information, entropies, _ = bin_case(value.case)
    value.check(average_over_all(average_gap, information, entropies))


@pytest.mark.parametrize(
    "value", list_values("modularity") + list_values("ubisoft_modularity")
)
def test_modularity(value):
    information, entropies, _ = bin_case(value.case)
    value.check(average_over_all(average_modularity, information, entropies))


@pytest.mark.parametrize("value", list_values("ubisoft_modularity", failed=True))
def test_modularity_divides_by_zero_in_published_code(value):
    information, entropies, _ = bin_case(value.case)
    dead = information.amax(1) == 0
    assert dead.any()  # there 0 / 0
    if not dead.all():
        active = make_matrix(information, entropies).keep_active()
        assert average_modularity(active) == pytest.approx(1)


@pytest.mark.parametrize("value", list_values("med_disentanglement"))
def test_disentanglement_of_informations(value):
    matrix = make_matrix(*bin_case(value.case)[:2])
    value.check(importance_disentanglement(matrix.importances + ADDED))
    value.check(importance_disentanglement(matrix.importances), value.tolerance + 2e-9)


@pytest.mark.parametrize("value", list_values("med_completeness"))
def test_completeness_of_informations(value):
    matrix = make_matrix(*bin_case(value.case)[:2])
    value.check(importance_completeness(matrix.importances + ADDED))
    value.check(importance_completeness(matrix.importances), value.tolerance + 2e-9)


@pytest.mark.parametrize("value", list_values("med_groups"))
def test_disentanglement_and_completeness_of_the_angle(value):
    importances = make_matrix(*bin_angle(value.case)).importances + ADDED
    scores = (
        importance_disentanglement(importances),
        importance_completeness(importances),
    )
    value.check(scores)


@pytest.mark.parametrize("value", list_values("infom", "discrete_latents=True"))
def test_infom_of_discrete_codes(value):
    value.check(average_factor_share(make_discrete_matrix(value.case)))


@pytest.mark.parametrize("value", list_values("infoc", "discrete_latents=True"))
def test_infoc_of_discrete_codes(value):
    value.check(average_code_share(make_discrete_matrix(value.case)))


def make_discrete_matrix(name):
    """The matrix of codes with values that are classes, without bins."""
    case = make_case(name)
    v = torch.from_numpy(case.factors)
    codes = [torch.from_numpy(z).unique(return_inverse=True)[1] for z in case.z.T]
    rows = [torch.stack([discrete_information(z, f) for f in v.T]) for z in codes]
    return make_matrix(torch.stack(rows), measure_entropies(v.T))


def list_neighbour_estimates():
    """The published estimates by nearest neighbours, normalised, and what follows."""
    found = []
    infoc = {(v.case, v.source): v for v in load_values("infoc") if "KSG" in v.settings}
    for value in load_values("infom"):
        if "discrete_latents=False" in value.settings and value.value is not None:
            other = infoc.get((value.case, value.source))
            number = f"{value.case}-{value.source.split('/')[1].split('@')[0]}"
            found.append(pytest.param(value, other, id=number))
    return found


@pytest.mark.parametrize(("of_latents", "of_factors"), list_neighbour_estimates())
def test_infom_and_infoc_of_nearest_neighbours(of_latents, of_factors):
    # the published code's own estimates of the informations, of one of its runs
    nmi = torch.tensor(of_latents.details["nmi"], dtype=torch.float64).T
    active = nmi[torch.tensor(of_latents.details["active"])]
    if not len(active):  # 0 there, and no score here
        assert of_latents.value == of_factors.value == 0
        return
    matrix = make_matrix(active, torch.ones(nmi.shape[1]).double())
    of_latents.check(average_factor_share(matrix))
    if of_factors is None:
        return
    if of_factors.value is None:
        # an unknown factor is 0 / 0 there, and counts 0 here
        assert (active.amax(0) == 0).any()
        assert 0 < average_code_share(matrix) < 1
    else:
        of_factors.check(average_code_share(matrix))


@pytest.mark.parametrize("value", list_values("ubisoft_mig"))
def test_mig_over_the_entropies_of_the_codes(value):
    information, _, of_codes = bin_case(value.case)
    shares = (information / of_codes[:, None]).nan_to_num()
    first, second = shares.topk(2, dim=0).values
    value.check((first - second).mean().item())


@pytest.mark.parametrize("value", list_values("ubisoft_mig_sup"))
def test_mig_sup_over_the_entropies_of_the_codes(value):
    information, _, of_codes = bin_case(value.case)
    shares = (information / of_codes[:, None]).nan_to_num()
    first, second = shares.topk(2, dim=1).values.T
    value.check((first - second).mean().item())


@pytest.mark.parametrize(
    "value",
    list_values("ubisoft_mig", failed=True)
    + list_values("ubisoft_mig_sup", failed=True),
)
def test_codes_without_entropy_fail_in_published_code(value):
    assert (bin_case(value.case)[2] == 0).any()


@pytest.mark.parametrize("value", list_values("ubisoft_jemmig"))
def test_jemmig(value):
    # 1 - (H(z*, v) - gap) / (H(v) + log bins)
    information, entropies, of_codes = bin_case(value.case)
    top = information.topk(2, dim=0)
    best, gap = top.indices[0], top.values[0] - top.values[1]
    joint = of_codes[best] + entropies - top.values[0]
    score = 1 - (joint - gap) / (entropies + math.log(NUM_BINS))
    value.check(score.mean().item())


@pytest.mark.parametrize("value", list_values("ubisoft_dcimig"))
def test_dcimig(value):
    # the largest gap over factors among the codes that know each factor best
    information, entropies, _ = bin_case(value.case)
    top = information.topk(2, dim=1)
    gaps = top.values[:, 0] - top.values[:, 1]
    best = torch.zeros_like(entropies)
    best.scatter_reduce_(0, top.indices[:, 0], gaps, "amax")
    value.check((best.sum() / entropies.sum()).item())
