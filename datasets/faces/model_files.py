"""Files of morphable models, read and checked: NumPy archives, and the Basel model's MATLAB."""

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from priorbench.datasets.faces.linear import Field, LinearHead

_ICT_FRAME = (np.array([0.0, 1.2, 1.5]), 14.0)
"""Centre and radius in cm that show the head and leave out the shoulders."""
_LUMA = np.array([0.299, 0.587, 0.114])
"""Brightness of red, green and blue (ITU-R BT.601)."""
_BASEL = ("shapeMU", "shapePC", "shapeEV", "tl")
_TEXTURE = ("texMU", "texPC", "texEV")
# What zipfile, NumPy and SciPy raise, in turn, for other, damaged and truncated files.
_READING = (
    ValueError,
    TypeError,
    zipfile.BadZipFile,
    zlib.error,
    LookupError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    OSError,
    MatReadError,
)


def read_arrays(path: Path) -> LinearHead:
    """A model from an ``.npz`` file; vertex = neutral + sum of w * mode_scale * modes.

    Keys: ``neutral`` (n, 3), ``triangles`` (m, 3) from 0, ``modes`` (K, n, 3), ``mode_scale``
    (K,); and perhaps ``albedo`` (n,), ``centre`` (3,) and ``radius`` (). The ICT head's file has
    its modes as ``modes_int8``, and its frame is known.

    References: Li et al. 2020, Learning Formation of Physically-Based Face Attributes (ICT).
    Raises:
        ValueError: the file or one of its arrays is not so; it is named.
    """
    # Opened here, because NumPy leaves the file of a broken archive open.
    with _explain_errors(path), open(path, "rb") as file:
        content = np.load(file, allow_pickle=False)
        if not isinstance(content, np.lib.npyio.NpzFile):
            raise ValueError("expected an .npz archive, got a single array")
        ict = "modes_int8" in content.files
        key = "modes_int8" if ict else "modes"
        neutral = _read_real(content, "neutral", (None, 3))
        modes = _read_real(content, key, (None, len(neutral), 3), keep=True)
        scale = _read_real(content, "mode_scale", (len(modes),))
        triangles = _read_corners(content, "triangles", len(neutral), first=0)
        tone = None
        if "albedo" in content.files:
            mean = _read_real(content, "albedo", (len(neutral),))[:, None]
            tone = Field(mean, np.zeros((0, *mean.shape)), np.zeros(0))
        centre, radius = _ICT_FRAME if ict else _read_frame(content)
    return LinearHead(Field(neutral, modes, scale), triangles, tone, centre, radius)


def read_basel(path: Path) -> LinearHead:
    """The Basel Face Model of 2009, from its ``01_MorphableModel.mat``.

    Keys: ``shapeMU`` (3n, 1), ``shapePC`` (3n, K), ``shapeEV`` (K, 1), standard deviations, and
    ``tl`` (m, 3), triangles from 1; and, where it has them, likewise ``texMU``, ``texPC`` and
    ``texEV``, red, green and blue from 0 to 255, whose brightness is the albedo.

    References: Paysan et al. 2009, A 3D Face Model for Pose and Illumination Invariant Face
    Recognition.
    Raises:
        ValueError: the file or one of its arrays is not so; it is named.
    """
    with _explain_errors(path):
        content = _read_matlab(path)
        shape = _read_field(content, *_BASEL[:3])
        triangles = _read_corners(content, "tl", len(shape.mean), first=1)
        tone = None
        if all(key in content for key in _TEXTURE):
            colour = _read_field(content, *_TEXTURE)
            if colour.mean.shape != shape.mean.shape:
                raise ValueError(
                    f"expected 'texMU' as long as 'shapeMU', {shape.mean.size}, "
                    f"got {colour.mean.size}"
                )
            tone = Field(
                (colour.mean @ _LUMA / 255)[:, None],
                (colour.modes @ _LUMA.astype(np.float32) / 255)[:, :, None],
                colour.scale,
            )
    return LinearHead(shape, triangles, tone)


def _read_matlab(path: Path) -> Mapping[str, np.ndarray]:
    with open(path, "rb") as file:
        header = file.read(128)
    if len(header) < 128 or not header.startswith(b"MATLAB"):
        raise ValueError(
            f"expected a file that begins with 'MATLAB', got {header[:16]!r}"
        )
    try:
        return loadmat(path, variable_names=[*_BASEL, *_TEXTURE])
    except NotImplementedError as error:
        raise ValueError(
            "it is a MATLAB file of version 7.3, which is HDF5; in MATLAB, load it "
            "and save it again with the option '-v7'"
        ) from error


def _read_field(
    content: Mapping[str, np.ndarray], mean: str, modes: str, scale: str
) -> Field:
    middle = _read_real(content, mean, (None, 1))
    if len(middle) % 3:
        raise ValueError(
            f"expected {mean!r} of three values for each vertex, got {len(middle)}"
        )
    columns = _read_real(content, modes, (len(middle), None), keep=True)
    deviations = _read_real(content, scale, (columns.shape[1], 1))
    rows = np.ascontiguousarray(columns.T, dtype=np.float32)
    return Field(
        middle.reshape(-1, 3), rows.reshape(len(rows), -1, 3), deviations[:, 0]
    )


def _read_frame(
    content: Mapping[str, np.ndarray],
) -> tuple[np.ndarray | None, float | None]:
    if "centre" not in content and "radius" not in content:
        return None, None
    radius = float(_read_real(content, "radius", ()))
    if radius <= 0:
        raise ValueError(f"expected 'radius' above 0, got {radius}")
    return _read_real(content, "centre", (3,)), radius


def _read_real(
    content: Mapping[str, np.ndarray],
    key: str,
    shape: tuple[int | None, ...],
    keep: bool = False,
) -> np.ndarray:
    """An array of finite numbers of ``shape``, None for any length above 0; as float64."""
    array = _read_array(content, key, shape, "fiu", "real numbers")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"expected finite numbers in {key!r}, got NaN or infinity")
    return array if keep else array.astype(np.float64)


def _read_corners(
    content: Mapping[str, np.ndarray], key: str, vertices: int, first: int
) -> np.ndarray:
    """Triangles as int64 from 0. MATLAB's whole numbers may be stored as floating point."""
    array = _read_array(content, key, (None, 3), "fiu", "whole numbers")
    wrong = array[
        ~((array >= first) & (array < first + vertices) & (array == np.floor(array)))
    ]
    if wrong.size:
        raise ValueError(
            f"expected vertices from {first} to {first + vertices - 1} in {key!r}, "
            f"got {wrong[0]}"
        )
    return array.astype(np.int64) - first


def _read_array(
    content: Mapping[str, np.ndarray],
    key: str,
    shape: tuple[int | None, ...],
    kinds: str,
    words: str,
) -> np.ndarray:
    if key not in content:
        raise ValueError(f"expected the key {key!r}, which is not there")
    array = content[key]
    fits = array.ndim == len(shape) and all(
        size == wanted if wanted is not None else size > 0
        for size, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits or array.dtype.kind not in kinds:
        wanted = str(tuple("any" if size is None else size for size in shape)).replace(
            "'", ""
        )
        raise ValueError(
            f"expected {key!r} to be {words} of shape {wanted}, got {array.dtype} "
            f"of shape {array.shape}"
        )
    return array


@contextmanager
def _explain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except _READING as error:
        raise ValueError(
            f"{str(path)!r} is not a head model: {error}; replace it, or take "
            "model='procedural', which needs no file"
        ) from error
