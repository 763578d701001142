"""Properties of the arithmetic: gradients, extreme arguments, precision."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError, gradcheck

from priorbench.priors.base import Prior
from priorbench.priors.check.properties import Fault, Finding, check_property
from priorbench.priors.check.statistics import relative_difference
from priorbench.priors.check.subject import Subject
from priorbench.priors.posteriors.base import Posterior

SIZES = (0.0, 1e-20, 1e-10, 1e-3, 1.0, 30.0, 1e3)
"""Sizes of latents at which densities must be finite."""

RAW_SIZES = (0.0, 1e-20, 1e-3, 1.0)
"""Sizes of raw encoder output at which posteriors must be finite."""

RAW_SPHERES = 1e3
"""One more, where all latents are on spheres."""

SINGLE = 1e-5
"""Error of float32, relative to 1 + |value|; exp(p log 1e3) alone costs 4e-6."""


@check_property(
    "gradients reach every parameter",
    "the parameter's way into log_prob and kl, or the raw output's into the posterior: "
    "nothing may be detached, taken by float() or wrapped in a new tensor",
)
def gradients_reach(s: Subject) -> Finding:
    """Look for zero gradients of learnable parameters and of raw encoder output."""
    learnable = dict(s.double.named_parameters())
    raw = s.draw_raw(256).double().requires_grad_()
    q = s.double.posterior(raw)
    drawn = q.rsample(s.draw_noise(256).double())
    values = {
        "log_prob": s.double.log_prob(s.draws[:256]),
        "kl": s.double.kl(q, drawn),
    }
    for method, value in values.items():
        for name, gradient in _find_gradients(value.sum(), learnable).items():
            if not (gradient != 0).all():
                raise Fault(
                    f"no gradient of {method} reaches {name!r}, or some of its entries"
                )
    weights = torch.randn(s.latent_dim, dtype=torch.float64)
    total = (values["kl"] + drawn @ weights).sum()
    gradient = _find_gradients(total, {"raw": raw})["raw"]
    dead = (gradient == 0).all(0).nonzero().flatten().tolist()
    if dead:
        raise Fault(
            f"no gradient reaches entries {dead} of the posterior's raw parameters"
        )
    return None


def _find_gradients(value: Tensor, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the gradients by name; zero where nothing is connected."""
    if not inputs or not value.requires_grad:
        return {name: torch.zeros_like(x) for name, x in inputs.items()}
    gradients = torch.autograd.grad(
        value,
        list(inputs.values()),
        retain_graph=True,
        allow_unused=True,
        materialize_grads=True,
    )
    return dict(zip(inputs, gradients, strict=True))


@check_property(
    "gradients agree with differences",
    "operations in log_prob or kl whose derivative is not that of their value",
)
def gradients_agree(s: Subject) -> Finding:
    """Compare derivatives with central differences, float64.

    In z, in the prior's parameters, and in raw encoder output.
    """
    z = s.draws[:5]
    real = z[:, s.real].clone().requires_grad_()
    columns = torch.tensor(s.real).long()
    raw = s.draw_raw(5).double().requires_grad_()
    drawn = s.double.posterior(raw).rsample(s.draw_noise(5).double()).detach()

    def evaluate_prior(real: Tensor, *_: Tensor) -> tuple[Tensor]:
        return (s.double.log_prob(z.index_copy(-1, columns, real)),)

    def evaluate_posterior(raw: Tensor) -> tuple[Tensor, Tensor]:
        q = s.double.posterior(raw)
        return q.log_prob(drawn), s.double.kl(q, drawn)

    for name, function, inputs in (
        ("log_prob", evaluate_prior, (real, *s.double.parameters())),
        ("the posterior's log_prob or kl", evaluate_posterior, (raw,)),
    ):
        if not any(output.requires_grad for output in function(*inputs)):
            continue
        try:
            gradcheck(function, inputs)
        except GradcheckError as error:
            words = " ".join(str(error).split())
            raise Fault(f"{name}: {words[:300]}") from error
    return None


