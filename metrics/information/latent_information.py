"""Mutual information of factors with latents and groups, each by its best method."""

from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import NamedTuple

import torch
from torch import Tensor

from priorbench.metrics.base import Codes
from priorbench.metrics.information.factor_table import FactorTable
from priorbench.metrics.information.harmonics import (
    circle_information,
    coordinate_information,
)
from priorbench.metrics.information.quadrature import (
    MAX_POINTS,
    bound_quadrature_error,
    count_grid_points,
    gaussian_information,
)
from priorbench.metrics.information.sampled import information_terms, standard_error
from priorbench.priors.posteriors.base import Groups, Posterior
from priorbench.priors.posteriors.gaussian import GaussianPosterior
from priorbench.priors.posteriors.spherical import SphericalPosterior

Group = tuple[int, ...]
"""Coordinates of a group of latents."""

METHOD_NAMES = ("quadrature", "harmonic", "monte_carlo")
"""The methods: on a grid, by harmonics, and as averages over draws."""


class Information(NamedTuple):
    """Mutual information of groups of latents with factors.

    Attributes:
        nats: (groups, F), float64, from 0.
        error: (groups, F): a bound where a group is exact, a standard error where it is
            sampled.
        methods: of each group, one of :data:`METHOD_NAMES`.
        terms: what the sampled groups average, (S, sampled groups, F); S is 0 if there
            are none.
    """

    nats: Tensor
    error: Tensor
    methods: tuple[str, ...]
    terms: Tensor

    @property
    def sampled(self) -> list[int]:
        """Return the indices of the groups that are sampled."""
        return [g for g, name in enumerate(self.methods) if name == "monte_carlo"]


def estimate_information(
    codes: Codes,
    groups: Groups,
    step: float,
    num_samples: int,
) -> Information:
    """Estimate the mutual information of each group with each factor.

    Single Gaussian latents are integrated on a grid
    (:mod:`priorbench.metrics.information.quadrature`), circles and single coordinates
    of spheres by harmonics (:mod:`priorbench.metrics.information.harmonics`), in every
    independent part of the posterior. Other groups, and what is too narrow, are
    sampled. What is computed is kept in ``codes.memo``: each group is integrated once,
    and the same groups are sampled once with as many draws, whichever metrics ask.

    Args:
        codes: of any posterior.
        groups: coordinates of each group.
        step: distance of grid points, in units of each latent's smallest standard
            deviation.
        num_samples: draws of the sampled groups.

    Raises:
        ValueError: a group must be sampled and the posterior has no density of it.
    """
    chosen = [tuple(group) for group in groups]
    exact = _integrate_groups(codes, chosen, step)
    num_factors = len(codes.factor_names)
    nats = codes.factor_entropies.new_zeros(len(chosen), num_factors)
    error = torch.zeros_like(nats)
    terms = nats.new_zeros(0, 0, num_factors)
    methods = ["monte_carlo"] * len(chosen)
    for g, group in enumerate(chosen):
        if exact[group] is not None:
            methods[g], nats[g], error[g] = exact[group]
    rest = [g for g, group in enumerate(chosen) if exact[group] is None]
    if rest:
        left = tuple(chosen[g] for g in rest)
        terms = _sample_groups(codes, left, num_samples)
        nats[rest] = terms.mean(0).clamp(min=0)
        error[rest] = standard_error(terms)
    return Information(nats, error, tuple(methods), terms)


