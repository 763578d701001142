"""MATLAB files: the matrices that are asked for, checked."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import scipy.io

from priorbench.datasets.files.verify import explain_read_errors

MAGIC = b"MATLAB 5.0 MAT-file"


def is_matlab_file(path: Path) -> bool:
    """Return whether a file begins as a MATLAB 5 file does."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_matrices(
    path: Path | str,
    shapes: Mapping[str, tuple[int, ...]],
    content: bytes | None = None,
) -> dict[str, np.ndarray]:
    """Read matrices of a MATLAB 5 file.

    Args:
        path: the file, or what errors call ``content``.
        shapes: shape of each matrix, by its key.
        content: the file's bytes, where they are in memory already.

    Raises:
        ValueError: the file cannot be read, or a matrix is missing or of another shape.
    """
    source = str(path) if content is None else BytesIO(content)
    with explain_read_errors(path, "a MATLAB 5 file"):
        found = scipy.io.loadmat(source, appendmat=False, variable_names=list(shapes))
        for key, shape in shapes.items():
            if key not in found:
                raise ValueError(f"it has no matrix {key!r}")
            matrix = found[key]
            if matrix.shape != shape or matrix.dtype.kind not in "uif":
                raise ValueError(
                    f"expected numbers {key!r} of shape {shape}, got "
                    f"{matrix.dtype} of shape {matrix.shape}"
                )
    return {key: found[key] for key in shapes}


def check_binary(name: str, matrix: np.ndarray) -> np.ndarray:
    """Check that a matrix has zeros and ones only, and return it as uint8.

    Args:
        name: what errors call it.
        matrix: numbers.

    Raises:
        ValueError: a value is neither 0 nor 1.
    """
    wrong = matrix[(matrix != 0) & (matrix != 1)]
    if wrong.size:
        raise ValueError(f"expected zeros and ones in {name}, got {wrong.flat[0]}")
    return matrix.astype(np.uint8)
