"""Properties of the interface: shapes, randomness, state, many seeds, devices."""

import copy
import io
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from priorbench.priors.base import Prior
from priorbench.priors.check.properties import (
    Fault,
    Finding,
    Unchecked,
    check_property,
)
from priorbench.priors.check.statistics import relative_difference
from priorbench.priors.check.subject import Subject

SHIFTS = (0.0, 0.3, -0.2)
"""By how much the parameters of a block's members are moved."""

BATCHES = ((), (7,), (3, 5))
"""Batch dimensions that are tried."""


@check_property(
    "shapes",
    "the posterior's rsample, representation and log_prob: (..., latent_dim) maps to "
    "(...); and at branches on the shape of a batch",
)
def shapes_fit(s: Subject) -> Finding:
    """Evaluate every method for no, one and two batch dimensions."""
    prior = s.single
    for batch in BATCHES:
        prior.log_prob(prior.sample(batch))
        q = prior.posterior(s.draw_raw(*batch))
        z = q.rsample(s.draw_noise(*batch))
        point = (*batch, s.latent_dim)
        _check_shape("rsample", z, point)
        _check_shape("representation", q.representation, point)
        _check_shape("log_prob", q.log_prob(z), batch)
        prior.kl(q, z)
    return None


def _check_shape(
    name: str,
    value: object,
    shape: tuple[int, ...],
) -> None:
    if not isinstance(value, Tensor) or value.shape != shape:
        given = tuple(value.shape) if isinstance(value, Tensor) else type(value)
        raise Fault(f"the posterior's {name} must have shape {shape}; got {given}")


@check_property(
    "rows are independent",
    "reductions in log_prob: only over the last dimension",
)
def rows_independent(s: Subject) -> Finding:
    """Compare the density of a batch with that of its rows, one by one."""
    z = s.draws[:15].reshape(3, 5, -1)
    rows = [s.double.log_prob(row) for row in z.flatten(0, 1)]
    alone = torch.stack(rows).reshape(3, 5)
    return relative_difference(s.double.log_prob(z), alone), 1e-9


@check_property(
    "sample replays",
    "sample: every random number must come from its generator argument",
)
def sample_replays(s: Subject) -> Finding:
    """Draw twice with one generator, while the global one differs."""

    def draw(seed: int, global_seed: int) -> Tensor:
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        z = s.single.sample((50,), torch.Generator().manual_seed(seed))
        if not torch.equal(before, torch.get_rng_state()):
            raise Fault(
                "sample moves the global random numbers although it was given a "
                "generator"
            )
        return z

    first = draw(1, 10)
    if not torch.equal(first, draw(1, 11)):
        raise Fault("a generator in the same state gives other draws")
    if torch.equal(first, draw(2, 10)):
        raise Fault("generators in different states give the same draws")
    return None


@check_property(
    "samples lie in the support",
    "sample and the posterior's rsample: their range",
)
def samples_in_support(s: Subject) -> Finding:
    """Check that draws are finite, and on the unit sphere where a group is."""
    _, z = s.draw_posteriors(3, 1000)
    worst = 0.0
    for drawn in (s.draws, z.detach()):
        if not torch.isfinite(drawn).all():
            raise Fault("some draws are not finite")
        for sphere in s.spheres:
            off = (drawn[..., sphere].norm(dim=-1) - 1).abs()
            worst = max(worst, float(off.max()))
    return (worst, 1e-5) if s.spheres else None


@check_property(
    "learned() gives tensors",
    "learned: a dict of tensors by name",
)
def learned_tensors(s: Subject) -> Finding:
    """Check that what was learned is a dict of finite tensors."""
    for name, value in s.single.learned().items():
        if not isinstance(value, Tensor):
            raise Fault(
                f"learned()[{name!r}] must be a tensor; got {type(value).__name__}"
            )
        if value.requires_grad or not torch.isfinite(value).all():
            raise Fault(f"learned()[{name!r}] must be finite and detached; got {value}")
    return None


@check_property(
    "saves and loads",
    "parameters and buffers: all that changes the density must be in state_dict, and "
    "nothing computed from it kept beside it",
)
def saves_and_loads(s: Subject) -> Finding:
    """Compare the densities before and after a state is written and read."""
    changed = _move_parameters(s.single, 0.4)
    file = io.BytesIO()
    torch.save(changed.state_dict(), file)
    file.seek(0)
    loaded = copy.deepcopy(s.single)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    z = s.draws[:50].float()
    return relative_difference(loaded.log_prob(z), changed.log_prob(z)), 0.0


def _move_parameters(prior: Prior, shift: float) -> Prior:
    """Return a copy with its learnable parameters moved by ``shift``."""
    other = copy.deepcopy(prior)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(shift)
    return other


