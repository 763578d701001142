"""Codes that published implementations were run on, and the values that they gave.

The codes are made anew by their recipes, and the values stand in
``published_values.json``: groups of one metric, setting and source, with a row for each
case. ``tests/metrics/test_published_cases.py`` holds the codes against the originals.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.metrics.synthetic_codes import make_gaussian_codes

SIZES = {"small": (3, 4, 5, 6), "large": (3, 4, 24, 32)}
"""Number of values of the factors of the two grids."""

TORUS_SIZES = (5, 6, 7)

VALUES = Path(__file__).with_name("published_values.json")


@dataclass(frozen=True)
class PublishedValue:
    """What one implementation gave for one case.

    Attributes:
        metric: name in the file, such as "mig_histogram" or "ubisoft_mig".
        case: "small/noisy" and so on; see :func:`make_case`.
        settings: of the implementation, in words.
        source: repository, commit and file.
        versions: of what it ran with.
        value: a number, a list, or None where the implementation fails.
        tolerance: how far ours may be off, absolutely; None where there is no value.
        note: what is special about it; "" if nothing is.
        details: of this value, for example ``sd`` over runs, ``nmi``, ``scale``,
            ``error``.
    """

    metric: str
    case: str
    settings: str
    source: str
    versions: str
    value: Any
    tolerance: float | None
    note: str
    details: dict[str, Any]

    def check(self, value: Any, tolerance: float | None = None) -> None:
        """Check that ``value`` agrees within the tolerance."""
        got = np.asarray(value, dtype=np.float64)
        allowed = self.tolerance if tolerance is None else tolerance
        expected = np.asarray(self.value, dtype=np.float64)
        assert got.shape == expected.shape, (self.metric, self.case)
        worst = np.abs(got - expected).max()
        assert worst <= allowed, (
            f"{self.metric} of {self.case}: got {value}, published {self.value}, "
            f"off by {worst:.3g}, allowed {allowed}"
        )


@dataclass(frozen=True)
class PublishedCase:
    """Codes and factors of one case.

    Attributes:
        name: of the case.
        z: representation, float64 (N, d); the values are those of float32.
        factors: int64 (N, F).
        sizes: number of values of each factor.
        train: rows that learning metrics train on.
        test: rows that they are tested on.
        groups: coordinates that are one code: single ones but for the circles.
    """

    name: str
    z: np.ndarray
    factors: np.ndarray
    sizes: tuple[int, ...]
    train: np.ndarray
    test: np.ndarray
    groups: tuple[tuple[int, ...], ...]

    def make_codes(self, scale: Sequence[float] | float = 1.0, grouped=False, **fields):
        """Return the codes as Gaussian posteriors of some scales, (d,) or one number.

        With ``grouped`` the circle of a circle case is a group.
        """
        latents = [[j] for j in range(self.z.shape[1])]
        groups = [list(group) for group in self.groups] if grouped else latents
        return make_gaussian_codes(
            self.z,
            np.broadcast_to(np.asarray(scale, dtype=np.float64), self.z.shape).copy(),
            torch.from_numpy(self.factors),
            self.sizes,
            groups=groups,
            **fields,
        )


@cache
def load_values(metric: str) -> tuple[PublishedValue, ...]:
    """Return the published values of a metric; there is at least one."""
    found = []
    for group in _load_groups():
        if group["metric"] != metric:
            continue
        for row in group["values"]:
            details = dict(row)
            case, value = details.pop("case"), details.pop("value")
            tolerance = details.pop("tolerance", None)
            found.append(
                PublishedValue(
                    metric=metric,
                    case=case,
                    settings=group["settings"],
                    source=group["source"],
                    versions=group["versions"],
                    value=value,
                    tolerance=tolerance,
                    note=group.get("note", ""),
                    details=details,
                )
            )
    assert found, metric
    return tuple(found)


def list_values(metric: str, *words: str, failed: bool = False) -> list:
    """Return the values of a metric as parameters of a test, one for each.

    Args:
        metric: name in the file.
        words: each must occur in the settings, the source or the versions.
        failed: those where the implementation fails, instead of the others.
    """
    chosen = []
    for number, value in enumerate(load_values(metric)):
        described = f"{value.settings} {value.source} {value.versions}"
        if (value.value is None) == failed and all(w in described for w in words):
            chosen.append(pytest.param(value, id=f"{value.case}-{number}"))
    assert chosen, (metric, words)
    return chosen


def list_metrics() -> set[str]:
    """Return the names of all metrics in the file."""
    return {group["metric"] for group in _load_groups()}


@cache
def _load_groups() -> list[dict[str, Any]]:
    return json.loads(VALUES.read_text())


@cache
def make_case(name: str) -> PublishedCase:
    """Return the codes and factors of a case, such as "small/noisy"."""
    grid, _, recipe = name.partition("/")
    if grid.startswith("torus"):
        return _make_torus_case(name, recipe)
    sizes = SIZES[grid]
    factors = list_combinations(sizes)
    rows = np.arange(len(factors))
    if recipe == "incomplete":
        count = int(0.6 * len(rows))
        drawn = np.random.default_rng(7).choice(len(rows), count, replace=False)
        rows = np.sort(drawn)
    source = "noisy" if recipe == "incomplete" else recipe
    z = _make_representation(source, factors, sizes)[rows]
    order = np.random.default_rng(0).permutation(len(rows))
    num_train = 2 * len(rows) // 3
    singles = tuple((j,) for j in range(z.shape[1]))
    on_circle = recipe.startswith("circle")
    return PublishedCase(
        name=name,
        z=z.astype(np.float32).astype(np.float64),
        factors=factors[rows],
        sizes=sizes,
        train=order[:num_train],
        test=order[num_train:],
        groups=(*singles[:3], (3, 4)) if on_circle else singles,
    )


@cache
def make_posterior_codes(name: str, scale: tuple[float, ...]):
    """Return the codes of a case with a scale for each latent; what is shared, once."""
    return make_case(name).make_codes(scale)


def make_five_models() -> tuple[np.ndarray, np.ndarray]:
    """Return representations (5, 360, 6) and KLs (5, 6) of the case of the UDR."""
    perfect = _standardise(list_combinations(SIZES["small"]))
    noise = np.random.default_rng(11).standard_normal((5, 360, 6))
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((4, 4)))[0]
    first = [
        perfect,
        -perfect[:, [2, 0, 3, 1]],
        perfect @ turn,
        _turn_in_pairs(perfect),
    ]
    models = [
        np.concatenate([codes + 0.1 * e[:, :4], 0.01 * e[:, :2]], axis=1)
        for codes, e in zip(first, noise[:4], strict=True)
    ]
    kl = np.array([[1, 1, 1, 1, 0.001, 0.002]] * 4 + [[0.5] * 6])
    return np.stack([*models, noise[4]]), kl


def list_combinations(sizes: Sequence[int]) -> np.ndarray:
    """Return all combinations of factor values in C order, int64 (prod(sizes), F)."""
    count = int(np.prod(sizes))
    return np.stack(np.unravel_index(np.arange(count), sizes), axis=1).astype(np.int64)


def _standardise(values: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and standard deviation 1."""
    values = np.asarray(values, dtype=np.float64)
    return (values - values.mean(0)) / values.std(0)


