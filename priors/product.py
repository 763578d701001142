"""Products: registered priors side by side, each over latents of its own."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from priorbench.priors.base import Group, Prior, register, registry
from priorbench.priors.posteriors.base import Posterior
from priorbench.priors.posteriors.product import (
    ProductFamily,
    ProductPosterior,
    first_coordinates,
)


@register("product")
class Product(Prior):
    r"""Registered priors side by side, a user's own among them.

    .. math:: p(z) = \prod_i p_i(z_i)

    Each part keeps its posterior, its groups, its closed KL and its learning rate.

    Args:
        parts: of each part, its name or a table of its name and arguments.
        latent_dim: of all parts together; optional where every part has its own. One
            part that needs a ``latent_dim`` and has none takes what the others leave.
    Shape:
        z (..., latent_dim) -> log_prob (...), in nats.
    Raises:
        ValueError: a part is not a prior or refuses its arguments, it needs a
            ``latent_dim`` that nobody gives, or the parts do not add up to
            ``latent_dim``.
    Example:
        >>> parts = [{"name": "isa", "subspaces": [2, 1]}, "normal"]
        >>> prior = Product(parts, latent_dim=5)
        >>> prior.coordinates
        ((0, 1), (2,), (3,), (4,))
        >>> prior.log_prob(torch.zeros(2, 5)).shape
        torch.Size([2])
    """

    examples = (
        {
            "parts": [
                {"name": "normal", "latent_dim": 2},
                {"name": "isa", "subspaces": [2, 2]},
            ]
        },
        {
            "parts": [
                {"name": "hypersphere", "dims": [1, 1]},
                {"name": "generalized_gaussian", "learn_exponent": True},
            ]
        },
    )

    def __init__(
        self, parts: Sequence[str | Mapping[str, Any]], latent_dim: int | None = None
    ) -> None:
        tables = _check_tables(parts)
        built = _build_parts(tables, latent_dim)
        dims = tuple(part.latent_dim for part in built)
        if latent_dim is not None and sum(dims) != latent_dim:
            raise ValueError(
                f"'parts' have {' + '.join(map(str, dims))} = {sum(dims)} latents, "
                f"but 'latent_dim' is {latent_dim}"
            )
        groups = [
            Group((first + i for i in group.coordinates), group.on)
            for part, first in zip(built, first_coordinates(dims), strict=True)
            for group in part.groups
        ]
        super().__init__(sum(dims), groups)
        self.parts = nn.ModuleList(built)
        self.dims = dims
        self.names = tuple(table["name"] for table in tables)
        self.posterior = ProductFamily(
            tuple((part.posterior, part.latent_dim) for part in built)
        )

    def _log_prob(self, z: Tensor) -> Tensor:
        return sum(part.log_prob(own) for part, own in self._split(z))

    def _log_prob_groups(self, z: Tensor) -> Tensor:
        columns = [part.log_prob_groups(own) for part, own in self._split(z)]
        return torch.cat(columns, dim=-1)

    def _sample(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return torch.cat([part.sample(shape, generator) for part in self.parts], dim=-1)

    def _kl(self, q: Posterior, z: Tensor) -> Tensor:
        """Return the sum over the parts, each closed or estimated as it is alone."""
        if not self._fits(q):
            return super()._kl(q, z)
        return sum(
            part.kl(own, x)
            for (part, x), own in zip(self._split(z), q.parts, strict=True)
        )

    def _kl_groups(self, q: Posterior, z: Tensor) -> Tensor:
        if not self._fits(q):
            return super()._kl_groups(q, z)
        columns = [
            part.kl_groups(own, x)
            for (part, x), own in zip(self._split(z), q.parts, strict=True)
        ]
        # a closed form has the shape of q alone, an estimate that of z too
        shape = torch.broadcast_shapes(*(kl.shape[:-1] for kl in columns))
        return torch.cat([kl.expand(*shape, -1) for kl in columns], dim=-1)

    def learned(self) -> dict[str, Tensor]:
        """Return what the parts learned, by "<position>_<part>_<name>"."""
        return {
            f"{i}_{name}_{key}": value
            for i, (name, part) in enumerate(zip(self.names, self.parts, strict=True))
            for key, value in part.learned().items()
        }

    def learning_rates(self) -> dict[str, float | None]:
        """Return the learning rate of each parameter: its part's."""
        return {
            f"parts.{i}.{name}": rate
            for i, part in enumerate(self.parts)
            for name, rate in part.learning_rates().items()
        }

    def _split(self, z: Tensor) -> list[tuple[Prior, Tensor]]:
        """Return each part with its latents."""
        return list(zip(self.parts, z.split(self.dims, dim=-1), strict=True))

    def _fits(self, q: Posterior) -> bool:
        """Return whether a posterior has the same parts."""
        return isinstance(q, ProductPosterior) and q.dims == self.dims


