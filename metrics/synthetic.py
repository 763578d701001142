"""Codes that are made of factors by recipes: what each metric says of known cases."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from priorbench.metrics.base import Codes
from priorbench.registry import suggest_names

SIZES = (4, 6, 8, 10)
"""Number of values of each factor, where nothing else is asked for."""


@dataclass(frozen=True)
class Ingredients:
    """What recipes make means of.

    Attributes:
        values: all combinations of factor values, int64 (N, F).
        sizes: number of values of each factor.
        degrees: by how much latents are rotated.
        generator: of noise.
    """

    values: np.ndarray
    sizes: tuple[int, ...]
    degrees: float
    generator: np.random.Generator

    @property
    def perfect(self) -> np.ndarray:
        """Return the factors as columns of mean 0 and standard deviation 1, (N, F)."""
        return standardise_columns(self.values)


def make_rotated(given: Ingredients) -> np.ndarray:
    """Return the perfect code with latents 0 and 1, 2 and 3 ... rotated."""
    codes = given.perfect.copy()
    angle = np.radians(given.degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for first in range(0, codes.shape[1] - 1, 2):
        pair = slice(first, first + 2)
        codes[:, pair] = codes[:, pair] @ turn.T
    return codes


def make_noise(given: Ingredients) -> np.ndarray:
    """Return normal noise, as many latents as factors."""
    return given.generator.standard_normal(given.values.shape)


def make_duplicated(given: Ingredients) -> np.ndarray:
    """Return the perfect code twice: every factor in full in two latents."""
    return np.concatenate([given.perfect, given.perfect], axis=1)


def make_split(given: Ingredients) -> np.ndarray:
    """Return the perfect code with the last factor's two digits in two latents."""
    base = int(np.ceil(given.sizes[-1] ** 0.5))
    digits = np.stack(np.divmod(given.values[:, -1], base), axis=1)
    return np.concatenate([given.perfect[:, :-1], standardise_columns(digits)], axis=1)


def make_shared(given: Ingredients) -> np.ndarray:
    """Return the perfect code with the first two factors in one latent."""
    both = given.values[:, :1] + given.sizes[0] * given.values[:, 1:2]
    return np.concatenate([standardise_columns(both), given.perfect[:, 2:]], axis=1)


def make_dead(given: Ingredients) -> np.ndarray:
    """Return the perfect code and two latents of zeros."""
    return np.pad(given.perfect, ((0, 0), (0, 2)))


def make_circle(given: Ingredients) -> np.ndarray:
    """Return the perfect code with the last factor as the angle of a circle."""
    angle = 2 * np.pi * given.values[:, -1] / given.sizes[-1]
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.concatenate([given.perfect[:, :-1], circle], axis=1)


RECIPES: dict[str, Callable[[Ingredients], np.ndarray]] = {
    "perfect": lambda given: given.perfect,
    "rotated": make_rotated,
    "noise": make_noise,
    "duplicated": make_duplicated,
    "split": make_split,
    "shared": make_shared,
    "dead": make_dead,
    "circle": make_circle,
}
"""From the factors to the means of the posteriors, by name."""


def synthetic_codes(
    name: str,
    *,
    degrees: float = 45.0,
    scale: float = 0.02,
    sizes: Sequence[int] = SIZES,
    seed: int = 0,
) -> Codes:
    """Return codes of a complete grid of factors that are known to the last detail.

    ========== ==========================================================
    perfect    each factor in one latent, standardised
    rotated    perfect, with pairs of latents rotated by ``degrees``
    noise      nothing: means are drawn from a normal distribution
    duplicated each factor in full in two latents
    split      perfect, but the last factor's two digits are two latents
    shared     perfect, but the first two factors are in one latent
    dead       perfect, and two latents with the posterior N(0, 1)
    circle     perfect, but the last factor is the angle of a circle, which
               is a group of two latents; the factor is cyclic
    ========== ==========================================================

    Args:
        name: one of these.
        degrees: of "rotated": 0 is the perfect code, 45 mixes the two factors evenly.
        scale: standard deviation of the posteriors.
        sizes: number of values of each factor, at least two factors.
        seed: of noise, and of the draws that sampled metrics make.

    Raises:
        ValueError: an unknown name, or sizes that do not make a grid of two factors.

    Example:
        >>> synthetic_codes("dead").representation.shape
        torch.Size([1920, 6])
    """
    if name not in RECIPES:
        known = suggest_names(name, list(RECIPES))
        raise ValueError(f"unknown synthetic codes {name!r}; {known}")
    sizes = tuple(sizes)
    if len(sizes) < 2 or min(sizes) < 2:
        raise ValueError(
            f"'sizes' must be at least two factors of two values or more; got {sizes}"
        )
    count = int(np.prod(sizes))
    values = np.stack(np.unravel_index(np.arange(count), sizes), axis=1)
    generator = np.random.default_rng(seed)
    means = RECIPES[name](Ingredients(values, sizes, degrees, generator))
    is_dead = means.std(axis=0) == 0
    log_scales = np.where(is_dead, 0.0, np.log(scale))
    groups = [[j] for j in range(means.shape[1])]
    on_circle = name == "circle"
    if on_circle:
        second = groups.pop()
        groups[-1] += second
    codes = Codes.from_arrays(
        means,
        values,
        np.broadcast_to(log_scales, means.shape),
        groups=groups,
        seed=seed,
    )
    return replace(codes, cyclic=codes.factor_names[-1:]) if on_circle else codes


def standardise_columns(values: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and standard deviation 1, float64.

    Example:
        >>> standardise_columns(np.array([[1], [3]])).tolist()
        [[-1.0], [1.0]]
    """
    return (values - values.mean(axis=0)) / values.std(axis=0)
