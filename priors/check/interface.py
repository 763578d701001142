"""Properties of the interface: shapes, groups, randomness, state, many seeds, devices."""

import copy
import io
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from priorbench.priors.base import Prior
from priorbench.priors.check.properties import Fault, Finding, Unchecked, check_property
from priorbench.priors.check.subject import Subject
from priorbench.priors.posteriors.base import Family

SHIFTS = (0.0, 0.3, -0.2)
"""By how much the parameters of a block's members are moved."""


@check_property(
    "groups partition the latents",
    "groups and support: every latent once, one kind a group",
)
def groups_partition(s: Subject) -> Finding:
    """Each coordinate is in one group, and each group has a kind."""
    if sorted(i for group in s.given.groups for i in group) != list(
        range(s.latent_dim)
    ):
        raise Fault(
            f"groups must hold each of the latents 0 to {s.latent_dim - 1} once; got "
            f"{s.given.groups!r}"
        )
    if len(s.support) != len(s.given.groups) or not {"real", "sphere"}.issuperset(
        s.support
    ):
        raise Fault(
            f"support must give 'real' or 'sphere' for each of {len(s.given.groups)} "
            f"groups; got {s.support!r}"
        )
    return None


@check_property(
    "shapes", "log_prob, kl, sample and the posterior: (..., latent_dim) maps to (...)"
)
def shapes_fit(s: Subject) -> Finding:
    """Every method has the shape it must have, for no, one and two batch dimensions."""
    d, prior = s.latent_dim, s.single
    for batch in ((), (7,), (3, 5)):
        z = prior.sample(batch)
        _check_shape("sample", z, (*batch, d))
        _check_shape("log_prob", prior.log_prob(z), batch)
        q = prior.posterior(s.raw(*batch))
        z = q.rsample(s.noise(*batch))
        _check_shape("the posterior's rsample", z, (*batch, d))
        _check_shape("the posterior's representation", q.representation, (*batch, d))
        _check_shape("the posterior's log_prob", q.log_prob(z), batch)
        _check_shape("kl", prior.kl(q, z), batch)
    if prior.sample((2,)).dtype != torch.get_default_dtype():
        raise Fault(
            f"sample must give {torch.get_default_dtype()}, the default; got "
            f"{prior.sample((2,)).dtype}"
        )
    return None


@check_property(
    "rows are independent", "reductions in log_prob: only over the last dimension"
)
def rows_independent(s: Subject) -> Finding:
    """The density of a batch is that of its rows, one by one."""
    z = s.draws[:15].reshape(3, 5, -1)
    each = torch.stack(
        [torch.stack([s.double.log_prob(row) for row in part]) for part in z]
    )
    return _relative_difference(s.double.log_prob(z), each), 1e-9


@check_property("wrong shapes are refused", "log_prob: call self.check_shape(z) first")
def shapes_refused(s: Subject) -> Finding:
    """A z of the wrong length is a ValueError that names it."""
    for shape in ((), (s.latent_dim + 1,), (3, s.latent_dim - 1)):
        try:
            s.single.log_prob(torch.zeros(shape))
        except ValueError as error:
            if "'z'" in str(error):
                continue
            raise Fault(
                f"the error for z of shape {shape} does not name 'z': {error}"
            ) from error
        except Exception as error:
            raise Fault(
                f"z of shape {shape} must raise a ValueError that names 'z'; it raised "
                f"{type(error).__name__}"
            ) from error
        raise Fault(f"z of shape {shape} must raise a ValueError that names 'z'")
    return None


@check_property(
    "sample replays",
    "sample: every random number must come from its generator argument",
)
def sample_replays(s: Subject) -> Finding:
    """The same generator gives the same draws, and the global one is neither used nor moved."""

    def draw(seed: int, elsewhere: int) -> Tensor:
        torch.manual_seed(elsewhere)
        before = torch.get_rng_state()
        z = s.single.sample((50,), torch.Generator().manual_seed(seed))
        if not torch.equal(before, torch.get_rng_state()):
            raise Fault(
                "sample moves the global random numbers although it was given a generator"
            )
        return z

    first = draw(1, 10)
    if not torch.equal(first, draw(1, 11)):
        raise Fault("a generator in the same state gives other draws")
    if torch.equal(first, draw(2, 10)):
        raise Fault("generators in different states give the same draws")
    return None


@check_property(
    "samples lie in the support", "sample and the posterior's rsample: their range"
)
def samples_in_support(s: Subject) -> Finding:
    """Draws are finite, and on the unit sphere where the support says so."""
    _, z = s.posteriors(3, 1000)
    worst = 0.0
    for drawn in (s.draws, z.detach()):
        if not torch.isfinite(drawn).all():
            raise Fault("some draws are not finite")
        for sphere in s.spheres:
            worst = max(worst, float((drawn[..., sphere].norm(dim=-1) - 1).abs().max()))
    return (worst, 1e-5) if s.spheres else None


@check_property("learned() gives tensors", "learned: a dict of tensors by name")
def learned_tensors(s: Subject) -> Finding:
    """What was learned is a dict of finite tensors."""
    found = s.single.learned()
    for name, value in found.items():
        if not isinstance(value, Tensor):
            raise Fault(
                f"learned()[{name!r}] must be a tensor; got {type(value).__name__}"
            )
        if value.requires_grad or not torch.isfinite(value).all():
            raise Fault(f"learned()[{name!r}] must be finite and detached; got {value}")
    return None


