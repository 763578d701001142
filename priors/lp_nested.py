"""Lp-nested symmetric priors, and independent subspace analysis (ISA)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from priorbench.priors.base import Prior, register
from priorbench.priors.numerics.exponents import LEARNING_RATE, Exponents, check_scale
from priorbench.priors.spheres.geometry import pick_columns
from priorbench.priors.numerics.special import (
    exp_real,
    log_gamma,
    log_real,
    log_abs,
    random_signs,
    sample_log_gamma,
)
from priorbench.priors.numerics.tree import Node, list_leaves, parse_tree

Exponent = Tensor | float


@register("lp_nested")
class LpNested(Prior):
    r"""Lp-nested symmetric prior whose subtrees below the root are independent.

    .. math::
        \log p(z) = \log p_0 - \log\Gamma(n/p_0) - \tfrac{n}{p_0}\log s
            - \log S_f(1) - f(z)^{p_0} / s

    f is the cascade of Lp norms that the tree describes. The factor :math:`(n-1)\log f` of
    Eqs. 7 and 11 cancels and is never evaluated, so that the density is finite at z = 0;
    f is evaluated in log space.

    References: Stühmer et al. 2019 (ISA-VAE), Eqs. 7, 8 (its upper limit read as
    :math:`l_i`) and 11; Sinz and Bethge 2010.

    Args:
        tree: ``[p0, [child, ...]]``; a child is a coordinate or again ``[p, [child, ...]]``.
        scale: s, > 0, or "unit" for coordinates of unit variance (on average, where the tree
            makes them differ).
        learn_exponents: learn the exponents below the root, at their own learning rate,
            starting at the tree's; the root's stays fixed.
    Shape:
        z (..., n) -> log_prob (...), in nats.
    Raises:
        ValueError: a malformed tree, an exponent or a scale that is not positive, or nothing
            to learn.
    Example:
        >>> prior = LpNested([1.3, [0, [2.7, [1, 2]]]])
        >>> prior.log_prob(torch.zeros(3))
        tensor(-2.1640)
        >>> prior.groups
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
        super().__init__(len(root.leaves))
        if learn_exponents and len(exponents) == 1:
            raise ValueError(
                "'learn_exponents' needs a node below the root; 'tree' has none"
            )
        self.root = root
        self.root_exponent = Exponents(exponents[:1], learn=False, name="p0")
        self.inner_exponents = Exponents(exponents[1:], learn_exponents, name="p")
        self.scale = 1.0 if scale == "unit" else check_scale(scale)
        if scale == "unit":
            mean = float(self._variance().detach().mean())
            self.scale = mean ** (-self.exponents()[0] / 2)
        # fixed exponents: computed once, and moved with the prior, not at every step
        fixed = None if learn_exponents else self._variance()
        self.register_buffer("_fixed_variance", fixed, persistent=False)

    def exponents(self) -> list[Exponent]:
        """Exponents of all inner nodes, the root's first, depth first."""
        return [*self.root_exponent(), *self.inner_exponents()]

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The coordinates of each of the root's children: independent subspaces."""
        return tuple(list_leaves(child) for child in self.root.children)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density, z (..., n) -> (...), in nats."""
        self.check_shape(z)
        p, n = self.exponents(), self.latent_dim
        log_radial = (
            log_real(p[0]) - log_gamma(n / p[0]) - n / p[0] * log_real(self.scale)
        )
        power = torch.exp(p[0] * self.log_f(z)) / self.scale
        return log_radial - self.log_surface() - power

    def log_prob_groups(self, z: Tensor) -> Tensor:
        """Log density of each subspace, z (..., n) -> (..., groups), in nats."""
        self.check_shape(z)
        p, log_abs_z, densities = self.exponents(), log_abs(z), []
        for child in self.root.children:
            n = len(list_leaves(child))
            log_radial = (
                log_real(p[0]) - log_gamma(n / p[0]) - n / p[0] * log_real(self.scale)
            )
            power = torch.exp(p[0] * _log_norm(child, log_abs_z, p)) / self.scale
            densities.append(
                log_radial - n * log_real(2.0) - _log_ratio(child, p) - power
            )
        return torch.stack(densities, dim=-1)

    def log_f(self, z: Tensor) -> Tensor:
        """Log of the Lp-nested function, z (..., n) -> (...)."""
        return _log_norm(self.root, log_abs(z), self.exponents())

    def log_surface(self) -> Exponent:
        r"""Log of :math:`S_f(1)`, the derivative of the ball's volume in its radius at 1."""
        return self.latent_dim * log_real(2.0) + _log_ratio(self.root, self.exponents())

    def variance(self) -> Tensor:
        """Variance of each coordinate, (n,)."""
        return (
            self._variance() if self._fixed_variance is None else self._fixed_variance
        )

    def _variance(self) -> Tensor:
        p, variances = self.exponents(), [0.0] * self.latent_dim

        def descend(node: Node | int, second_moment: Exponent) -> None:
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
        return torch.stack([torch.as_tensor(v).to(learned[0]) for v in variances])

    def sample(
        self, shape: Sequence[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        """Exact draws, (*shape, n).

        Algorithm 1 of the ISA-VAE paper with the radius absorbed: below the root the p0-th
        powers of the children's norms are independent gamma variates; further below, shares of
        the parent's norm are Dirichlet. All in log space.
        """
        p = [*self.root_exponent.values(), *self.inner_exponents.values()]
        log_abs_z = _sample_log_abs(
            self.root, p, log_real(self.scale), tuple(shape), generator
        )
        columns = torch.stack([log_abs_z[i] for i in range(self.latent_dim)], dim=-1)
        z = random_signs(columns.shape, generator) * torch.exp(columns)
        return z.to(torch.get_default_dtype())

    def learned(self) -> dict[str, Tensor]:
        """The exponents below the root, if they are learned."""
        if self.inner_exponents.rho is None:
            return {}
        return {"exponents": torch.stack(self.inner_exponents()).detach()}


@register("isa")
class ISA(LpNested):
    r"""Independent subspace analysis: independent Lp-spherical subspaces, a tree of depth two.

    References: Stühmer et al. 2019 (ISA-VAE), Eqs. 9 and 11; exponents of section 4.

    Args:
        subspaces: number of latents of each subspace, in order.
        p0: exponent between subspaces, > 0; never learned.
        p: exponent within the subspaces, one value or one per subspace. By default 2.2, the
            paper's for dSprites, or 2.0 where the exponents are learned, the paper's start.
        scale: s, > 0 (the paper's is 1), or "unit" for coordinates of unit variance.
        learn_exponents: learn the exponents within the subspaces, at their own learning rate.
    Shape:
        z (..., sum(subspaces)) -> log_prob (...), in nats.
    Raises:
        ValueError: an empty subspace, an exponent or a scale that is not positive, or as many
            exponents as there are no subspaces.
    Example:
        >>> ISA([2, 1]).groups
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
        first = [sum(sizes[:i]) for i in range(len(sizes))]
        below = [
            [q, list(range(a, a + n))]
            for q, a, n in zip(exponents, first, sizes, strict=True)
        ]
        super().__init__([p0, below], scale, learn_exponents)


def _log_norm(node: Node | int, log_abs_z: Tensor, p: Sequence[Exponent]) -> Tensor:
    """Log of a subtree's norm, (..., n) -> (...)."""
    if isinstance(node, int):
        return log_abs_z[..., node]
    if all(isinstance(child, int) for child in node.children):
        below = pick_columns(log_abs_z, tuple(node.children))
    else:
        below = torch.stack(
            [_log_norm(child, log_abs_z, p) for child in node.children], dim=-1
        )
    return torch.logsumexp(p[node.index] * below, dim=-1) / p[node.index]


def _log_ratio(node: Node | int, p: Sequence[Exponent]) -> Exponent:
    """Log of a subtree's S_f(1) over 2 to the number of its leaves."""
    if isinstance(node, int):
        return 0.0
    q, counts = p[node.index], [len(list_leaves(child)) for child in node.children]
    own = sum(log_gamma(k / q) for k in counts) - log_gamma(sum(counts) / q)
    return (
        own
        - (len(counts) - 1) * log_real(q)
        + sum(_log_ratio(child, p) for child in node.children)
    )


def _sample_log_abs(
    root: Node,
    p: Sequence[float],
    log_scale: float,
    shape: tuple[int, ...],
    generator: torch.Generator | None,
) -> dict[int, Tensor]:
    """Log |z| by coordinate, each of the given shape."""
    values: dict[int, Tensor] = {}

    def log_gammas(node: Node) -> list[Tensor]:
        q = p[node.index]
        return [
            sample_log_gamma(shape, len(list_leaves(c)) / q, generator)
            for c in node.children
        ]

    def place(children: Sequence[Node | int], log_norms: Sequence[Tensor]) -> None:
        for child, log_norm in zip(children, log_norms, strict=True):
            if isinstance(child, int):
                values[child] = log_norm
                continue
            drawn = torch.stack(log_gammas(child))
            shares = (drawn - torch.logsumexp(drawn, dim=0)) / p[child.index]
            place(child.children, list(log_norm + shares))

    place(root.children, [(g + log_scale) / p[root.index] for g in log_gammas(root)])
    return values
