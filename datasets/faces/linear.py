"""Linear morphable models: a mean, and modes mixed by standard normal weights."""

from dataclasses import dataclass

import numpy as np

from priorbench.datasets.faces.mesh import Mesh, find_frame, orient_outward

ALBEDO = 0.85
"""Albedo of heads if their model has no texture."""


@dataclass(frozen=True)
class Field:
    r"""Values at the vertices.

    .. math:: \mu + \sum_k w_k s_k m_k, \quad w_k \sim N(0, 1)

    Args:
        mean: mu, float64 (n, c).
        modes: m, any number type, (K, n, c).
        scale: s, float64 (K,).
    """

    mean: np.ndarray
    modes: np.ndarray
    scale: np.ndarray

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Draw one sample, float64 (n, c)."""
        values = self.mean.copy()
        weights = rng.standard_normal(len(self.scale)) * self.scale
        # One mode at a time, since all of them as float64 may be a quarter of a
        # gigabyte.
        for weight, mode in zip(weights, self.modes, strict=True):
            values += weight * mode
        return values


class LinearHead:
    """Heads of a linear model; the camera stands still, for it is set by the mean head.

    Args:
        shape: the vertices, c = 3; x to the viewer's right, y up, z out of the face.
        triangles: int64 (m, 3), all of one orientation.
        albedo: the share of light that a vertex reflects, c = 1; uniform if None.
        centre: (3,), of the image, in the units of the vertices; that of the mean head
            if None.
        radius: what the image shows around the centre, > 0; all of the mean head if
            None.
    """

    def __init__(
        self,
        shape: Field,
        triangles: np.ndarray,
        albedo: Field | None = None,
        centre: np.ndarray | None = None,
        radius: float | None = None,
    ) -> None:
        self.shape = shape
        self.triangles = orient_outward(shape.mean, triangles)
        self.albedo = albedo
        self.centre, self.radius = find_frame(shape.mean)
        if centre is not None:
            self.centre = np.asarray(centre, dtype=np.float64)
        if radius is not None:
            self.radius = radius

    def mesh(self, number: int, seed: int) -> Mesh:
        """Return the head of identity ``number``, from its own random stream."""
        rng = np.random.default_rng([seed, number])
        vertices = (self.shape.draw(rng) - self.centre) / self.radius
        albedo = np.full(len(vertices), ALBEDO)
        if self.albedo is not None:
            albedo = np.clip(self.albedo.draw(rng)[:, 0], 0, 1)
        return Mesh(vertices, self.triangles, albedo)
