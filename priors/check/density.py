"""Properties of the prior's density and its sampler."""

import torch
from torch import Tensor

from priorbench.priors.check import statistics
from priorbench.priors.check.properties import (
    Finding,
    Unchecked,
    check_property,
)
from priorbench.priors.check.subject import Subject

MOVED = 10_000
"""Draws that are compared after Metropolis steps with as many that were left alone."""

REJECTION = 300
"""Fewest draws by rejection that are worth comparing."""

REACH, INTERVALS = 14, (400, 800)
"""Of quadrature: the largest asinh of a standardised latent, and two grids."""


def check_integral(log_ratio: Tensor) -> Finding:
    """Check by importance sampling that a density integrates to 1.

    Args:
        log_ratio: density over proposal at the proposal's draws, (n,).

    Returns:
        The integral's distance from 1, and five standard errors.

    Raises:
        Unchecked: the proposal is too far from the density to tell.
    """
    excess, error, settled = statistics.compare_mean_to_one(log_ratio)
    if not settled:
        raise Unchecked(
            f"importance sampling gives {1 + excess:.3g} ± {error:.2g}, too rough; "
            "fewer latents help"
        )
    return abs(excess), statistics.ERRORS * error + 1e-6


def integrate_on_grid(s: Subject) -> Finding:
    """Check by quadrature that a density in one or two dimensions integrates to 1.

    Returns:
        As :func:`check_integral`; a grid that is even in asinh(z) is compared with one
        half as fine.
    """
    proposal = s.proposal
    log_volume = proposal.factor.diagonal().log().sum()
    integrals = []
    for n in INTERVALS:
        t = torch.linspace(-REACH, REACH, n + 1, dtype=torch.float64)
        node = t.sinh()
        log_weight = (t.cosh() * (t[1] - t[0])).log()
        u = torch.cartesian_prod(*[node] * s.latent_dim)
        log_weights = torch.cartesian_prod(*[log_weight] * s.latent_dim)
        z = proposal.centre + u.reshape(-1, s.latent_dim) @ proposal.factor.T
        log_mass = log_weights.reshape(-1, s.latent_dim).sum(-1) + log_volume
        log_prob = s.double.log_prob(z).detach()
        integrals.append(float((log_prob + log_mass).exp().sum()))
    coarse, fine = integrals
    return abs(fine - 1), 1e-4 + min(abs(fine - coarse), 0.01)


@check_property(
    "density normalises",
    "the normaliser in log_prob: its integral must be 1",
)
def density_normalises(s: Subject) -> Finding:
    """Integrate the density, by quadrature in one or two real dimensions."""
    if s.latent_dim <= 2 and not s.spheres:
        return integrate_on_grid(s)
    _, log_ratio = s.weighted
    return check_integral(log_ratio)


@check_property(
    "samples stay under Metropolis steps",
    "sample and log_prob: steps that leave the density alone change the distribution "
    "of the draws, so one of the two is wrong (a scale, a sign, a dependence)",
)
def samples_stay(s: Subject) -> Finding:
    """Compare draws with others after a Markov chain that leaves the density alone."""
    alone = s.draws[MOVED : 2 * MOVED]
    with torch.no_grad():
        moved = statistics.move_by_metropolis(
            s.double.log_prob,
            s.draws[:MOVED],
            s.spheres,
        )
    return statistics.compare_samples(moved, alone, s.given.coordinates), 1.0


@check_property(
    "samples follow the density",
    "sample and log_prob: draws made from log_prob alone, by rejection, are "
    "distributed differently (a scale, a missing mode, a wrong weight)",
)
def samples_follow(s: Subject) -> Finding:
    """Compare draws with others that are made from the density alone."""
    drawn = statistics.sample_by_rejection(*s.weighted)
    if len(drawn) < REJECTION:
        raise Unchecked(
            f"rejection sampling accepts {len(drawn)} of {len(s.draws)}, too few"
        )
    own = s.draws[:MOVED]
    return statistics.compare_samples(drawn, own, s.given.coordinates), 1.0


@check_property(
    "E[q/p] = 1 over samples",
    "sample and log_prob's normaliser: the mean of another density over the prior's "
    "is not 1",
)
def reciprocal_mean(s: Subject) -> Finding:
    """Average q/p over draws, for a density q within the prior's bulk."""
    with torch.no_grad():
        log_ratio = s.proposal.log_prob_inside(s.draws) - s.double.log_prob(s.draws)
    excess, error, settled = statistics.compare_mean_to_one(log_ratio)
    if not settled:
        raise Unchecked(
            f"the mean is {1 + excess:.3g} ± {error:.2g}, too rough to tell"
        )
    return abs(excess), statistics.ERRORS * error + 1e-6


@check_property(
    "log_prob_groups sums to log_prob",
    "log_prob_groups: only a prior that factorises over its groups may define it",
)
def groups_sum(s: Subject) -> Finding:
    """Add up the groups' log densities, where the prior defines them."""
    z = s.draws[:100]
    try:
        columns = s.double.log_prob_groups(z)
    except NotImplementedError as error:
        raise Unchecked("log_prob_groups is not defined") from error
    return statistics.relative_difference(columns.sum(-1), s.double.log_prob(z)), 1e-9


PROPERTIES = (
    density_normalises,
    samples_stay,
    samples_follow,
    reciprocal_mean,
    groups_sum,
)
