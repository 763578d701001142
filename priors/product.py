"""Products: registered priors side by side, each over latents of its own."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from priorbench.priors.base import Prior, register, registry
from priorbench.priors.posteriors.base import Posterior
from priorbench.priors.posteriors.product import ProductPosterior, first_coordinates


@register("product")
class Product(Prior):
    r"""Registered priors side by side, a user's own among them.

    .. math:: p(z) = \prod_i p_i(z_i)

    Each part keeps its posterior, its groups, its closed KL and its learning rate.

    Args:
        parts: of each part, its name or a table of its name and arguments.
        latent_dim: of all parts together; optional where every part says its own. One part that
            needs a ``latent_dim`` and has none takes what the others leave.
    Shape:
        z (..., latent_dim) -> log_prob (...), in nats.
    Raises:
        ValueError: a part that is no prior or refuses its arguments, that needs a ``latent_dim``
            nobody gives, or parts that do not add up to ``latent_dim``.
    Example:
        >>> prior = Product([{"name": "isa", "subspaces": [2, 1]}, "normal"], latent_dim=5)
        >>> prior.groups
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
        tables = _read_tables(parts)
        built = _build_parts(tables, latent_dim)
        dims = tuple(part.latent_dim for part in built)
        if latent_dim is not None and sum(dims) != latent_dim:
            raise ValueError(
                f"'parts' have {' + '.join(map(str, dims))} = {sum(dims)} latents, "
                f"but 'latent_dim' is {latent_dim}"
            )
        super().__init__(sum(dims))
        self.parts, self.dims = nn.ModuleList(built), dims
        self.names = tuple(table["name"] for table in tables)
        self.posterior = ProductPosterior.family(
            parts=tuple((part.posterior, part.latent_dim) for part in built)
        )

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The parts' groups, one part after the other."""
        return tuple(
            tuple(first + c for c in group)
            for part, first in zip(
                self.parts, first_coordinates(self.dims), strict=True
            )
            for group in part.groups
        )

    @property
    def support(self) -> tuple[str, ...]:
        """The parts' supports, one part after the other."""
        return tuple(kind for part in self.parts for kind in part.support)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density, z (..., latent_dim) -> (...), in nats."""
        return sum(part.log_prob(own) for part, own in self._split(z))

    def log_prob_groups(self, z: Tensor) -> Tensor:
        """Log density of each group, (..., groups), in nats.

        Raises:
            NotImplementedError: a part does not say so.
        """
        return torch.cat(
            [part.log_prob_groups(own) for part, own in self._split(z)], dim=-1
        )

    def sample(
        self, shape: Sequence[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        """Independent draws, (*shape, latent_dim)."""
        return torch.cat([part.sample(shape, generator) for part in self.parts], dim=-1)

    def kl(self, q: Posterior, z: Tensor) -> Tensor:
        """KL(q || p), (...), in nats: of each part closed or estimated as it does it alone."""
        if not self._fits(q):
            return super().kl(q, z)
        return sum(
            part.kl(own, x)
            for (part, x), own in zip(self._split(z), q.parts, strict=True)
        )

    def kl_groups(self, q: Posterior, z: Tensor) -> Tensor:
        """KL of each group, (..., groups), in nats, as :meth:`kl`.

        Raises:
            NotImplementedError: a part has no log density of its groups.
        """
        if not self._fits(q):
            return super().kl_groups(q, z)
        each = [
            part.kl_groups(own, x)
            for (part, x), own in zip(self._split(z), q.parts, strict=True)
        ]
        # a closed form has the shape of q alone, an estimate that of z too
        shape = torch.broadcast_shapes(*(kl.shape[:-1] for kl in each))
        return torch.cat([kl.expand(*shape, -1) for kl in each], dim=-1)

    def learned(self) -> dict[str, Tensor]:
        """What the parts learned, by "<position>_<part>_<name>"."""
        return {
            f"{i}_{name}_{key}": value
            for i, (name, part) in enumerate(zip(self.names, self.parts, strict=True))
            for key, value in part.learned().items()
        }

    def learning_rates(self) -> dict[str, float | None]:
        """Learning rate of each parameter: its part's."""
        return {
            f"parts.{i}.{name}": rate
            for i, part in enumerate(self.parts)
            for name, rate in part.learning_rates().items()
        }

    def _split(self, z: Tensor) -> list[tuple[Prior, Tensor]]:
        self.check_shape(z)
        return list(zip(self.parts, z.split(self.dims, dim=-1), strict=True))

    def _fits(self, q: Posterior) -> bool:
        return isinstance(q, ProductPosterior) and q.dims == self.dims


def list_part_names(name: str, arguments: Mapping[str, Any]) -> list[str]:
    """Names of a prior and, where it is a product, of its parts, nested ones too.

    Args:
        name: of the prior.
        arguments: its own; ``parts`` that are malformed are left to the constructor to refuse.
    Raises:
        ValueError: a name that is not registered.

    Example:
        >>> list_part_names("product", {"parts": ["normal", {"name": "isa", "subspaces": [4, 4]}]})
        ['product', 'normal', 'isa']
    """
    entry, found = registry.get(name), [name]
    if not (inspect.isclass(entry) and issubclass(entry, Product)):
        return found
    parts = arguments.get("parts")
    for part in (
        parts if isinstance(parts, Sequence) and not isinstance(parts, str) else ()
    ):
        table = {"name": part} if isinstance(part, str) else part
        if isinstance(table, Mapping) and isinstance(table.get("name"), str):
            found += list_part_names(table["name"], table)
    return found


def _read_tables(parts: Any) -> list[Mapping[str, Any]]:
    """Every part as a table with its name."""
    listed = isinstance(parts, Sequence) and not isinstance(parts, str)
    tables = (
        [{"name": part} if isinstance(part, str) else part for part in parts]
        if listed
        else []
    )
    if not tables or any(
        not isinstance(table, Mapping) or not isinstance(table.get("name"), str)
        for table in tables
    ):
        raise ValueError(
            "'parts' must be a list of priors, each a name or a table like "
            f'{{ name = "normal", latent_dim = 4 }}; got {parts!r}'
        )
    return tables


def _build_parts(
    tables: Sequence[Mapping[str, Any]], latent_dim: int | None
) -> list[Prior]:
    """The parts; the one that lacks its ``latent_dim`` takes what the others leave."""
    lacking = [i for i, table in enumerate(tables) if _lacks_latent_dim(i, table)]
    if len(lacking) > (latent_dim is not None):
        names = " and ".join(f"part {i} ({tables[i]['name']!r})" for i in lacking)
        raise ValueError(
            f"{names} must say 'latent_dim', the number of latents, like "
            f'{{ name = "{tables[lacking[-1]]["name"]}", latent_dim = 4 }}; only one '
            "part may leave it out, where the product's own is given"
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


def _lacks_latent_dim(i: int, table: Mapping[str, Any]) -> bool:
    with _name_part(i, table):
        needed = inspect.signature(registry.get(table["name"])).parameters.get(
            "latent_dim"
        )
    return (
        needed is not None
        and needed.default is needed.empty
        and "latent_dim" not in table
    )


def _build_part(i: int, table: Mapping[str, Any]) -> Prior:
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
    """Say of which part an error is."""
    try:
        yield
    except ValueError as error:
        raise ValueError(
            f"part {i} ({table['name']!r}) of the product: {error}"
        ) from error
