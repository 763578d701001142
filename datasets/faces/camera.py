"""The perspective camera, the rotation of the head before it, and the light."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    r"""A pinhole on the z axis, looking at the origin.

    .. math:: u = \tfrac{s}{2} + f \frac{x}{D - z}, \quad
              v = \tfrac{s}{2} - f \frac{y}{D - z}

    with the focal length :math:`f = \tfrac{s}{2} \sqrt{D^2 - 1}`, at which the outline
    of the unit sphere touches the image's edges.

    Args:
        side: s, height and width of the image, in samples; sample centres are at
            halves.
        distance: D, of the pinhole from the origin, in radii of the head, > 1.

    Example:
        >>> points, inverse = Camera(64, distance=5.0).project(np.zeros((1, 3)))
        >>> points.tolist(), inverse.tolist()
        ([[32.0, 32.0]], [0.2])
    """

    side: int
    distance: float = 5.0

    def project(self, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Project vertices (n, 3) to the image.

        Returns:
            Points (n, 2), column u and row v; and inverse depths 1 / (D - z), (n,).
        """
        x, y, z = vertices.T
        half = self.side / 2
        inverse = 1 / (self.distance - z)
        focal = half * np.sqrt(self.distance**2 - 1)
        scale = focal * inverse
        u = half + scale * x
        v = half - scale * y
        return np.stack([u, v], axis=1), inverse


def rotate_head(azimuth: float, elevation: float) -> np.ndarray:
    """Return the rotation of the head, (3, 3).

    It turns about its own axis by ``azimuth``, and is then tilted to ``elevation``.

    Args:
        azimuth: degrees; positive turns the face to the viewer's right.
        elevation: degrees of the camera above the head's horizon; positive shows its
            top.

    Example:
        >>> (rotate_head(90.0, 0.0) @ [0.0, 0.0, 1.0]).round(6).tolist()
        [1.0, 0.0, 0.0]
    """
    turn = np.radians(azimuth)
    cos = np.cos(turn)
    sin = np.sin(turn)
    about_y = np.array(
        [
            [cos, 0.0, sin],
            [0.0, 1.0, 0.0],
            [-sin, 0.0, cos],
        ]
    )
    tilt = np.radians(elevation)
    cos = np.cos(tilt)
    sin = np.sin(tilt)
    about_x = np.array(
        [
            [1.0, 0.0, 0.0],
            [0.0, cos, -sin],
            [0.0, sin, cos],
        ]
    )
    return about_x @ about_y


def light_direction(angle: float, height: float) -> np.ndarray:
    """Return the unit vector (3,) to a distant light, in the camera's frame.

    Args:
        angle: degrees from the camera; positive is to the viewer's right.
        height: degrees above the camera.

    Example:
        >>> light_direction(0.0, 0.0).tolist()
        [0.0, 0.0, 1.0]
    """
    across = np.radians(angle)
    up = np.radians(height)
    x = np.cos(up) * np.sin(across)
    y = np.sin(up)
    z = np.cos(up) * np.cos(across)
    return np.array([x, y, z])
