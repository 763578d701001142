"""MATLAB files: the matrices asked for, checked."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import scipy.io

from priorbench.datasets.files.originals import explain_read_errors

MAGIC = b"MATLAB 5.0 MAT-file"


def read_matrices(
    path: Path | str,
    shapes: Mapping[str, tuple[int, ...]],
    content: bytes | None = None,
) -> dict[str, np.ndarray]:
    """Matrices of a MATLAB 5 file.

    Args:
        path: the file, or the name of ``content`` in errors.
        shapes: shape of each matrix, by its key.
        content: the file's bytes, where they are in memory already.

    Raises:
        ValueError: the file cannot be read, or a matrix is missing or of another shape.
    """
    with explain_read_errors(path, "a MATLAB 5 file"):
        source = BytesIO(content) if content is not None else str(path)
        found = scipy.io.loadmat(source, appendmat=False, variable_names=list(shapes))
        for key, shape in shapes.items():
            if key not in found:
                raise ValueError(f"it has no matrix {key!r}")
            came = np.shape(found[key])
            if came != shape or found[key].dtype.kind not in "uif":
                raise ValueError(
                    f"expected numbers {key!r} of shape {shape}, got "
                    f"{found[key].dtype} of shape {came}"
                )
    return {key: found[key] for key in shapes}


def check_binary(name: str, matrix: np.ndarray) -> np.ndarray:
    """The matrix as uint8.

    Raises:
        ValueError: a value is neither 0 nor 1.
    """
    wrong = matrix[(matrix != 0) & (matrix != 1)]
    if wrong.size:
        raise ValueError(f"expected zeros and ones in {name}, got {wrong.flat[0]}")
    return matrix.astype(np.uint8)
