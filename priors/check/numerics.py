"""Properties of the arithmetic: gradients, extreme arguments, precision."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError

from priorbench.priors.check.properties import Fault, Finding, check_property
from priorbench.priors.check.subject import Subject
from priorbench.priors.posteriors.base import Posterior

SIZES = (0.0, 1e-20, 1e-10, 1e-3, 1.0, 30.0, 1e3)
"""Sizes of latents at which densities must be finite."""

RAW_SIZES = (0.0, 1e-20, 1e-3, 1.0)
"""Sizes of raw encoder output at which posteriors must be finite."""

SINGLE = 1e-5
"""Error of float32, relative to 1 + |value|; exp(p log 1e3) alone costs 4e-6."""


@check_property(
    "gradients reach every parameter",
    "the parameter's way into log_prob and kl, or the raw output's into the posterior: nothing "
    "may be detached, taken by float() or wrapped in a new tensor",
)
def gradients_reach(s: Subject) -> Finding:
    """No entry of a learnable parameter or of the raw encoder output has gradient zero."""
    learnable = dict(s.double.named_parameters())
    z = s.draws[:256]
    raw = s.raw(256).double().requires_grad_()
    q = s.double.posterior(raw)
    drawn = q.rsample(s.noise(256).double())
    for method, value in (
        ("log_prob", s.double.log_prob(z)),
        ("kl", s.double.kl(q, drawn)),
    ):
        for name, gradient in _find_gradients(value.sum(), learnable).items():
            if not (gradient != 0).all():
                raise Fault(
                    f"no gradient of {method} reaches {name!r}, or some of its entries"
                )
    weights = torch.randn(s.latent_dim, dtype=torch.float64)
    (gradient,) = _find_gradients(
        (s.double.kl(q, drawn) + drawn @ weights).sum(), {"raw": raw}
    ).values()
    dead = (gradient == 0).all(0).nonzero().flatten().tolist()
    if dead:
        raise Fault(
            f"no gradient reaches entries {dead} of the posterior's raw parameters"
        )
    return None


@check_property(
    "gradients agree with differences",
    "operations in log_prob or kl whose derivative is not that of their value",
)
def gradients_agree(s: Subject) -> Finding:
    """Derivatives against central differences, float64: in z, in parameters, in raw output."""
    z, raw = s.draws[:5], s.raw(5).double().requires_grad_()
    real = z[:, s.real].clone().requires_grad_()
    drawn = s.double.posterior(raw).rsample(s.noise(5).double()).detach()

    def log_prob(real: Tensor, *_: Tensor) -> Tensor:
        return s.double.log_prob(z.index_copy(-1, torch.tensor(s.real).long(), real))

    def posterior(raw: Tensor) -> tuple[Tensor, Tensor]:
        q = s.double.posterior(raw)
        return q.log_prob(drawn), s.double.kl(q, drawn)

    for name, function, inputs in (
        ("log_prob", log_prob, (real, *s.double.parameters())),
        ("the posterior's log_prob or kl", posterior, (raw,)),
    ):
        outputs = function(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        if not any(o.requires_grad for o in outputs):
            continue
        try:
            torch.autograd.gradcheck(function, inputs)
        except GradcheckError as error:
            raise Fault(f"{name}: {' '.join(str(error).split())[:300]}") from error
    return None


@check_property(
    "finite at extremes, float32",
    "log_prob: it must be finite, its gradients too, from 0 to 1e3; work in log space, and "
    "choose with torch.where before the singular function as well as after it",
)
def finite_at_extremes(s: Subject) -> Finding:
    """Density and gradients at latents from 0 to 1e3; on spheres their points stay."""
    learnable = dict(s.single.named_parameters())
    for size, point in _list_extremes(s):
        z = point.requires_grad_()
        value = s.single.log_prob(z)
        _check_finite(f"log_prob at |z| = {size:g}", value)
        for name, gradient in _find_gradients(value, {"z": z, **learnable}).items():
            _check_finite(
                f"the gradient of log_prob in {name!r} at |z| = {size:g}", gradient
            )
    return None


@check_property(
    "posterior finite at extremes, float32",
    "the posterior: raw encoder output of zero must give a density, and finite gradients",
)
def posterior_finite(s: Subject) -> Finding:
    """Draw, density, kl and gradients at raw output of zero, and of 1e3 where all is spheres."""
    sizes = RAW_SIZES if s.real else (*RAW_SIZES, 1e3)
    signs = torch.ones(s.raw().shape)
    mixed = signs.clone()
    mixed[1::2] = -1
    for size in sizes:
        for pattern in (signs, mixed, -signs):
            raw = (size * pattern).requires_grad_()
            q = s.single.posterior(raw)
            z = q.rsample(s.noise())
            for name, value in _list_values(s, q, z):
                _check_finite(f"{name} at raw output of size {size:g}", value)
                (gradient,) = _find_gradients(value.sum(), {"raw": raw}).values()
                _check_finite(
                    f"the gradient of {name} at raw output of size {size:g}", gradient
                )
    return None


@check_property(
    "float32 agrees with float64",
    "log_prob and the posterior: differences of large numbers, which lose digits",
)
def precisions_agree(s: Subject) -> Finding:
    """Largest error of densities and kl in float32, relative to 1 + |value|."""
    errors = [
        _relative_error(s.single.log_prob(z), s.double.log_prob(z.double()))
        for _, z in _list_extremes(s)
    ]
    raw, z = s.raw(64), s.draws[:64].float()
    errors.append(_relative_error(s.single.log_prob(z), s.double.log_prob(z.double())))
    drawn = s.double.posterior(raw.double()).rsample(s.noise(64).double()).float()
    low = _list_values(s, s.single.posterior(raw), drawn)
    high = _list_values(s, s.double.posterior(raw.double()), drawn.double())
    errors += [_relative_error(a, b) for (_, a), (_, b) in zip(low, high, strict=True)]
    return max(errors), SINGLE


def _list_values(s: Subject, q: Posterior, z: Tensor) -> Iterator[tuple[str, Tensor]]:
    """What is computed of one posterior and its draw."""
    prior = s.single if z.dtype == torch.float32 else s.double
    yield "rsample", z
    yield "the posterior's log_prob", q.log_prob(z)
    yield "kl", prior.kl(q, z)


def _list_extremes(s: Subject) -> Iterator[tuple[float, Tensor]]:
    """Sizes with points of that size, in all coordinates or among others."""
    ramp = torch.linspace(-1, 1, s.latent_dim)
    mixed = torch.arange(s.latent_dim) % 3 == 0
    for size in SIZES if s.real else SIZES[:1]:
        for values in (
            torch.full_like(ramp, size),
            size * ramp,
            torch.where(mixed, -size, ramp),
        ):
            yield size, s.points(values)


def _find_gradients(value: Tensor, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gradients by name; zero where nothing is connected."""
    if not inputs or not value.requires_grad:
        return {name: torch.zeros_like(x) for name, x in inputs.items()}
    found = torch.autograd.grad(
        value,
        list(inputs.values()),
        retain_graph=True,
        allow_unused=True,
        materialize_grads=True,
    )
    return dict(zip(inputs, found, strict=True))


def _check_finite(name: str, value: Tensor) -> None:
    if not torch.isfinite(value).all():
        raise Fault(f"{name} is not finite")


def _relative_error(single: Tensor, double: Tensor) -> float:
    error = (single.double() - double).abs() / (1 + double.abs())
    return float(error.detach().max())


PROPERTIES = (
    gradients_reach,
    gradients_agree,
    finite_at_extremes,
    posterior_finite,
    precisions_agree,
)
