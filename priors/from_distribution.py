"""Priors made from ``torch.distributions`` and from normalising flows."""

import inspect
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import (
    AffineTransform,
    ComposeTransform,
    Distribution,
    Independent,
    MixtureSameFamily,
    Transform,
    TransformedDistribution,
    VonMises,
    constraints,
)

from priorbench.priors.base import Group, Prior, can_hold_variances

Factory = Callable[..., Distribution | nn.Module]


def from_distribution(factory: Factory, name: str | None = None) -> type[Prior]:
    """Return a class of priors that have the density and the draws of a distribution.

    The class takes the arguments of ``factory``. The distribution's shapes say what is
    independent: with ``batch_shape`` (latent_dim,) every latent is a group of its own,
    with ``event_shape`` (latent_dim,) all are one group; a scalar distribution is that
    of every latent.

    Args:
        factory: takes ``latent_dim`` and settings, and returns a distribution on the
            real numbers, or an ``nn.Module`` that gives one when it is called without
            arguments, like zuko's flows: then the module's parameters are learned.
        name: of the class, for messages; by default the factory's.

    Raises:
        ValueError: ``factory`` does not take ``latent_dim``. The class raises it where
            the distribution has another shape or is not on all real numbers.

    Example:
        >>> def laplace(latent_dim, scale=0.5):
        ...     return torch.distributions.Laplace(torch.zeros(latent_dim), scale)
        >>> Laplace = from_distribution(laplace)
        >>> Laplace(latent_dim=3, scale=1.0).log_prob(torch.zeros(3))
        tensor(-2.0794)
    """
    signature = inspect.signature(factory)
    if "latent_dim" not in signature.parameters:
        raise ValueError(
            "'factory' must take 'latent_dim', the number of latents, like "
            f"lambda latent_dim: ...; it takes {signature}"
        )

    def __init__(self: DistributionPrior, *args: Any, **arguments: Any) -> None:
        bound = signature.bind(*args, **arguments)
        bound.apply_defaults()
        # the number of latents is checked before the factory sees it
        Prior.__init__(self, bound.arguments["latent_dim"])
        self._adopt(factory(*bound.args, **bound.kwargs))

    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    __init__.__signature__ = signature.replace(
        parameters=[itself, *signature.parameters.values()]
    )
    title = name or getattr(factory, "__name__", "")
    if not title.isidentifier():  # a lambda
        title = "Wrapped"
    members = {
        "__init__": __init__,
        "__module__": getattr(factory, "__module__", __name__),
        "__doc__": factory.__doc__ or "A prior made from a distribution.",
    }
    return type(title, (DistributionPrior,), members)


