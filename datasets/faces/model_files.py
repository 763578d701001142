"""Files of morphable models, read and checked: NumPy archives and the Basel model."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from priorbench.datasets.faces.linear import Field, LinearHead
from priorbench.datasets.files.verify import explain_read_errors

_ICT_CENTRE = np.array([0.0, 1.2, 1.5])
_ICT_RADIUS = 14.0
"""Frame in cm that shows the head and leaves out the shoulders."""
_LUMA = np.array([0.299, 0.587, 0.114])
"""Brightness of red, green and blue (ITU-R BT.601)."""
_SHAPE = ("shapeMU", "shapePC", "shapeEV")
_TEXTURE = ("texMU", "texPC", "texEV")

Arrays = Mapping[str, np.ndarray]
"""The arrays of a file by their keys."""


def read_numpy_model(path: Path) -> LinearHead:
    """Read a model from an ``.npz`` file.

    A vertex is neutral + sum of w * mode_scale * modes, with w standard normal.

    Keys: ``neutral`` (n, 3), ``triangles`` (m, 3) from 0, ``modes`` (K, n, 3),
    ``mode_scale`` (K,); and perhaps ``albedo`` (n,), ``centre`` (3,) and ``radius`` ().
    The ICT head's file has its modes as ``modes_int8``, and its frame is known.

    References: Li et al. 2020, Learning Formation of Physically-Based Face Attributes
    (ICT).
    Raises:
        ValueError: the file or one of its arrays is not so; the message names it.
    """
    # Opened here, because NumPy leaves the file of a broken archive open.
    with _explain_errors(path), path.open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise ValueError("expected an .npz archive, got a single array")
        ict = "modes_int8" in arrays
        key = "modes_int8" if ict else "modes"
        neutral = _read_real(arrays, "neutral", (None, 3))
        modes = _read_real(arrays, key, (None, len(neutral), 3), keep_type=True)
        scale = _read_real(arrays, "mode_scale", (len(modes),))
        triangles = _read_corners(arrays, "triangles", len(neutral), first=0)
        albedo = None
        if "albedo" in arrays:
            mean = _read_real(arrays, "albedo", (len(neutral),))[:, None]
            no_modes = np.zeros((0, *mean.shape))
            albedo = Field(mean, no_modes, np.zeros(0))
        centre, radius = None, None
        if ict:
            centre, radius = _ICT_CENTRE, _ICT_RADIUS
        elif "centre" in arrays or "radius" in arrays:
            radius = float(_read_real(arrays, "radius", ()))
            if radius <= 0:
                raise ValueError(f"expected 'radius' above 0, got {radius}")
            centre = _read_real(arrays, "centre", (3,))
    return LinearHead(Field(neutral, modes, scale), triangles, albedo, centre, radius)


def read_basel_model(path: Path) -> LinearHead:
    """Read the Basel Face Model of 2009, from its ``01_MorphableModel.mat``.

    Keys: ``shapeMU`` (3n, 1), ``shapePC`` (3n, K), ``shapeEV`` (K, 1), standard
    deviations, and ``tl`` (m, 3), triangles from 1; and, where it has them, likewise
    ``texMU``, ``texPC`` and ``texEV``, red, green and blue from 0 to 255. The albedo is
    their brightness.

    References: Paysan et al. 2009, A 3D Face Model for Pose and Illumination Invariant
    Face Recognition.
    Raises:
        ValueError: the file or one of its arrays is not so; the message names it.
    """
    with _explain_errors(path):
        with path.open("rb") as file:
            header = file.read(128)
        if len(header) < 128 or not header.startswith(b"MATLAB"):
            raise ValueError(
                f"expected a file that begins with 'MATLAB', got {header[:16]!r}"
            )
        try:
            arrays = loadmat(path, variable_names=[*_SHAPE, *_TEXTURE, "tl"])
        except NotImplementedError as error:
            raise ValueError(
                "it is a MATLAB file of version 7.3, which is HDF5; in MATLAB, load it "
                "and save it again with the option '-v7'"
            ) from error
        shape = _read_field(arrays, *_SHAPE)
        triangles = _read_corners(arrays, "tl", len(shape.mean), first=1)
        albedo = None
        if all(key in arrays for key in _TEXTURE):
            colour = _read_field(arrays, *_TEXTURE)
            if colour.mean.shape != shape.mean.shape:
                raise ValueError(
                    f"expected 'texMU' as long as 'shapeMU', {shape.mean.size}, "
                    f"got {colour.mean.size}"
                )
            mean = colour.mean @ _LUMA / 255
            modes = colour.modes @ _LUMA.astype(np.float32) / 255
            albedo = Field(mean[:, None], modes[:, :, None], colour.scale)
    return LinearHead(shape, triangles, albedo)


def _read_field(arrays: Arrays, mean: str, modes: str, scale: str) -> Field:
    """Read a field of three values for each vertex, from its three keys."""
    middle = _read_real(arrays, mean, (None, 1))
    if len(middle) % 3:
        raise ValueError(
            f"expected {mean!r} of three values for each vertex, got {len(middle)}"
        )
    columns = _read_real(arrays, modes, (len(middle), None), keep_type=True)
    deviations = _read_real(arrays, scale, (columns.shape[1], 1))
    rows = np.ascontiguousarray(columns.T, dtype=np.float32)
    vertices = rows.reshape(len(rows), -1, 3)
    return Field(middle.reshape(-1, 3), vertices, deviations[:, 0])


def _read_real(
    arrays: Arrays,
    key: str,
    shape: tuple[int | None, ...],
    keep_type: bool = False,
) -> np.ndarray:
    """Read finite numbers of ``shape``, None for any length above 0; as float64."""
    array = _read_array(arrays, key, shape, "real numbers")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"expected finite numbers in {key!r}, got NaN or infinity")
    return array if keep_type else array.astype(np.float64)


def _read_corners(arrays: Arrays, key: str, vertices: int, first: int) -> np.ndarray:
    """Read triangles, as int64 from 0.

    MATLAB's whole numbers may be stored as floating point.

    Args:
        arrays: of the file.
        key: of the triangles.
        vertices: number of vertices.
        first: number of the first vertex.
    """
    array = _read_array(arrays, key, (None, 3), "whole numbers")
    inside = (array >= first) & (array < first + vertices)
    wrong = array[~(inside & (array == np.floor(array)))]
    if wrong.size:
        raise ValueError(
            f"expected vertices from {first} to {first + vertices - 1} in {key!r}, "
            f"got {wrong[0]}"
        )
    return array.astype(np.int64) - first


def _read_array(
    arrays: Arrays,
    key: str,
    shape: tuple[int | None, ...],
    words: str,
) -> np.ndarray:
    """Read an array of numbers of ``shape``, None for any length above 0."""
    if key not in arrays:
        raise ValueError(f"expected the key {key!r}, which is not there")
    array = arrays[key]
    fits = array.ndim == len(shape) and all(
        size == wanted if wanted is not None else size > 0
        for size, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits or array.dtype.kind not in "fiu":
        lengths = ", ".join("any" if size is None else str(size) for size in shape)
        wanted = f"({lengths},)" if len(shape) == 1 else f"({lengths})"
        raise ValueError(
            f"expected {key!r} to be {words} of shape {wanted}, got {array.dtype} "
            f"of shape {array.shape}"
        )
    return array


def _explain_errors(path: Path) -> AbstractContextManager[None]:
    remedy = "replace it, or take model='procedural', which needs no file"
    return explain_read_errors(path, "a head model", remedy)
