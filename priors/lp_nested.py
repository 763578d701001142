"""Lp-nested symmetric priors, and independent subspace analysis (ISA)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from priorbench.priors.base import Group, Prior, register
from priorbench.priors.numerics.columns import pick_columns
from priorbench.priors.numerics.exponents import LEARNING_RATE, Exponents, check_scale
from priorbench.priors.numerics.special import (
    TensorOrFloat,
    draw_signs,
    exp_real,
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
        if scale == "unit":
            mean = float(self._compute_variance().detach().mean())
            self.scale = mean ** (-self.exponents()[0] / 2)
        # fixed exponents: computed once, and moved with the prior, not at every step
        fixed = None if learn_exponents else self._compute_variance()
        self.register_buffer("_fixed_variance", fixed, persistent=False)

    def exponents(self) -> list[TensorOrFloat]:
        """Return the exponents of all inner nodes, the root's first, depth first."""
        return [*self.root_exponent(), *self.inner_exponents()]

    def log_f(self, z: Tensor) -> Tensor:
        """Return the log of the Lp-nested function, z (..., n) -> (...)."""
        return _log_norm(self.root, log_abs(z), self.exponents())

    def log_surface(self) -> TensorOrFloat:
        r"""Return the log of :math:`S_f(1)`.

        :math:`S_f` is the derivative of the ball's volume in its radius, not the
        Euclidean area of its surface.
        """
        log_ratio = _log_surface_ratio(self.root, self.exponents())
        return self.latent_dim * log_real(2.0) + log_ratio

    def _log_prob(self, z: Tensor) -> Tensor:
        p0 = self.exponents()[0]
        power = torch.exp(p0 * self.log_f(z)) / self.scale
        return self._log_radial(p0, self.latent_dim) - self.log_surface() - power

    def _log_prob_groups(self, z: Tensor) -> Tensor:
        p, log_abs_z, densities = self.exponents(), log_abs(z), []
        for child in self.root.children:
            n = len(list_leaves(child))
            peak = self._log_radial(p[0], n) - n * log_real(2.0)
            power = torch.exp(p[0] * _log_norm(child, log_abs_z, p)) / self.scale
            densities.append(peak - _log_surface_ratio(child, p) - power)
        return torch.stack(densities, dim=-1)

    def _log_radial(self, p0: TensorOrFloat, n: int) -> TensorOrFloat:
        """Return the log of the radial part's normaliser, of n coordinates."""
        return log_real(p0) - log_gamma(n / p0) - n / p0 * log_real(self.scale)

    def variance(self) -> Tensor:
        """Return the variance of each coordinate, (n,)."""
        if self._fixed_variance is None:
            return self._compute_variance()
        return self._fixed_variance

    def _compute_variance(self) -> Tensor:
        p, variances = self.exponents(), [0.0] * self.latent_dim

        def descend(node: Node | int, second_moment: TensorOrFloat) -> None:
            if isinstance(node, int):
                variances[node] = second_moment
                return
            q, n = p[node.index], len(node.leaves)
            for child in node.children:
                k = len(list_leaves(child))
                log_ratio = log_gamma((k + 2) / q) - log_gamma(k / q)
                if node is not self.root:
                    log_ratio = log_ratio + log_gamma(n / q) - log_gamma((n + 2) / q)
                descend(child, second_moment * exp_real(log_ratio))

        descend(self.root, self.scale ** (2 / p[0]))
        learned = [v for v in variances if isinstance(v, Tensor)]
        if not learned:
            return torch.tensor(variances, dtype=torch.float64)
        # a number is filled in on the device: to copy it there would make it wait
        return torch.stack(
            [
                v if isinstance(v, Tensor) else torch.full_like(learned[0], v)
                for v in variances
            ]
        )

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


def _log_norm(
    node: Node | int, log_abs_z: Tensor, p: Sequence[TensorOrFloat]
) -> Tensor:
    """Return the log of a subtree's norm, (..., n) -> (...)."""
    if isinstance(node, int):
        return log_abs_z[..., node]
    if all(isinstance(child, int) for child in node.children):
        below = pick_columns(log_abs_z, tuple(node.children))
    else:
        norms = [_log_norm(child, log_abs_z, p) for child in node.children]
        below = torch.stack(norms, dim=-1)
    return torch.logsumexp(p[node.index] * below, dim=-1) / p[node.index]


def _log_surface_ratio(node: Node | int, p: Sequence[TensorOrFloat]) -> TensorOrFloat:
    """Return the log of a subtree's S_f(1) over 2 to the number of its leaves."""
    if isinstance(node, int):
        return 0.0
    q, counts = p[node.index], [len(list_leaves(child)) for child in node.children]
    own = sum(log_gamma(k / q) for k in counts) - log_gamma(sum(counts) / q)
    below = sum(_log_surface_ratio(child, p) for child in node.children)
    return own - (len(counts) - 1) * log_real(q) + below
