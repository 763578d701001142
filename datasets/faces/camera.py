"""The perspective camera, the turns of the head before it, and the light."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    r"""A pinhole on the z axis, looking at the origin.

    .. math:: u = \tfrac{s}{2} + f \frac{x}{D - z}, \quad v = \tfrac{s}{2} - f \frac{y}{D - z}

    with the focal length :math:`f = \tfrac{s}{2} \sqrt{D^2 - 1}`, at which the outline of the unit
    sphere touches the image's edges.

    Args:
        side: s, height and width of the image, in samples; sample centres are at halves.
        distance: D, of the pinhole from the origin, in radii of the head, > 1.
    Example:
        >>> points, inverse = Camera(64, distance=5.0).project(np.zeros((1, 3)))
        >>> points.tolist(), inverse.tolist()
        ([[32.0, 32.0]], [0.2])
    """

    side: int
    distance: float = 5.0

    def project(self, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places (n, 2), column u and row v, of vertices (n, 3), and their inverse depths (n,)."""
        inverse = 1 / (self.distance - vertices[:, 2])
        focal = self.side / 2 * np.sqrt(self.distance**2 - 1)
        places = self.side / 2 + focal * inverse[:, None] * vertices[:, :2] * np.array(
            [1.0, -1.0]
        )
        return places, inverse


def rotate_head(azimuth: float, elevation: float) -> np.ndarray:
    """The head's turn, (3, 3): about its own axis by ``azimuth``, then to ``elevation``.

    Args:
        azimuth: degrees; positive turns the face to the viewer's right.
        elevation: degrees of the camera above the head's horizon; positive shows its top.

    Example:
        >>> (rotate_head(90.0, 0.0) @ [0.0, 0.0, 1.0]).round(6).tolist()
        [1.0, 0.0, 0.0]
    """
    turn, tilt = np.radians(azimuth), np.radians(elevation)
    about_y = np.array(
        [
            [np.cos(turn), 0.0, np.sin(turn)],
            [0.0, 1.0, 0.0],
            [-np.sin(turn), 0.0, np.cos(turn)],
        ]
    )
    about_x = np.array(
        [
            [1.0, 0.0, 0.0],
            [0.0, np.cos(tilt), -np.sin(tilt)],
            [0.0, np.sin(tilt), np.cos(tilt)],
        ]
    )
    return about_x @ about_y


def light_direction(angle: float, height: float) -> np.ndarray:
    """Unit vector (3,) to a distant light, in the camera's frame.

    Args:
        angle: degrees from the camera; positive is to the viewer's right.
        height: degrees above the camera.

    Example:
        >>> light_direction(0.0, 0.0).tolist()
        [0.0, 0.0, 1.0]
    """
    across, up = np.radians(angle), np.radians(height)
    return np.array(
        [np.cos(up) * np.sin(across), np.sin(up), np.cos(up) * np.cos(across)]
    )