def _turn_in_pairs(s: np.ndarray) -> np.ndarray:
    """Return columns 0, 1 and 2, 3 turned by 45 degrees."""
    pairs = [s[:, 0] + s[:, 1], s[:, 0] - s[:, 1], s[:, 2] + s[:, 3], s[:, 2] - s[:, 3]]
    return np.stack(pairs, axis=1) * np.sqrt(0.5)


def _make_representation(
    recipe: str, v: np.ndarray, sizes: Sequence[int]
) -> np.ndarray:
    """Return the codes of all combinations ``v`` (N, F) by one recipe, (N, d)."""
    s = _standardise(v)
    count, num_factors = v.shape

    def draw(seed, *shape):
        return np.random.default_rng(seed).standard_normal(shape)

    if recipe == "perfect":
        return s
    if recipe == "padded":
        return np.concatenate([s, np.zeros((count, 2))], axis=1)
    if recipe == "inactive":
        return np.concatenate([s, 0.01 * draw(1, count, 2)], axis=1)
    if recipe == "noisy":
        return s + 0.3 * draw(2, count, num_factors)
    if recipe == "rotated":
        return _turn_in_pairs(s)
    if recipe == "rotated_random":
        return s @ np.linalg.qr(draw(3, num_factors, num_factors))[0]
    if recipe == "duplicated":
        return np.concatenate([s, s], axis=1)
    if recipe == "split":
        base = 3 if sizes[3] == 6 else 8
        halves = np.stack([v[:, 3] // base, v[:, 3] % base], axis=1)
        return np.concatenate([s[:, :3], _standardise(halves)], axis=1)
    if recipe == "shared":
        both = (v[:, 0] + 3 * v[:, 1])[:, None]
        return np.concatenate([_standardise(both), s[:, 2:]], axis=1)
    if recipe == "missing":
        return np.concatenate([s[:, :3], draw(4, count)[:, None]], axis=1)
    if recipe == "noise":
        return draw(5, count, num_factors + 1)
    if recipe == "constant":
        return np.zeros((count, num_factors))
    if recipe == "nonlinear":
        return np.exp(1.5 * s)
    if recipe in ("permuted", "discrete"):
        generator = np.random.default_rng(6)
        orders = [generator.permutation(size) for size in sizes]
        moved = [p[column] for p, column in zip(orders, v.T, strict=True)]
        codes = np.stack(moved, axis=1)
        return _standardise(codes) if recipe == "permuted" else codes
    if recipe in ("circle", "circle_turned"):
        angle = 2 * np.pi * v[:, 3] / sizes[3]
        angle = angle + (0.4 if recipe == "circle_turned" else 0.0)
        circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return np.concatenate([s[:, :3], circle], axis=1)
    if recipe == "mixed":
        hidden = np.tanh(s @ draw(8, num_factors, 8))
        return hidden @ draw(9, 8, num_factors)
    assert recipe == "vae_like", recipe
    e = draw(10, count, 6)
    cos, sin = np.cos(np.radians(20)), np.sin(np.radians(20))
    columns = [
        s[:, 0] + 0.5 * e[:, 0],
        cos * s[:, 1] + sin * s[:, 2] + 0.1 * e[:, 1],
        -sin * s[:, 1] + cos * s[:, 2] + 0.1 * e[:, 2],
        s[:, 3] + 0.3 * s[:, 0] + 0.2 * e[:, 3],
        0.02 * e[:, 4],
        0.01 * e[:, 5],
    ]
    return np.stack(columns, axis=1)


def _make_torus_case(name: str, recipe: str) -> PublishedCase:
    """Return a case of three cyclic factors: "torus", "torus_noisy", "linear" ..."""
    v = list_combinations(TORUS_SIZES)
    angles = 2 * np.pi * v / np.array(TORUS_SIZES)
    pairs = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    torus = pairs.reshape(len(v), 6)
    if recipe == "torus":
        z = torus
    elif recipe == "torus_rotated_all":
        z = torus @ np.linalg.qr(np.random.default_rng(3).standard_normal((6, 6)))[0]
    elif recipe == "torus_noisy":
        z = torus + 0.3 * np.random.default_rng(2).standard_normal((210, 6))
    else:
        assert recipe == "noise", recipe
        z = np.random.default_rng(5).standard_normal((210, 6))
    rows = np.arange(len(v))
    singles = tuple((j,) for j in range(6))
    return PublishedCase(name, z, v, TORUS_SIZES, rows, rows, singles)
