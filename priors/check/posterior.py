"""Properties of the posterior and of the divergence between it and the prior."""

import torch
from torch import Tensor

from priorbench.priors.check import density, statistics
from priorbench.priors.check.properties import Fault, Finding, Unchecked, check_property
from priorbench.priors.check.proposal import Proposal
from priorbench.priors.check.subject import Subject

COUNT = 3
"""Random posteriors."""

DRAWS = 20_000
"""Draws of each."""

BATCHES = 50
"""Parts of the draws, where only means of parts are at hand."""


@check_property(
    "kl agrees with Monte Carlo",
    "kl: at z ~ q its mean must be that of log q(z) - log p(z), which is never negative",
)
def kl_agrees(s: Subject) -> Finding:
    """Mean of kl against that of log q - log p at the same draws, in standard errors."""
    with torch.no_grad():
        q, z = s.posteriors(COUNT, DRAWS)
        plain = q.log_prob(z) - s.double.log_prob(z)
        value = s.double.kl(q, z).expand(plain.shape)
    negative = statistics.errors_off(value, value.mean(-1).clamp_min(0))
    return max(statistics.errors_off(value - plain), negative), statistics.ERRORS


@check_property(
    "kl's gradient in the parameters",
    "kl: the gradient of its mean in the prior's parameters must be that of -log p(z)",
)
def kl_gradient_agrees(s: Subject) -> Finding:
    """Mean gradient of kl in the prior's parameters against that of -log_prob, in errors."""
    parameters = list(s.double.parameters())
    if not parameters:
        raise Unchecked("nothing is learned")
    apart = []
    q, draws = s.posteriors(COUNT, DRAWS)
    for z in draws.chunk(BATCHES, dim=1):
        value = (s.double.kl(q, z) + s.double.log_prob(z)).mean()
        if not value.requires_grad:
            raise Fault("neither kl nor log_prob depends on any of them")
        found = torch.autograd.grad(
            value, parameters, allow_unused=True, materialize_grads=True
        )
        apart.append(torch.cat([gradient.flatten() for gradient in found]))
    return statistics.errors_off(torch.stack(apart, dim=-1)), 1.5 * statistics.ERRORS


@check_property(
    "kl_groups sums to kl", "kl_groups: over all groups its mean must be that of kl"
)
def kl_groups_sum(s: Subject) -> Finding:
    """Mean of kl_groups over all groups against that of kl, in standard errors."""
    with torch.no_grad():
        q, z = s.posteriors(COUNT, DRAWS)
        try:
            parts = s.double.kl_groups(q, z)
        except NotImplementedError as error:
            raise Unchecked("log_prob_groups is not defined") from error
        if parts.shape[-1] != len(s.given.groups):
            raise Fault(
                f"kl_groups must give one column for each of {len(s.given.groups)} groups; "
                f"got shape {tuple(parts.shape)}"
            )
        total = (parts.sum(-1) - s.double.kl(q, z)).expand(z.shape[:-1])
    return statistics.errors_off(total), statistics.ERRORS


@check_property(
    "posterior normalises",
    "the posterior's log_prob: its density must have the integral 1",
)
def posterior_normalises(s: Subject) -> Finding:
    """The integral of the posterior's density, by importance sampling around its own draws."""
    with torch.no_grad():
        q, z = s.posteriors(COUNT, DRAWS)
        found = []
        for i in range(COUNT):
            proposal = Proposal(z[i], s.spheres)
            points = proposal.sample(5 * DRAWS)
            found.append(
                density.check_integral(
                    q[i].log_prob(points) - proposal.log_prob(points)
                )
            )
    return max(found, key=lambda f: f[0] / f[1])


