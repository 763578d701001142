"""Mutual information of latents and groups of latents with factors, each by its best method."""

from typing import NamedTuple

import torch
from torch import Tensor

from priorbench.metrics.base import Codes
from priorbench.metrics.information.harmonics import (
    circle_information,
    coordinate_information,
)
from priorbench.metrics.information.sampled import information_terms, standard_error
from priorbench.metrics.information.quadrature import (
    MAX_POINTS,
    error_bound,
    mutual_information,
    count_grid_points,
)
from priorbench.priors.posteriors.base import Gaussian, Groups, Posterior
from priorbench.priors.posteriors.spherical import Spherical

NAMES = ("quadrature", "harmonic", "monte_carlo")
"""The methods: on a grid, by harmonics, and as averages over draws."""


class Information(NamedTuple):
    """Mutual information of groups of latents with factors.

    Attributes:
        nats: (groups, F), float64, from 0.
        error: (groups, F): a bound where a group is exact, a standard error where it is sampled.
        methods: of each group, one of :data:`NAMES`.
        terms: what the sampled groups average, (S, sampled groups, F); S is 0 if there are none.
    """

    nats: Tensor
    error: Tensor
    methods: tuple[str, ...]
    terms: Tensor

    @property
    def sampled(self) -> Tensor:
        """Which groups are sampled, bool (groups,)."""
        return self.nats.new_tensor(
            [name == "monte_carlo" for name in self.methods]
        ).bool()


def estimate_information(
    codes: Codes, groups: Groups, step: float, num_samples: int
) -> Information:
    """Mutual information of each group with each factor.

    Single Gaussian latents are integrated on a grid (:mod:`priorbench.metrics.information.quadrature`), circles and
    single coordinates of spheres by harmonics (:mod:`priorbench.metrics.information.harmonics`), in every independent
    part of the posterior. Other groups, and what is too narrow, are sampled.

    Args:
        codes: of any posterior.
        groups: coordinates of each group.
        step: distance of grid points, in units of each latent's smallest standard deviation.
        num_samples: draws of the sampled groups.

    Raises:
        ValueError: a group must be sampled and the posterior has no density of it.
    """
    shape, device = (len(groups), codes.factors.shape[1]), codes.factors.device
    nats = torch.zeros(shape, dtype=torch.float64, device=device)
    error = torch.full_like(nats, torch.inf)
    methods = ["monte_carlo"] * len(groups)
    for block, coordinates in codes.posterior.blocks():
        inside = [g for g, group in enumerate(groups) if set(group) <= set(coordinates)]
        name, exact = METHODS.get(_find_kind(block), ("monte_carlo", _no_answer))
        local = [[coordinates.index(c) for c in groups[g]] for g in inside]
        nats[inside], error[inside] = exact(block, local, codes, step)
        for g in inside:
            methods[g] = name if torch.isfinite(error[g]).all() else "monte_carlo"
    rest = [g for g, name in enumerate(methods) if name == "monte_carlo"]
    terms = nats.new_zeros(0, 0, shape[1])
    if rest:
        terms = _sample_terms(codes, [groups[g] for g in rest], num_samples)
        nats[rest] = terms.mean(0).clamp(min=0)
        error[rest] = standard_error(terms)
    return Information(nats, error, tuple(methods), terms)


def _sample_terms(codes: Codes, groups: Groups, num_samples: int) -> Tensor:
    """Terms that average to the information of each group, (S, groups, F)."""
    index = codes.points(num_samples)
    try:
        return information_terms(
            codes.posterior, codes.z, codes.factors, codes.factor_sizes, groups, index
        )
    except ValueError as error:
        raise ValueError(
            f"the latents {[tuple(group) for group in groups]} have no exact method, or are too "
            f"narrow for it, and {type(codes.posterior).__name__} cannot be sampled there "
            f"({error}): ask for 'mig_groups' or 'mig_histogram' in place of 'mig'"
        ) from error


def _find_kind(block: Posterior) -> type[Posterior] | None:
    return next((kind for kind in METHODS if isinstance(block, kind)), None)


def _gaussian_information(
    block: Gaussian, groups: Groups, codes: Codes, step: float
) -> tuple[Tensor, Tensor]:
    """Information and error bound, (groups, F); infinite bounds where there is no answer."""
    nats, error = _no_answer(block, groups, codes, step)
    narrow = count_grid_points(block.loc, block.scale, step) > MAX_POINTS
    found = [
        g for g, group in enumerate(groups) if len(group) == 1 and not narrow[group[0]]
    ]
    if found:
        latents = [groups[g][0] for g in found]
        nats[found] = mutual_information(
            block.loc[:, latents],
            block.scale[:, latents],
            codes.factors,
            codes.factor_sizes,
            step,
        )
        error[found] = error_bound(step)
    return nats, error


def _spherical_information(
    block: Spherical, groups: Groups, codes: Codes, step: float
) -> tuple[Tensor, Tensor]:
    """Information and error bound, (groups, F); infinite bounds where there is no answer."""
    nats, error = _no_answer(block, groups, codes, step)
    data = codes.factors, codes.factor_sizes
    single = [g for g, group in enumerate(groups) if len(group) == 1]
    circle = [g for g, group in enumerate(groups) if sorted(group) == [0, 1]]
    if single:
        latents = [groups[g][0] for g in single]
        nats[single], error[single] = coordinate_information(block, latents, *data)
    if circle and block.direction.shape[-1] == 2:
        nats[circle], error[circle] = circle_information(block, *data)
    return nats, error


def _no_answer(
    block: Posterior, groups: Groups, codes: Codes, step: float
) -> tuple[Tensor, Tensor]:
    """No answer for any group: (groups, F), zero and infinite."""
    nats = torch.zeros(
        len(groups),
        codes.factors.shape[1],
        dtype=torch.float64,
        device=codes.factors.device,
    )
    return nats, nats + torch.inf


METHODS = {
    Gaussian: ("quadrature", _gaussian_information),
    Spherical: ("harmonic", _spherical_information),
}
"""For each kind of independent part: what its exact method is called, and the method."""
