"""Lines through a latent space, along which a decoder shows what latents mean.

A real latent runs over the values that it takes on the data, the others stay where one
image has them. On a sphere a line is a great circle through that image's code. A model
may be looked at from several images, such as one of each shape.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from priorbench.bench.training.encode import Encoded
from priorbench.priors.base import Group, Prior

STEPS = 7
"""Points of a line."""

LINES = 8
"""Lines of a model, at most."""

CIRCLES = 2
"""Great circles of a sphere of two dimensions or more."""

ACTIVE = 0.01
"""Variance of the representation above which a latent counts as active (Burda et al.
2016)."""

SAMPLED = 1_000
"""Images by which the KL of a group is known."""

OUTER = 0.05
"""Share of the draws that lie beyond either end of a real latent's line."""


@dataclass(frozen=True)
class Line:
    """A line through the codes of images, of each in the same latent.

    Attributes:
        latent: the latent that changes, or the first one of the sphere.
        on: "real" or "sphere".
        kl: KL of the latent's group, in nats.
        points: (starts, STEPS, latent_dim).
    """

    latent: int
    on: str
    kl: float
    points: Tensor


def make_lines(
    prior: Prior, encoded: Encoded, starts: Sequence[int] = ()
) -> list[Line]:
    """Return lines along the active latents, those of the largest KL first.

    Latents of one group are in the order of their variance over the data.

    Args:
        prior: p(z), which says what is on a sphere.
        encoded: images under the model.
        starts: rows of the images through which lines run; the typical one if empty.
    """
    codes = encoded.posterior.representation
    base = codes[list(starts) or [find_typical_image(codes)]]
    kl = average_group_kl(prior, encoded)
    lines: list[Line] = []
    for number in kl.argsort(descending=True).tolist():
        group = prior.groups[number]
        trace = _trace_circles if group.on == "sphere" else _trace_latents
        for latent, points in trace(group, codes, encoded.z, base):
            lines.append(Line(latent, group.on, kl[number].item(), points))
    return lines[:LINES]


def find_typical_image(codes: Tensor) -> int:
    """Return the row of codes (N, latent_dim) that is nearest to their mean.

    The distance is in units of each latent's standard deviation; latents that are not
    active do not count.
    """
    variance = codes.var(0, correction=0)
    weight = torch.where(variance > ACTIVE, 1 / variance, 0.0)
    return int(((codes - codes.mean(0)).square() * weight).sum(1).argmin())


def average_group_kl(prior: Prior, encoded: Encoded) -> Tensor:
    """Return the KL of each of the prior's groups, (groups,), in nats.

    It is the mean over images that are evenly spaced over the data. Where the prior
    does not factorise, every group has the KL of all.
    """
    rows = space_rows(SAMPLED, encoded.z)
    with suppress(NotImplementedError):
        kl = prior.kl_groups(encoded.posterior[rows], encoded.z[rows])
        return kl.double().mean(0)
    return encoded.kl.mean().repeat(len(prior.groups))


def space_rows(count: int, values: Tensor) -> Tensor:
    """Return rows of ``values`` that are evenly spaced, int64 (count,) at most."""
    last = len(values) - 1
    count = min(count, len(values))
    return torch.linspace(0, last, count, device=values.device).long()


def _trace_latents(
    group: Group, codes: Tensor, z: Tensor, base: Tensor
) -> Iterator[tuple[int, Tensor]]:
    coordinates = torch.tensor(group.coordinates, device=codes.device)
    variance = codes[:, coordinates].var(0, correction=0)
    for position in variance.argsort(descending=True).tolist():
        if variance[position] <= ACTIVE:
            return
        latent = int(coordinates[position])
        # a sort, for torch.quantile takes 16 million values at most
        values = z[:, latent].sort().values
        edge = int(OUTER * len(values))
        points = base[:, None].repeat(1, STEPS, 1)
        points[..., latent] = torch.linspace(
            values[edge].item(), values[-1 - edge].item(), STEPS, device=z.device
        )
        yield latent, points


def _trace_circles(
    group: Group, codes: Tensor, z: Tensor, base: Tensor
) -> Iterator[tuple[int, Tensor]]:
    """Yield great circles in the directions in which the codes vary most."""
    coordinates = list(group.coordinates)
    directions = codes[:, coordinates]
    if directions.var(0, correction=0).sum() <= ACTIVE:
        return
    circles = [_draw_circles(directions, start) for start in base[:, coordinates]]
    for circle in torch.stack(circles, 1):
        points = base[:, None].repeat(1, STEPS, 1)
        points[..., coordinates] = circle
        yield coordinates[0], points


def _draw_circles(directions: Tensor, start: Tensor) -> Tensor:
    """Return great circles of directions (N, k) through one, (circles, STEPS, k)."""
    start = start / start.norm()
    tangent = directions - (directions @ start)[:, None] * start
    moments = tangent.T @ tangent / len(tangent)
    main = torch.linalg.eigh(moments.double()).eigenvectors.to(start.dtype).flip(1)
    across = main.T[: min(CIRCLES, len(start) - 1), None]
    angles = torch.linspace(-math.pi, math.pi, STEPS + 1, device=start.device)[
        :-1, None
    ]
    return angles.cos() * start + angles.sin() * across