def list_part_names(name: str, arguments: Mapping[str, Any]) -> list[str]:
    """Return the names of a prior and, where it is a product, of its parts.

    Parts of parts are among them.

    Args:
        name: of the prior.
        arguments: its own; malformed ``parts`` are left to the constructor to refuse.
    Raises:
        ValueError: a name is not registered.

    Example:
        >>> parts = ["normal", {"name": "isa", "subspaces": [4, 4]}]
        >>> list_part_names("product", {"parts": parts})
        ['product', 'normal', 'isa']
    """
    entry, names = registry.get(name), [name]
    parts = arguments.get("parts")
    product = inspect.isclass(entry) and issubclass(entry, Product)
    if not product or not isinstance(parts, Sequence) or isinstance(parts, str):
        return names
    for part in parts:
        table = {"name": part} if isinstance(part, str) else part
        if isinstance(table, Mapping) and isinstance(table.get("name"), str):
            names += list_part_names(table["name"], table)
    return names


def _check_tables(parts: Any) -> list[Mapping[str, Any]]:
    """Return every part as a table with its name."""
    tables = []
    if isinstance(parts, Sequence) and not isinstance(parts, str):
        tables = [{"name": part} if isinstance(part, str) else part for part in parts]
    for table in tables or [None]:
        if not isinstance(table, Mapping) or not isinstance(table.get("name"), str):
            raise ValueError(
                "'parts' must be a list of priors, each a name or a table like "
                f'{{ name = "normal", latent_dim = 4 }}; got {parts!r}'
            )
    return tables


def _build_parts(
    tables: Sequence[Mapping[str, Any]], latent_dim: int | None
) -> list[Prior]:
    """Return the parts; one that lacks a ``latent_dim`` takes what the others leave."""
    lacking = []
    for i, table in enumerate(tables):
        with _name_part(i, table):
            signature = inspect.signature(registry.get(table["name"]))
        own = signature.parameters.get("latent_dim")
        needed = own is not None and own.default is inspect.Parameter.empty
        if needed and "latent_dim" not in table:
            lacking.append(i)
    if len(lacking) > (latent_dim is not None):
        names = " and ".join(f"part {i} ({tables[i]['name']!r})" for i in lacking)
        example = tables[lacking[-1]]["name"]
        raise ValueError(
            f"{names} must have a 'latent_dim', the number of latents, like "
            f'{{ name = "{example}", latent_dim = 4 }}; only one part may leave it '
            "out, where the product's own is given"
        )
    built = {
        i: _build_part(i, table) for i, table in enumerate(tables) if i not in lacking
    }
    for i in lacking:
        rest = latent_dim - sum(part.latent_dim for part in built.values())
        if rest < 1:
            raise ValueError(
                f"the other parts have {latent_dim - rest} of the {latent_dim} "
                f"latents and leave none to part {i} ({tables[i]['name']!r})"
            )
        built[i] = _build_part(i, {**tables[i], "latent_dim": rest})
    return [built[i] for i in range(len(tables))]


def _build_part(i: int, table: Mapping[str, Any]) -> Prior:
    """Return part i; an error names it."""
    with _name_part(i, table):
        part = registry.build(**table)
        if not isinstance(part, Prior) or not hasattr(part, "latent_dim"):
            raise ValueError(
                "it must be a subclass of priors.Prior whose __init__ calls "
                f"super().__init__(latent_dim); got {type(part).__name__}"
            )
    return part


@contextmanager
def _name_part(i: int, table: Mapping[str, Any]) -> Iterator[None]:
    """Name the part in an error."""
    try:
        yield
    except ValueError as error:
        raise ValueError(
            f"part {i} ({table['name']!r}) of the product: {error}"
        ) from error