@check_property(
    "saves and loads",
    "parameters and buffers: all that changes the density must be in "
    "state_dict, and nothing computed from it kept beside it",
)
def saves_and_loads(s: Subject) -> Finding:
    """A state that is written and read gives the same density."""
    changed, file = _move_parameters(s.single, 0.4), io.BytesIO()
    torch.save(changed.state_dict(), file)
    file.seek(0)
    loaded = copy.deepcopy(s.single)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    z = s.draws[:50].float()
    return _relative_difference(loaded.log_prob(z), changed.log_prob(z)), 0.0


@check_property(
    "tensors are registered",
    "the attribute: use register_buffer or nn.Parameter, so that it "
    "follows the prior to a GPU and into a block of seeds",
)
def tensors_registered(s: Subject) -> Finding:
    """No tensor is a plain attribute, not in a container either."""
    family = s.given.posterior
    settings = dict(family.settings) if isinstance(family, Family) else {}
    own = ("_parameters", "_buffers", "_modules")
    found = [f"posterior.{name}" for name in _find_tensors(settings)]
    for prefix, module in s.given.named_modules():
        plain = {k: v for k, v in vars(module).items() if k not in own}
        found += [f"{prefix}.{name}".lstrip(".") for name in _find_tensors(plain)]
    if found:
        raise Fault(f"{', '.join(map(repr, found))} stays behind on the CPU")
    return None


@check_property(
    "a block of seeds equals its members",
    "branches on the value of a tensor, .item(), "
    "float() of a tensor, and tensors written in place",
)
def block_equals_members(s: Subject) -> Finding:
    """Many seeds by vmap against one after another, values and gradients."""
    members = [_move_parameters(s.single, shift) for shift in SHIFTS]
    state = stack_module_state(members)
    inputs = (s.raw(3, 5), s.noise(3, 5), s.draws[:15].float().reshape(3, 5, -1))
    step = _Step(s.single)
    # the wrapped prior's names have a prefix
    together = vmap(
        lambda parameters, buffers, *x: functional_call(
            step,
            {f"prior.{k}": v for d in (parameters, buffers) for k, v in d.items()},
            x,
        )
    )
    many = together(*state, *inputs)
    alone = [
        _Step(member)(*rows) for member, *rows in zip(members, *inputs, strict=True)
    ]
    worst = [
        _relative_difference(a, torch.stack(b))
        for a, b in zip(many, zip(*alone, strict=True), strict=True)
    ]
    total = sum(value.sum() for value in many)
    if state[0] and total.requires_grad:
        sum(value.sum() for values in alone for value in values).backward()
        found = torch.autograd.grad(
            total, list(state[0].values()), allow_unused=True, materialize_grads=True
        )
        for name, gradient in zip(state[0], found, strict=True):
            own = [dict(m.named_parameters())[name].grad for m in members]
            worst.append(
                _relative_difference(
                    gradient,
                    torch.stack(
                        [torch.zeros_like(gradient[0]) if g is None else g for g in own]
                    ),
                )
            )
    return max(worst), 1e-5


@check_property(
    "runs on a GPU", "tensors that are made without device=z.device, or kept on the CPU"
)
def runs_on_gpu(s: Subject) -> Finding:
    """Values on a GPU are those on the CPU; without one, shapes on the meta device."""
    inputs = (s.raw(5), s.noise(5), s.draws[:5].float())
    if torch.cuda.is_available():
        step = _Step(copy.deepcopy(s.single).cuda())
        values = step(*[x.cuda() for x in inputs])
        generator = torch.Generator("cuda").manual_seed(0)
        drawn = step.prior.sample((3,), generator)
        if drawn.device.type != "cuda":
            raise Fault("sample must draw on the device of its generator")
        expected = _Step(s.single)(*inputs)
        return max(
            _relative_difference(a.cpu(), b)
            for a, b in zip(values, expected, strict=True)
        ), 1e-4
    try:
        _Step(copy.deepcopy(s.single).to("meta"))(*[x.to("meta") for x in inputs])
    except NotImplementedError as error:
        raise Unchecked("no GPU here") from error
    raise Unchecked(
        "no GPU here; nothing is left on the CPU (tried on the meta device)"
    )


class _Step(nn.Module):
    """What training computes of a batch: draw, both densities, kl."""

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, raw: Tensor, noise: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        q = self.prior.posterior(raw)
        drawn = q.rsample(noise)
        return drawn, q.log_prob(drawn), self.prior.log_prob(z), self.prior.kl(q, drawn)


def _move_parameters(prior: Prior, shift: float) -> Prior:
    """A copy with its learnable parameters moved by ``shift``."""
    other = copy.deepcopy(prior)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(shift)
    return other


def _find_tensors(values: Mapping[Any, Any]) -> Iterator[str]:
    """Names of the tensors among ``values`` and in the containers among them."""
    for name, value in values.items():
        if isinstance(value, Tensor):
            yield str(name)
        elif isinstance(value, Mapping):
            yield from (f"{name}[{inner!r}]" for inner in _find_tensors(value))
        elif isinstance(value, list | tuple):
            yield from (
                f"{name}[{inner}]" for inner in _find_tensors(dict(enumerate(value)))
            )


def _relative_difference(a: Tensor, b: Tensor) -> float:
    return float(((a - b).abs() / (1 + b.abs())).detach().max())


def _check_shape(name: str, value: Tensor, shape: tuple[int, ...]) -> None:
    if not isinstance(value, Tensor) or value.shape != shape:
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise Fault(f"{name} must have shape {shape}; got {got}")


PROPERTIES: tuple = (
    groups_partition,
    shapes_fit,
    rows_independent,
    shapes_refused,
    sample_replays,
    samples_in_support,
    learned_tensors,
    saves_and_loads,
    tensors_registered,
    block_equals_members,
    runs_on_gpu,
)
