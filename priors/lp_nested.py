"""Lp-nested symmetric priors, and independent subspace analysis (ISA)."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from priorbench.compiled import fuse_with_gradient
from priorbench.priors.base import Group, Prior, can_hold_variances, register
from priorbench.priors.numerics.columns import make_constant, pick_columns
from priorbench.priors.numerics.exponents import LEARNING_RATE, Exponents, check_scale
from priorbench.priors.numerics.special import (
    TensorOrFloat,
    draw_signs,
    log_abs,
    log_gamma,
    log_real,
    sample_log_gamma,
)


@dataclass(frozen=True)
class Node:
    """An inner node of the tree: the Lp norm of its children.

    Attributes:
        index: position of its exponent, the root's being 0, depth first.
        children: nodes, or the coordinates of leaves.
        leaves: all coordinates below, in the order written.
    """

    index: int
    children: tuple["Node | int", ...]
    leaves: tuple[int, ...]


@register("lp_nested")
class LpNested(Prior):
    r"""Lp-nested symmetric prior whose subtrees below the root are independent.

    .. math:: \log p(z) = \log p_0 - \log\Gamma(n/p_0) - \tfrac{n}{p_0}\log s
        - \log S_f(1) - f(z)^{p_0} / s

    f is the cascade of Lp norms that the tree describes. The factor :math:`(n-1)\log f`
    of Eqs. 7 and 11 cancels and is never evaluated, so that the density is finite at
    z = 0; f is evaluated in log space. The groups are the root's children.

    Draws are exact, by Algorithm 1 of the ISA-VAE paper with the radius absorbed: below
    the root the p0-th powers of the children's norms are independent gamma variates;
    further below, shares of the parent's norm are Dirichlet. All is in log space.

    References: Stühmer et al. 2019 (ISA-VAE), Eqs. 7, 8 (its upper limit read as
    :math:`l_i`) and 11; Sinz and Bethge 2010.

    Args:
        tree: ``[p0, [child, ...]]``; a child is a coordinate or again
            ``[p, [child, ...]]``.
        scale: s, > 0, or "unit" for coordinates of unit variance (on average, where the
            tree makes them differ).
        learn_exponents: learn the exponents below the root, at their own learning rate,
            starting at the tree's; the root's stays fixed.
    Shape:
        z (..., n) -> log_prob (...), in nats.
    Raises:
        ValueError: a malformed tree, an exponent or a scale that is not positive, or
            nothing to learn.
    Example:
        >>> prior = LpNested([1.3, [0, [2.7, [1, 2]]]])
        >>> prior.log_prob(torch.zeros(3))
        tensor(-2.1640)
        >>> prior.coordinates
        ((0,), (1, 2))
    """

    learning_rate = LEARNING_RATE
    examples = (
        {"tree": [2.1, [0, [1.7, [1, 2, [3.0, [3, 4]]]], 5]]},
        {"tree": [1.3, [0, [2.7, [1, 2]], [1.1, [3, 4, 5]]]], "learn_exponents": True},
    )

    def __init__(
        self,
        tree: Sequence[Any],
        scale: float | str = 1.0,
        learn_exponents: bool = False,
    ) -> None:
        root, exponents = parse_tree(tree)
        groups = [Group(list_leaves(child)) for child in root.children]
        super().__init__(len(root.leaves), groups)
        if learn_exponents and len(exponents) == 1:
            raise ValueError(
                "'learn_exponents' needs a node below the root; 'tree' has none"
            )
        self.root = root
        self.root_exponent = Exponents(exponents[:1], learn=False, name="p0")
        self.inner_exponents = Exponents(exponents[1:], learn_exponents, name="p")
        self.scale = 1.0 if scale == "unit" else check_scale(scale)
        p = self._stack_exponents()
        if scale == "unit":
            mean = float(self._compute_variance(p).detach().mean())
            if not 0 < mean < math.inf:
                raise ValueError(
                    "'scale' cannot be \"unit\": with these exponents the variance at "
                    "scale 1 is beyond float64; give a number"
                )
            self.scale = mean ** (-self.exponents()[0] / 2)
        # fixed exponents: computed once, and moved with the prior, not at every step
        variance = self._compute_variance(p).detach()
        self._knows_variance = can_hold_variances(variance.tolist())
        fixed = variance if self._knows_variance and not learn_exponents else None
        self.register_buffer("_fixed_variance", fixed, persistent=False)
        self._fixed_ratios: tuple[float, ...] | None = None
        if not learn_exponents:
            self._fixed_ratios = tuple(_log_surface_ratios(self.root, p).tolist())

    def exponents(self) -> list[TensorOrFloat]:
        """Return the exponents of all inner nodes, the root's first, depth first."""
        return [*self.root_exponent(), *self.inner_exponents()]

    def log_f(self, z: Tensor) -> Tensor:
        """Return the log of the Lp-nested function, z (..., n) -> (...)."""
        p0 = self.exponents()[0]
        return torch.logsumexp(p0 * self._log_norms(z), dim=-1) / p0

    def log_surface(self) -> TensorOrFloat:
        r"""Return the log of :math:`S_f(1)`.

        :math:`S_f` is the derivative of the ball's volume in its radius, not the
        Euclidean area of its surface.
        """
        p0, counts = self.exponents()[0], self._count_leaves()
        own = sum(log_gamma(k / p0) for k in counts) - log_gamma(sum(counts) / p0)
        own = own - (len(counts) - 1) * log_real(p0) + sum(counts) * log_real(2.0)
        if self._fixed_ratios is not None:
            return own + sum(self._fixed_ratios)
        return own + _log_surface_ratios(self.root, self._stack_exponents()).sum()

    def _log_prob(self, z: Tensor) -> Tensor:
        p0 = self.exponents()[0]
        power = torch.exp(p0 * self.log_f(z)) / self.scale
        return self._log_radial(p0, self.latent_dim) - self.log_surface() - power

    def _log_prob_groups(self, z: Tensor) -> Tensor:
        p0 = self.exponents()[0]
        peaks = tuple(
            self._log_radial(p0, n) - n * log_real(2.0) for n in self._count_leaves()
        )
        if self._fixed_ratios is None:
            ratios = _log_surface_ratios(self.root, self._stack_exponents())
            peak = _make_row(peaks, z.device) - ratios
        else:
            pairs = zip(peaks, self._fixed_ratios, strict=True)
            peak = _make_row(tuple(peak - ratio for peak, ratio in pairs), z.device)
        return peak.to(z) - torch.exp(p0 * self._log_norms(z)) / self.scale

    def _log_radial(self, p0: TensorOrFloat, n: int) -> TensorOrFloat:
        """Return the log of the radial part's normaliser, of n coordinates."""
        return log_real(p0) - log_gamma(n / p0) - n / p0 * log_real(self.scale)

    def _log_norms(self, z: Tensor) -> Tensor:
        """Return the log norms of the root's children, (..., n) -> (..., children)."""
        if self.inner_exponents.rho is None:
            return _log_norms(z, tuple(self.exponents()), self.root)
        # the root's exponent stands first, and is not looked at
        p = functional.pad(self.inner_exponents.stack(), (1, 0))
        return _log_norms(z, p.view(*[1] * (z.ndim - 1), -1), self.root)

    def _count_leaves(self) -> list[int]:
        """Return the number of leaves at or below each of the root's children."""
        return [len(list_leaves(child)) for child in self.root.children]

    def _stack_exponents(self) -> Tensor:
        """Return the exponents below the root, float64 (nodes,)."""
        if self.inner_exponents.rho is None:
            return torch.tensor(self.inner_exponents.initial, dtype=torch.float64)
        return self.inner_exponents.stack().double()

    def variance(self) -> Tensor | None:
        """Return the variance of each coordinate, (n,).

        None where the exponents, as given, make it larger or smaller than float32
        holds.
        """
        if self._fixed_variance is None and self._knows_variance:
            return self._compute_variance(self._stack_exponents())
        return self._fixed_variance

    def _compute_variance(self, p: Tensor) -> Tensor:
        p0, own = self.exponents()[0], {}
        for child in self.root.children:
            k = len(list_leaves(child))
            log_ratio = log_gamma((k + 2) / p0) - log_gamma(k / p0)
            try:
                moment = self.scale ** (2 / p0) * math.exp(log_ratio)
            except OverflowError:
                moment = math.inf
            own |= dict.fromkeys(list_leaves(child), moment)
        moments = _make_row(tuple(own[i] for i in range(self.latent_dim)), p.device)
        terms = _list_terms(self.root, p.device)
        return moments * torch.exp((terms.paths * terms.log_gammas(p)).sum(-1))

    def _sample(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        p = [*self.root_exponent.values(), *self.inner_exponents.values()]
        log_abs_z: dict[int, Tensor] = {}

        def draw_log_gammas(node: Node) -> list[Tensor]:
            counts = [len(list_leaves(child)) for child in node.children]
            q = p[node.index]
            return [sample_log_gamma(shape, n / q, generator) for n in counts]

        def descend(
            children: Sequence[Node | int], log_norms: Sequence[Tensor]
        ) -> None:
            for child, log_norm in zip(children, log_norms, strict=True):
                if isinstance(child, int):
                    log_abs_z[child] = log_norm
                    continue
                drawn = torch.stack(draw_log_gammas(child))
                log_shares = drawn - torch.logsumexp(drawn, dim=0)
                descend(child.children, list(log_norm + log_shares / p[child.index]))

        log_powers = [g + log_real(self.scale) for g in draw_log_gammas(self.root)]
        descend(self.root.children, [power / p[0] for power in log_powers])
        columns = torch.stack([log_abs_z[i] for i in range(self.latent_dim)], dim=-1)
        return draw_signs(columns.shape, generator) * torch.exp(columns)

    def learned(self) -> dict[str, Tensor]:
        """Return the exponents below the root, if they are learned."""
        if self.inner_exponents.rho is None:
            return {}
        return {"exponents": torch.stack(self.inner_exponents()).detach()}


@register("isa")
class ISA(LpNested):
    r"""Independent subspace analysis: independent Lp-spherical subspaces.

    It is the Lp-nested prior of a tree of depth two, whose groups are the subspaces.

    References: Stühmer et al. 2019 (ISA-VAE), Eqs. 9 and 11; exponents of section 4.

    Args:
        subspaces: number of latents of each subspace, in order.
        p0: exponent between subspaces, > 0; never learned.
        p: exponent within the subspaces, one value or one per subspace. By default 2.2,
            the paper's for dSprites, or 2.0 where the exponents are learned, the
            paper's start.
        scale: s, > 0 (the paper's is 1), or "unit" for coordinates of unit variance.
        learn_exponents: learn the exponents within the subspaces, at their own learning
            rate.
    Shape:
        z (..., sum(subspaces)) -> log_prob (...), in nats.
    Raises:
        ValueError: an empty subspace, an exponent or a scale that is not positive, or
            a list of exponents that does not have one for each subspace.
    Example:
        >>> ISA([2, 1]).coordinates
        ((0, 1), (2,))
    """

    examples = (
        {"subspaces": [2, 4]},
        {"subspaces": [2, 4], "scale": "unit", "learn_exponents": True},
    )

    def __init__(
        self,
        subspaces: Sequence[int] = (4, 4, 4, 4, 4),
        p0: float = 2.1,
        p: float | Sequence[float] | None = None,
        scale: float | str = 1.0,
        learn_exponents: bool = False,
    ) -> None:
        sizes = list(subspaces)
        if not sizes or any(not isinstance(n, int) or n < 1 for n in sizes):
            raise ValueError(
                f"'subspaces' must be positive integers; got {subspaces!r}"
            )
        if p is None:
            p = 2.0 if learn_exponents else 2.2
        exponents = list(p) if isinstance(p, Sequence) else [p] * len(sizes)
        if len(exponents) != len(sizes):
            raise ValueError(
                f"'p' must be one value or one per subspace ({len(sizes)}); "
                f"got {len(exponents)}"
            )
        below, first = [], 0
        for exponent, size in zip(exponents, sizes, strict=True):
            below.append([exponent, list(range(first, first + size))])
            first += size
        super().__init__([p0, below], scale, learn_exponents)


def parse_tree(tree: Any) -> tuple[Node, list[float]]:
    """Read a tree written as nested lists.

    Args:
        tree: ``[p, [child, ...]]``, a child being a coordinate or again a tree.

    Returns:
        The root, and the exponents in depth-first order.

    Raises:
        ValueError: malformed (the message says where), or the coordinates are not 0 to
            n - 1.

    Example:
        >>> root, exponents = parse_tree([1.3, [0, [2.7, [1, 2]]]])
        >>> root.leaves, exponents
        ((0, 1, 2), [1.3, 2.7])
    """
    exponents: list[float] = []

    def parse_node(tree: Any, path: str) -> Node | int:
        coordinate = isinstance(tree, int) and not isinstance(tree, bool)
        if coordinate and path != "tree":
            return tree
        pair = isinstance(tree, list | tuple) and len(tree) == 2
        if not pair or not isinstance(tree[1], list | tuple) or not tree[1]:
            raise ValueError(f"{path!r} must be [exponent, [child, ...]]; got {tree!r}")
        index = len(exponents)
        exponents.append(tree[0])
        children = [
            parse_node(child, f"{path}[1][{i}]") for i, child in enumerate(tree[1])
        ]
        leaves = [leaf for child in children for leaf in list_leaves(child)]
        return Node(index, tuple(children), tuple(leaves))

    root = parse_node(tree, "tree")
    if sorted(root.leaves) != list(range(len(root.leaves))):
        raise ValueError(
            f"the coordinates of 'tree' must be 0 to {len(root.leaves) - 1}, "
            f"each once; got {sorted(root.leaves)}"
        )
    return root, exponents


def list_leaves(child: Node | int) -> tuple[int, ...]:
    """Return the coordinates at or below ``child``."""
    return child.leaves if isinstance(child, Node) else (child,)


@fuse_with_gradient
def _log_norms(z: Tensor, p: Tensor | Sequence[float], root: Node) -> Tensor:
    """Return the log norms of the root's children, (..., n) -> (..., children).

    Args:
        z: (..., n).
        p: exponents of all nodes, numbers or (..., nodes).
        root: of the tree.
    """
    log_abs_z = log_abs(z)
    norms = [_log_norm(child, log_abs_z, p) for child in root.children]
    return torch.stack(norms, dim=-1)


def _log_norm(
    node: Node | int, log_abs_z: Tensor, p: Tensor | Sequence[float]
) -> Tensor:
    """Return the log of a subtree's norm, (..., n) -> (...)."""
    if isinstance(node, int):
        return log_abs_z[..., node]
    if all(isinstance(child, int) for child in node.children):
        below = pick_columns(log_abs_z, tuple(node.children))
    else:
        norms = [_log_norm(child, log_abs_z, p) for child in node.children]
        below = torch.stack(norms, dim=-1)
    if not isinstance(p, Tensor):
        return torch.logsumexp(p[node.index] * below, dim=-1) / p[node.index]
    own = p[..., node.index, None]
    return torch.logsumexp(own * below, dim=-1) / own.squeeze(-1)


class Terms(NamedTuple):
    r"""The terms :math:`\log\Gamma(a / p)` of the nodes below a root, and their sums.

    Attributes:
        a: (terms,).
        nodes: which exponent each has, (terms,).
        surfaces: how often each is in the log surface ratio of each of the root's
            children, (children, terms).
        orders: the same of the exponents' logarithms, (children, nodes).
        paths: how often each is in the log variance of each coordinate, relative to
            that of its child of the root, (n, terms).
    """

    a: Tensor
    nodes: Tensor
    surfaces: Tensor
    orders: Tensor
    paths: Tensor

    def log_gammas(self, p: Tensor) -> Tensor:
        """Return the terms of exponents (nodes,)."""
        return torch.lgamma(self.a / p.index_select(0, self.nodes))


@lru_cache
def _list_terms(root: Node, device: torch.device) -> Terms:
    """Return the terms of a tree on a device."""
    terms: dict[tuple[int, int], int] = {}
    surfaces, orders = Counter(), Counter()
    paths = Counter()

    def add_terms(child: int, node: Node | int) -> None:
        if isinstance(node, int):
            return
        n, own = len(node.leaves), node.index - 1

        def number(a: int) -> int:
            return terms.setdefault((a, own), len(terms))

        surfaces[child, number(n)] -= 1
        orders[child, own] -= len(node.children) - 1
        for below in node.children:
            k = len(list_leaves(below))
            surfaces[child, number(k)] += 1
            for leaf in list_leaves(below):
                for a, sign in ((k + 2, 1), (k, -1), (n, 1), (n + 2, -1)):
                    paths[leaf, number(a)] += sign
            add_terms(child, below)

    for child, node in enumerate(root.children):
        add_terms(child, node)

    def fill(counts: Counter, rows: int, columns: int) -> Tensor:
        matrix = np.zeros((rows, columns))
        for at, count in counts.items():
            matrix[at] = count
        return make_constant(matrix, device)

    children = len(root.children)
    nodes = 1 + max((own for _, own in terms), default=-1)
    return Terms(
        make_constant(np.array([a for a, _ in terms], float), device),
        make_constant(np.array([own for _, own in terms], int), device),
        fill(surfaces, children, len(terms)),
        fill(orders, children, nodes),
        fill(paths, len(root.leaves), len(terms)),
    )


def _log_surface_ratios(root: Node, p: Tensor) -> Tensor:
    """Return the log of S_f(1) over 2 to the number of leaves, of the root's children.

    Args:
        root: of the tree.
        p: exponents below the root, float64 (nodes,).

    Returns:
        (children,), float64.
    """
    terms = _list_terms(root, p.device)
    log_gammas = (terms.surfaces * terms.log_gammas(p)).sum(-1)
    return log_gammas + (terms.orders * p.log()).sum(-1)


@lru_cache
def _make_row(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Return numbers on a device, float64; kept, for a transfer makes it wait."""
    return make_constant(np.array(values), device)