@check_property(
    "posterior's samples follow its density",
    "the posterior's rsample and log_prob: steps that leave the density alone change the "
    "distribution of the draws",
)
def posterior_follows(s: Subject) -> Finding:
    """Draws are unchanged in distribution by a Markov chain that leaves the density alone."""
    worst = 0.0
    with torch.no_grad():
        q, z = s.posteriors(COUNT, DRAWS)
        for i in range(COUNT):
            half, other = z[i].chunk(2)
            moved = statistics.move_by_metropolis(q[i].log_prob, half, s.spheres)
            worst = max(worst, statistics.compare_samples(moved, other, s.given.groups))
    return worst, 1.0


@check_property(
    "posterior's entropy", "the posterior's entropy: it must be the mean of -log_prob"
)
def entropy_agrees(s: Subject) -> Finding:
    """The closed form against Monte Carlo, in standard errors."""
    with torch.no_grad():
        q, z = s.posteriors(COUNT, DRAWS)
        try:
            closed = q.entropy().squeeze(-1)
        except NotImplementedError as error:
            raise Unchecked("the family has no closed form") from error
        return statistics.errors_off(-q.log_prob(z), closed), statistics.ERRORS


@check_property(
    "posterior's groups and pairs",
    "the posterior's log_prob_groups and log_prob_pairs: the groups must add up to log_prob, "
    "and pairs be the same densities",
)
def groups_and_pairs(s: Subject) -> Finding:
    """log_prob_groups against log_prob, and log_prob_pairs against log_prob_groups."""
    with torch.no_grad():
        q, z = s.posteriors(7, 1)
        q, z, own = q[:, 0], z[:, 0], s.given.groups
        parts = q.log_prob_groups(z, own)
        if parts.shape != (7, len(own)):
            raise Fault(
                f"log_prob_groups must have shape {(7, len(own))} for seven posteriors; "
                f"got {tuple(parts.shape)}"
            )
        expected = q[None].log_prob_groups(z[:, None], own).unbind(-1)
        pairs = list(q.log_prob_pairs(z, own))
        errors = [_relative_difference(parts.sum(-1), q.log_prob(z))]
        errors += [
            _relative_difference(a, b) for a, b in zip(pairs, expected, strict=True)
        ]
    return max(errors), 1e-7


@check_property(
    "rsample's gradient",
    "the posterior's rsample: through it the gradient of E f(z) must be that of the score, "
    "E f(z) d log q (nothing detached, no branch of the sampler left out)",
)
def pathwise_gradient(s: Subject) -> Finding:
    """Gradient of E f in the raw parameters through draws, and by the score, in standard errors.

    References: Mohamed et al. 2020, Monte Carlo gradient estimation in machine learning.
    """
    a, b = torch.randn(2, s.latent_dim, dtype=torch.float64) / s.latent_dim**0.5

    def f(z: Tensor) -> Tensor:
        return z @ a + (z @ b).square() + (z @ b).sin()

    worst = 0.0
    for _ in range(COUNT):
        raw = s.raw(1).double().expand(2 * DRAWS, -1).clone().requires_grad_()
        q = s.double.posterior(raw)
        z = q.rsample(s.noise(2 * DRAWS).double())
        fixed = z.detach()
        path = _row_gradients(f(z), raw)
        score = _row_gradients((f(fixed) - f(fixed).mean()) * q.log_prob(fixed), raw)
        worst = max(worst, statistics.errors_off((path - score).T))
    return worst, statistics.ERRORS


def _row_gradients(values: Tensor, raw: Tensor) -> Tensor:
    """Each row's gradient, (n,) of (n, p) -> (n, p); zero where nothing is connected."""
    if not values.requires_grad:
        return torch.zeros_like(raw)
    return torch.autograd.grad(
        values.sum(), raw, retain_graph=True, materialize_grads=True, allow_unused=True
    )[0]


def _relative_difference(a: Tensor, b: Tensor) -> float:
    return float(((a - b).abs() / (1 + b.abs())).max())


PROPERTIES = (
    kl_agrees,
    kl_gradient_agrees,
    kl_groups_sum,
    posterior_normalises,
    posterior_follows,
    entropy_agrees,
    groups_and_pairs,
    pathwise_gradient,
)