@check_property(
    "finite at extremes, float32",
    "log_prob: it must be finite, its gradients too, from 0 to 1e3; work in log space, "
    "and choose with torch.where before the singular function as well as after it",
)
def finite_at_extremes(s: Subject) -> Finding:
    """Evaluate density and gradients at latents from 0 to 1e3.

    Points on spheres stay.
    """
    learnable = dict(s.single.named_parameters())
    for size, point in _list_extremes(s):
        at = f"at |z| = {size:g}"
        z = point.requires_grad_()
        value = s.single.log_prob(z)
        _check_finite(f"log_prob {at}", value)
        for name, gradient in _find_gradients(value, {"z": z, **learnable}).items():
            _check_finite(f"the gradient of log_prob in {name!r} {at}", gradient)
    return None


def _list_extremes(s: Subject) -> Iterator[tuple[float, Tensor]]:
    """Yield sizes with points of that size, in all coordinates or among others."""
    ramp = torch.linspace(-1, 1, s.latent_dim)
    third = torch.arange(s.latent_dim) % 3 == 0
    for size in SIZES if s.real else SIZES[:1]:
        yield size, s.make_point(torch.full_like(ramp, size))
        yield size, s.make_point(size * ramp)
        yield size, s.make_point(torch.where(third, -size, ramp))


def _check_finite(name: str, value: Tensor) -> None:
    if not torch.isfinite(value).all():
        raise Fault(f"{name} is not finite")


@check_property(
    "posterior finite at extremes, float32",
    "the posterior: raw encoder output of zero must give a density, and finite "
    "gradients",
)
def posterior_finite(s: Subject) -> Finding:
    """Evaluate draw, density, kl and gradients from raw output of zero on.

    To 1, or to 1e3 where all latents are on spheres.
    """
    signs = torch.ones(s.draw_raw().shape)
    mixed = signs.clone()
    mixed[1::2] = -1
    for size in RAW_SIZES if s.real else (*RAW_SIZES, RAW_SPHERES):
        at = f"at raw output of size {size:g}"
        for pattern in (signs, mixed, -signs):
            raw = (size * pattern).requires_grad_()
            q = s.single.posterior(raw)
            z = q.rsample(s.draw_noise())
            for name, value in _evaluate_posterior(s.single, q, z).items():
                _check_finite(f"{name} {at}", value)
                gradient = _find_gradients(value.sum(), {"raw": raw})["raw"]
                _check_finite(f"the gradient of {name} {at}", gradient)
    return None


def _evaluate_posterior(
    prior: Prior,
    q: Posterior,
    z: Tensor,
) -> dict[str, Tensor]:
    """Return what is computed of one posterior and its draw."""
    return {
        "rsample": z,
        "the posterior's log_prob": q.log_prob(z),
        "kl": prior.kl(q, z),
    }


@check_property(
    "float32 agrees with float64",
    "log_prob and the posterior: differences of large numbers, which lose digits",
)
def precisions_agree(s: Subject) -> Finding:
    """Compare densities and kl in both precisions, relative to 1 + |value|."""
    raw = s.draw_raw(64)
    q = s.double.posterior(raw.double())
    drawn = q.rsample(s.draw_noise(64).double()).float()
    low = _evaluate_posterior(s.single, s.single.posterior(raw), drawn)
    high = _evaluate_posterior(s.double, q, drawn.double())
    errors = [relative_difference(low[name].double(), high[name]) for name in low]
    points = [point for _, point in _list_extremes(s)]
    for z in (*points, s.draws[:64].float()):
        value = s.single.log_prob(z).double()
        errors.append(relative_difference(value, s.double.log_prob(z.double())))
    return max(errors), SINGLE


PROPERTIES = (
    gradients_reach,
    gradients_agree,
    finite_at_extremes,
    posterior_finite,
    precisions_agree,
)