@check_property(
    "tensors are registered",
    "the attribute: use register_buffer or nn.Parameter, so that it follows the prior "
    "to a GPU and into a block of seeds",
)
def tensors_registered(s: Subject) -> Finding:
    """Look for tensors that are plain attributes, in containers too."""
    own = ("_parameters", "_buffers", "_modules")
    found = [f"posterior.{name}" for name in _name_tensors(vars(s.given.posterior))]
    for prefix, module in s.given.named_modules():
        plain = {k: v for k, v in vars(module).items() if k not in own}
        found += [f"{prefix}.{name}".lstrip(".") for name in _name_tensors(plain)]
    if found:
        raise Fault(f"{', '.join(map(repr, found))} stays behind on the CPU")
    return None


def _name_tensors(values: Mapping[Any, Any]) -> Iterator[str]:
    """Yield the names of the tensors among ``values`` and in their containers."""
    for name, value in values.items():
        if isinstance(value, Tensor):
            yield str(name)
        elif isinstance(value, Mapping):
            yield from (f"{name}[{inner!r}]" for inner in _name_tensors(value))
        elif isinstance(value, list | tuple):
            items = dict(enumerate(value))
            yield from (f"{name}[{inner}]" for inner in _name_tensors(items))


@check_property(
    "a block of seeds equals its members",
    "branches on the value of a tensor, .item(), float() of a tensor, and tensors "
    "written in place",
)
def block_equals_members(s: Subject) -> Finding:
    """Compare many seeds by vmap with one after another, values and gradients."""
    members = [_move_parameters(s.single, shift) for shift in SHIFTS]
    parameters, buffers = stack_module_state(members)
    points = s.draws[:15].float().reshape(3, 5, -1)
    inputs = (s.draw_raw(3, 5), s.draw_noise(3, 5), points)
    step = Step(s.single)

    def take_step(
        parameters: dict[str, Tensor],
        buffers: dict[str, Tensor],
        *inputs: Tensor,
    ) -> tuple[Tensor, ...]:
        # the wrapped prior's names have a prefix
        state = {f"prior.{k}": v for k, v in {**parameters, **buffers}.items()}
        return functional_call(step, state, inputs)

    together = vmap(take_step)(parameters, buffers, *inputs)
    alone = [
        Step(member)(*rows) for member, *rows in zip(members, *inputs, strict=True)
    ]
    worst = [
        relative_difference(values, torch.stack(own))
        for values, own in zip(together, zip(*alone, strict=True), strict=True)
    ]
    total = sum(values.sum() for values in together)
    if parameters and total.requires_grad:
        gradients = torch.autograd.grad(
            total,
            list(parameters.values()),
            allow_unused=True,
            materialize_grads=True,
        )
        sum(value.sum() for values in alone for value in values).backward()
        for name, gradient in zip(parameters, gradients, strict=True):
            own = [dict(member.named_parameters())[name] for member in members]
            expected = [torch.zeros_like(p) if p.grad is None else p.grad for p in own]
            worst.append(relative_difference(gradient, torch.stack(expected)))
    return max(worst), 1e-5


class Step(nn.Module):
    """What training computes of a batch: draw, both densities, kl."""

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior

    def forward(
        self,
        raw: Tensor,
        noise: Tensor,
        z: Tensor,
    ) -> tuple[Tensor, ...]:
        """Return a draw, its density under q, that of z, and the KL."""
        q = self.prior.posterior(raw)
        drawn = q.rsample(noise)
        kl = self.prior.kl(q, drawn)
        return drawn, q.log_prob(drawn), self.prior.log_prob(z), kl


@check_property(
    "runs on a GPU",
    "tensors that are made without device=z.device, or kept on the CPU",
)
def runs_on_gpu(s: Subject) -> Finding:
    """Compare values on a GPU with the CPU's; without one, try the meta device."""
    inputs = (s.draw_raw(5), s.draw_noise(5), s.draws[:5].float())
    if not torch.cuda.is_available():
        step = Step(copy.deepcopy(s.single).to("meta"))
        try:
            step(*[x.to("meta") for x in inputs])
        except NotImplementedError as error:
            raise Unchecked("no GPU here") from error
        raise Unchecked(
            "no GPU here; nothing is left on the CPU (tried on the meta device)"
        )
    values = Step(copy.deepcopy(s.single).cuda())(*[x.cuda() for x in inputs])
    expected = Step(s.single)(*inputs)
    differences = [
        relative_difference(a.cpu(), b) for a, b in zip(values, expected, strict=True)
    ]
    return max(differences), 1e-4


PROPERTIES = (
    shapes_fit,
    rows_independent,
    sample_replays,
    samples_in_support,
    learned_tensors,
    saves_and_loads,
    tensors_registered,
    block_equals_members,
    runs_on_gpu,
)