def _integrate_groups(
    codes: Codes,
    groups: Sequence[Group],
    step: float,
) -> dict[Group, tuple[str, Tensor, Tensor] | None]:
    """Return the method, the information (F,) and its error (F,) of each group.

    It is None for a group that has no exact method or is too narrow for it. The answer
    holds all groups that were asked for before, too.
    """
    known = codes.memo.setdefault(("exact information", step), {})
    missing = [group for group in groups if group not in known]
    if not missing:
        return known
    table = FactorTable.from_factors(codes.factors, codes.factor_sizes)
    found = dict.fromkeys(missing)
    for part, coordinates in codes.posterior.independent_parts():
        inside = [group for group in missing if set(group) <= set(coordinates)]
        local = [[coordinates.index(c) for c in group] for group in inside]
        for answer in find_exact(part, local, table, step):
            rows = zip(answer.groups, answer.nats, answer.error, strict=True)
            for i, nats, error in rows:
                if error.isfinite().all():
                    found[inside[i]] = answer.method, nats, error
    known.update(found)
    return known


def _sample_groups(codes: Codes, groups: tuple[Group, ...], num_samples: int) -> Tensor:
    """Return the terms of the estimated information, (S, groups, F).

    Raises:
        ValueError: the posterior has no density of a group.
    """
    key = "information terms", groups, num_samples
    if key in codes.memo:
        return codes.memo[key]
    table = FactorTable.from_factors(codes.factors, codes.factor_sizes)
    index = codes.draw_points(num_samples)
    try:
        terms = information_terms(codes.posterior, codes.z, table, groups, index)
    except ValueError as problem:
        raise ValueError(
            f"the latents {list(groups)} have no exact method, or are too narrow for "
            f"it, and {type(codes.posterior.family).__name__} cannot be sampled there "
            f"({problem}): ask for 'mig_groups' or 'mig_histogram' in place of 'mig'"
        ) from problem
    codes.memo[key] = terms
    return terms


class Answer(NamedTuple):
    """Mutual information of some groups with factors, by one exact method.

    Attributes:
        method: one of :data:`METHOD_NAMES`.
        groups: indices of the groups.
        nats: (groups, F), float64, from 0.
        error: bounds on the error, (groups, F), in nats; infinite for a group that is
            too narrow for the method.
    """

    method: str
    groups: list[int]
    nats: Tensor
    error: Tensor


@singledispatch
def find_exact(
    part: Posterior,
    groups: Groups,
    table: FactorTable,
    step: float,
) -> Iterator[Answer]:
    """Yield the information of the groups that have an exact method.

    There is none by default: it depends on the class of the posterior.

    Args:
        part: an independent part of the posterior.
        groups: coordinates of each group, counted in the part.
        table: factor values of the data points.
        step: distance of grid points, in units of each latent's smallest standard
            deviation.
    """
    yield from ()


@find_exact.register
def integrate_gaussians(
    part: GaussianPosterior,
    groups: Groups,
    table: FactorTable,
    step: float,
) -> Iterator[Answer]:
    """Yield the information of the single latents that are not too narrow."""
    narrow = count_grid_points(part.loc, part.scale, step) > MAX_POINTS
    single = [i for i, group in enumerate(groups) if len(group) == 1]
    wide = [i for i in single if not narrow[groups[i][0]]]
    if wide:
        latents = [groups[i][0] for i in wide]
        loc = part.loc[:, latents]
        scale = part.scale[:, latents]
        nats = gaussian_information(loc, scale, table, step)
        error = torch.full_like(nats, bound_quadrature_error(step))
        yield Answer("quadrature", wide, nats, error)


@find_exact.register
def expand_sphere(
    part: SphericalPosterior,
    groups: Groups,
    table: FactorTable,
    step: float,
) -> Iterator[Answer]:
    """Yield the information of single coordinates and of a circle as a whole."""
    single = [i for i, group in enumerate(groups) if len(group) == 1]
    if single:
        coordinates = [groups[i][0] for i in single]
        nats, error = coordinate_information(part, coordinates, table)
        yield Answer("harmonic", single, nats, error)
    whole = [i for i, group in enumerate(groups) if sorted(group) == [0, 1]]
    if whole and part.direction.shape[-1] == 2:
        nats, error = circle_information(part, table)
        yield Answer("harmonic", whole, nats, error)