class DistributionPrior(Prior):
    """A prior with the density and the draws of a distribution.

    The distribution's tensors are buffers, so that they follow the prior to another
    device or precision and into many seeds at once; it is put together anew, from the
    buffers, whenever it is used.
    """

    def _adopt(self, made: Distribution | nn.Module) -> None:
        """Take what the factory made."""
        self.module = made if isinstance(made, nn.Module) else None
        if self.module is not None:
            with _skip_validation():
                made = self.module()
        if not isinstance(made, Distribution):
            raise ValueError(
                f"the factory of {type(self).__name__} must return a distribution of "
                "torch.distributions, or an nn.Module that gives one when called; got "
                f"{type(made).__name__}"
            )
        self._check_support(made)
        self._scalar = made.batch_shape == made.event_shape == ()
        if self._scalar:
            made = made.expand((self.latent_dim,))
        self._joint = made.event_shape == (self.latent_dim,) and not made.batch_shape
        if self._joint:
            self.groups = (Group(range(self.latent_dim)),)
        elif made.batch_shape != (self.latent_dim,) or made.event_shape:
            raise ValueError(
                f"the distribution of {type(self).__name__} must have 'batch_shape' or "
                f"'event_shape' {(self.latent_dim,)} and the other (), or both (); got "
                f"{tuple(made.batch_shape)} and {tuple(made.event_shape)}"
            )
        self._template, variance = None, None
        if self.module is None:
            self._template = _Template(_map_tensors(made, self._store_tensor))
            variance = None if self._joint else _find_variance(made)
        self.register_buffer("_variance", variance, persistent=False)

    def _check_support(self, distribution: Distribution) -> None:
        """Check that a distribution is on all real numbers, as far as it is known."""
        inner, transform = _strip_wrappers(distribution)
        if isinstance(inner, VonMises):  # its support is called real
            raise ValueError(
                f"the distribution of {type(self).__name__} must be on all real "
                "numbers; VonMises is on a circle: the prior 'hypersphere' with dims = "
                "[1, ...] has circles"
            )
        try:
            support = inner.support if transform is None else transform.codomain
        except NotImplementedError:
            return
        while hasattr(support, "base_constraint"):
            support = support.base_constraint
        if not isinstance(support, type(constraints.real)):
            raise ValueError(
                f"the distribution of {type(self).__name__} must be on all real "
                f"numbers; its support is {support}. Map it there with "
                "torch.distributions.TransformedDistribution"
            )

    def _store_tensor(self, tensor: Tensor, path: tuple[str, ...]) -> "_Stored":
        """Make a tensor of the distribution a buffer, and return its name."""
        if tensor.requires_grad:
            raise ValueError(
                f"{'.'.join(path)!r} of the distribution needs gradients; to learn it, "
                "let the factory return an nn.Module that gives the distribution when "
                "called"
            )
        name = "__".join(("distribution", *path)).replace(".", "_")
        copied = tensor.clone(memory_format=torch.contiguous_format)
        self.register_buffer(name, copied)
        return _Stored(name)

    def _make_distribution(self) -> Distribution:
        """Return the distribution of the present buffers, or of the module."""
        if self._template is not None:
            return _map_tensors(
                self._template.distribution, lambda own, _: getattr(self, own.name)
            )
        distribution = self.module()
        if self._scalar:
            return distribution.expand((self.latent_dim,))
        return distribution

    def _log_prob_groups(self, z: Tensor) -> Tensor:
        with _skip_validation():
            log_prob = self._make_distribution().log_prob(z)
        return log_prob[..., None] if self._joint else log_prob

    def _sample(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        # torch.distributions draw from the global generator: it is lent, then restored
        seed = torch.randint(2**63 - 1, (), generator=generator)
        with torch.random.fork_rng(devices=[]), _skip_validation():
            torch.default_generator.manual_seed(int(seed))
            return self._make_distribution().sample(shape)

    def variance(self) -> Tensor | None:
        """Return the variance of each latent; None where it is not fixed and finite."""
        return self._variance


@dataclass(frozen=True)
class _Stored:
    """The name of a buffer, where the distribution had a tensor."""

    name: str


class _Template:
    """A distribution whose tensors are buffers elsewhere; it never changes."""

    def __init__(self, distribution: Distribution) -> None:
        self.distribution = distribution

    def __deepcopy__(self, memo: dict) -> "_Template":
        return self


def _map_tensors(
    distribution: Distribution, function: Callable[[Any, tuple[str, ...]], Any]
) -> Distribution:
    """Return a copy of a distribution with its tensors, or their names, replaced.

    Args:
        distribution: with all that it is made of.
        function: what takes the place of a tensor or :class:`_Stored`, from it and the
            names of the attributes that lead to it.

    Raises:
        ValueError: there is a module in the distribution.
    """
    copies: dict[int, Any] = {}  # a transform and its inverse hold each other

    def copy_part(value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, Tensor | _Stored):
            return function(value, path)
        if isinstance(value, nn.Module):
            raise ValueError(
                f"{'.'.join(path)!r} of the distribution is a module; let the factory "
                "return an nn.Module that gives the distribution when called"
            )
        if isinstance(value, weakref.ref):
            return None  # to a transform's inverse, which is made again
        if type(value) in (list, tuple):
            parts = [copy_part(own, (*path, str(i))) for i, own in enumerate(value)]
            return type(value)(parts)
        if type(value) is dict:
            return {
                name: copy_part(own, (*path, str(name))) for name, own in value.items()
            }
        if not isinstance(value, Distribution | Transform):
            return value
        if id(value) in copies:
            return copies[id(value)]
        copied = copies[id(value)] = object.__new__(type(value))
        for name, own in vars(value).items():
            vars(copied)[name] = copy_part(own, (*path, name))
        if isinstance(value, Distribution):
            # a check would branch on values, which many seeds at once forbid
            copied._validate_args = False
        return copied

    return copy_part(distribution, ())


def _strip_wrappers(
    distribution: Distribution,
) -> tuple[Distribution, Transform | None]:
    """Return the distribution, or the last transform, that decides the support.

    Moving and scaling keep a bounded support bounded, though PyTorch calls the result
    real; a mixture is where its components are.
    """
    while True:
        if isinstance(distribution, MixtureSameFamily):
            distribution = distribution.component_distribution
        elif isinstance(distribution, TransformedDistribution):
            for transform in reversed(list(_list_parts(distribution.transforms))):
                if not isinstance(transform, AffineTransform):
                    return distribution, transform
            distribution = distribution.base_dist
        elif isinstance(distribution, Independent):
            distribution = distribution.base_dist
        else:
            return distribution, None


def _list_parts(transforms: Iterable[Transform]) -> Iterator[Transform]:
    for transform in transforms:
        if isinstance(transform, ComposeTransform):
            yield from _list_parts(transform.parts)
        else:
            yield transform


def _find_variance(distribution: Distribution) -> Tensor | None:
    """Return the variances of the latents, or None if float32 does not hold them."""
    try:
        variance = distribution.variance
    except NotImplementedError:
        return None
    if not can_hold_variances(variance.tolist()):
        return None
    return variance.clone(memory_format=torch.contiguous_format)


@contextmanager
def _skip_validation() -> Iterator[None]:
    """Make distributions that do not check values, which many seeds at once forbid."""
    before = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(before)
