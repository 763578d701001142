"""Properties of the prior's density and its sampler."""

import torch
from torch import Tensor

from priorbench.priors.check import statistics
from priorbench.priors.check.properties import Finding, Unchecked, check_property
from priorbench.priors.check.subject import Subject

MOVED = 10_000
"""Draws that are compared after Metropolis steps with as many that were left alone."""

REJECTION = 300
"""Fewest draws by rejection that are worth comparing."""


def check_integral(log_ratio: Tensor) -> Finding:
    """Distance from 1 of a density's integral by importance sampling, and its five errors.

    Args:
        log_ratio: density over proposal at the proposal's draws, (n,).

    Raises:
        Unchecked: the proposal is too far from the density to tell.
    """
    estimate, error, settled = statistics.test_mean_one(log_ratio)
    if not settled:
        raise Unchecked(
            f"importance sampling gives {1 + estimate:.3g} ± {error:.2g}, too rough; "
            "fewer latents help"
        )
    return abs(estimate), statistics.ERRORS * error + 1e-6


def integrate_on_grid(subject: Subject) -> Finding:
    """The same in one or two dimensions: a grid, even in asinh(z), against one half as fine."""
    proposal, totals = subject.proposal, []
    for n in (400, 800):
        t = torch.linspace(-14, 14, n + 1, dtype=torch.float64)
        node, weight = t.sinh(), t.cosh() * (t[1] - t[0])
        u = torch.cartesian_prod(*[node] * subject.latent_dim).reshape(
            -1, subject.latent_dim
        )
        log_weight = torch.cartesian_prod(*[weight.log()] * subject.latent_dim)
        log_weight = log_weight.reshape(-1, subject.latent_dim).sum(-1)
        z = proposal.centre + u @ proposal.factor.T
        log_prob = subject.double.log_prob(z).detach()
        totals.append(
            float(
                (log_prob + log_weight).exp().sum() * proposal.factor.diagonal().prod()
            )
        )
    coarse, fine = totals
    return abs(fine - 1), 1e-4 + min(abs(fine - coarse), 0.01)


@check_property(
    "density normalises", "the normaliser in log_prob: its integral must be 1"
)
def density_normalises(s: Subject) -> Finding:
    """The density's integral: by quadrature in one or two dimensions, else importance sampling."""
    if s.latent_dim <= 2 and not s.spheres:
        return integrate_on_grid(s)
    _, log_ratio = s.weighted
    return check_integral(log_ratio)


@check_property(
    "samples stay under Metropolis steps",
    "sample and log_prob: steps that leave the density alone change the distribution of the "
    "draws, so one of the two is wrong (a scale, a sign, a dependence)",
)
def samples_stay(s: Subject) -> Finding:
    """Draws are unchanged in distribution by a Markov chain that leaves the density alone."""
    with torch.no_grad():
        moved = statistics.move_by_metropolis(
            s.double.log_prob, s.draws[:MOVED], s.spheres
        )
    return statistics.compare_samples(
        moved, s.draws[MOVED : 2 * MOVED], s.given.groups
    ), 1.0


@check_property(
    "samples follow the density",
    "sample and log_prob: draws made from log_prob alone, by rejection, are distributed "
    "differently (a scale, a missing mode, a wrong weight)",
)
def samples_follow(s: Subject) -> Finding:
    """Draws are distributed as others that are made from the density alone."""
    drawn = statistics.sample_by_rejection(*s.weighted)
    if len(drawn) < REJECTION:
        raise Unchecked(
            f"rejection sampling accepts {len(drawn)} of {len(s.draws)}, too few"
        )
    return statistics.compare_samples(drawn, s.draws[:MOVED], s.given.groups), 1.0


@check_property(
    "E[q/p] = 1 over samples",
    "sample and log_prob's normaliser: the mean of another density over the prior's is not 1",
)
def reciprocal_mean(s: Subject) -> Finding:
    """The mean over draws of q/p for a density q within the prior's bulk."""
    with torch.no_grad():
        log_ratio = s.proposal.log_prob_inside(s.draws) - s.double.log_prob(s.draws)
    estimate, error, settled = statistics.test_mean_one(log_ratio)
    if not settled:
        raise Unchecked(
            f"the mean is {1 + estimate:.3g} ± {error:.2g}, too rough to tell"
        )
    return abs(estimate), statistics.ERRORS * error + 1e-6


@check_property(
    "log_prob_groups sums to log_prob",
    "log_prob_groups: only a prior that factorises over its groups may define it",
)
def groups_sum(s: Subject) -> Finding:
    """The groups' log densities add up; only where the prior defines them."""
    z = s.draws[:100]
    try:
        columns = s.double.log_prob_groups(z)
    except NotImplementedError as error:
        raise Unchecked("log_prob_groups is not defined") from error
    whole = s.double.log_prob(z)
    error = (columns.sum(-1) - whole).abs() / (1 + whole.abs())
    return float(error.detach().max()), 1e-9


PROPERTIES = (
    density_normalises,
    samples_stay,
    samples_follow,
    reciprocal_mean,
    groups_sum,
)
