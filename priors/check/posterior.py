"""Properties of the posterior and of the divergence between it and the prior."""

import torch
from torch import Tensor

from priorbench.priors.check import density, statistics
from priorbench.priors.check.properties import (
    Fault,
    Finding,
    Unchecked,
    check_property,
)
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
    "kl: at z ~ q its mean must be that of log q(z) - log p(z), which is never "
    "negative",
)
def kl_agrees(s: Subject) -> Finding:
    """Compare means of kl and of log q - log p at the same draws, in errors."""
    with torch.no_grad():
        q, z = s.draw_posteriors(COUNT, DRAWS)
        plain = q.log_prob(z) - s.double.log_prob(z)
        value = s.double.kl(q, z).expand(plain.shape)
    positive = value.mean(-1).clamp_min(0)
    negative = statistics.deviation_in_errors(value, positive)
    different = statistics.deviation_in_errors(value - plain)
    return max(different, negative), statistics.ERRORS


@check_property(
    "kl's gradient in the parameters",
    "kl: the gradient of its mean in the prior's parameters must be that of -log p(z)",
)
def kl_gradient_agrees(s: Subject) -> Finding:
    """Compare mean gradients of kl and of -log_prob in the prior's parameters."""
    parameters = list(s.double.parameters())
    if not parameters:
        raise Unchecked("nothing is learned")
    differences = []
    q, draws = s.draw_posteriors(COUNT, DRAWS)
    for z in draws.chunk(BATCHES, dim=1):
        value = (s.double.kl(q, z) + s.double.log_prob(z)).mean()
        if not value.requires_grad:
            raise Fault("neither kl nor log_prob depends on any of them")
        gradients = torch.autograd.grad(
            value,
            parameters,
            allow_unused=True,
            materialize_grads=True,
        )
        flat = [gradient.flatten() for gradient in gradients]
        differences.append(torch.cat(flat))
    deviation = statistics.deviation_in_errors(torch.stack(differences, dim=-1))
    return deviation, 1.5 * statistics.ERRORS


@check_property(
    "kl_groups sums to kl",
    "kl_groups: over all groups its mean must be that of kl",
)
def kl_groups_sum(s: Subject) -> Finding:
    """Compare means of kl_groups over all groups and of kl, in standard errors."""
    with torch.no_grad():
        q, z = s.draw_posteriors(COUNT, DRAWS)
        try:
            parts = s.double.kl_groups(q, z)
        except NotImplementedError as error:
            raise Unchecked("log_prob_groups is not defined") from error
        difference = parts.sum(-1) - s.double.kl(q, z)
    difference = difference.expand(z.shape[:-1])
    return statistics.deviation_in_errors(difference), statistics.ERRORS


@check_property(
    "posterior normalises",
    "the posterior's log_prob: its density must have the integral 1",
)
def posterior_normalises(s: Subject) -> Finding:
    """Integrate the density, by importance sampling around its own draws."""
    findings = []
    with torch.no_grad():
        q, z = s.draw_posteriors(COUNT, DRAWS)
        for i in range(COUNT):
            proposal = Proposal(z[i], s.spheres)
            points = proposal.sample(5 * DRAWS)
            log_ratio = q[i].log_prob(points) - proposal.log_prob(points)
            findings.append(density.check_integral(log_ratio))
    return max(findings, key=lambda finding: finding[0] / finding[1])


@check_property(
    "posterior's samples follow its density",
    "the posterior's rsample and log_prob: steps that leave the density alone change "
    "the distribution of the draws",
)
def posterior_follows(s: Subject) -> Finding:
    """Compare draws with others after a Markov chain that leaves the density alone."""
    worst = 0.0
    with torch.no_grad():
        q, z = s.draw_posteriors(COUNT, DRAWS)
        for i in range(COUNT):
            half, other = z[i].chunk(2)
            moved = statistics.move_by_metropolis(q[i].log_prob, half, s.spheres)
            apart = statistics.compare_samples(moved, other, s.given.coordinates)
            worst = max(worst, apart)
    return worst, 1.0


@check_property(
    "posterior's entropy",
    "the posterior's entropy: it must be the mean of -log_prob",
)
def entropy_agrees(s: Subject) -> Finding:
    """Compare the closed form with Monte Carlo, in standard errors."""
    with torch.no_grad():
        q, z = s.draw_posteriors(COUNT, DRAWS)
        try:
            closed = q.entropy().squeeze(-1)
        except NotImplementedError as error:
            raise Unchecked("the family has no closed form") from error
        log_prob = q.log_prob(z)
    return statistics.deviation_in_errors(-log_prob, closed), statistics.ERRORS


@check_property(
    "posterior's groups and pairs",
    "the posterior's log_prob_groups and log_prob_pairs: the groups must add up to "
    "log_prob, and pairs be the same densities",
)
def groups_and_pairs(s: Subject) -> Finding:
    """Compare log_prob_groups with log_prob, and log_prob_pairs with both."""
    groups = s.given.coordinates
    with torch.no_grad():
        q, z = s.draw_posteriors(7, 1)
        q, z = q[:, 0], z[:, 0]
        parts = q.log_prob_groups(z, groups)
        if parts.shape != (7, len(groups)):
            raise Fault(
                f"log_prob_groups must have shape {(7, len(groups))} for seven "
                f"posteriors; got {tuple(parts.shape)}"
            )
        expected = q[None].log_prob_groups(z[:, None], groups).unbind(-1)
        pairs = list(q.log_prob_pairs(z, groups))
        whole = q.log_prob(z)
    errors = [
        statistics.relative_difference(a, b)
        for a, b in zip(pairs, expected, strict=True)
    ]
    errors.append(statistics.relative_difference(parts.sum(-1), whole))
    return max(errors), 1e-7


@check_property(
    "rsample's gradient",
    "the posterior's rsample: through it the gradient of E f(z) must be that of the "
    "score, E f(z) d log q (nothing detached, no branch of the sampler left out)",
)
def pathwise_gradient(s: Subject) -> Finding:
    """Compare gradients of E f through draws and by the score, in standard errors.

    In the raw parameters, for a function f of z that is neither odd nor even.

    References: Mohamed et al. 2020, Monte Carlo gradient estimation in machine
        learning.
    """
    a, b = torch.randn(2, s.latent_dim, dtype=torch.float64) / s.latent_dim**0.5

    def f(z: Tensor) -> Tensor:
        return z @ a + (z @ b).square() + (z @ b).sin()

    worst = 0.0
    for _ in range(COUNT):
        raw = s.draw_raw(1).double().expand(2 * DRAWS, -1).clone().requires_grad_()
        q = s.double.posterior(raw)
        z = q.rsample(s.draw_noise(2 * DRAWS).double())
        fixed = z.detach()
        centred = f(fixed) - f(fixed).mean()
        path = _row_gradients(f(z), raw)
        score = _row_gradients(centred * q.log_prob(fixed), raw)
        worst = max(worst, statistics.deviation_in_errors((path - score).T))
    return worst, statistics.ERRORS


def _row_gradients(values: Tensor, raw: Tensor) -> Tensor:
    """Return each row's gradient; zero where nothing is connected.

    Args:
        values: (n,), each a function of one row.
        raw: (n, p).

    Returns:
        (n, p).
    """
    if not values.requires_grad:
        return torch.zeros_like(raw)
    (gradient,) = torch.autograd.grad(
        values.sum(),
        raw,
        retain_graph=True,
        materialize_grads=True,
        allow_unused=True,
    )
    return gradient


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
