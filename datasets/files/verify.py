"""Whether files and images are what they should be."""

import hashlib
import logging
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pooch
from scipy.io.matlab import MatReadError

from priorbench.datasets.about import Original

log = logging.getLogger("priorbench.datasets")

READ_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    OSError,
    MemoryError,
    zlib.error,
    zipfile.BadZipFile,
    tarfile.TarError,
    MatReadError,
    pickle.UnpicklingError,
)
"""What the readers raise for damaged, truncated, encrypted and foreign files, and for
those that claim to be larger than the memory."""


def check_original(path: Path, original: Original) -> None:
    """Check that the file ``path`` is the ``original``.

    Raises:
        ValueError: it is empty, an HTML page, a pickle, or its checksum differs; the
            message has what was expected and what came.
    """
    check_file_kind(path)
    if original.checksum is None:
        log.warning("%s is not verified: no checksum of it is known", path)
        return
    algorithm, _, expected = original.checksum.partition(":")
    came = pooch.file_hash(str(path), alg=algorithm)
    if came != expected:
        raise _make_error(
            path,
            f"expected {algorithm} {expected}, got {came} of "
            f"{path.stat().st_size} bytes",
        )


def check_file_kind(path: Path) -> None:
    """Check by its first bytes that a file is not empty, an HTML page or a pickle.

    Raises:
        ValueError: it is; the message names the file.
    """
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise _make_error(path, "it is empty")
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise _make_error(path, "it is an HTML page")
    if head[0] == 0x80 and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        raise _make_error(
            path, "it is a pickle, which is never opened because it may run programs"
        )


@contextmanager
def explain_read_errors(
    path: Path | str,
    kind: str,
    remedy: str = "replace it",
) -> Iterator[None]:
    """Turn what a reader raises for a damaged or foreign file into a ValueError.

    Args:
        path: the file.
        kind: what it should be.
        remedy: what the user can do.

    Raises:
        ValueError: in place of any of :data:`READ_ERRORS`.

    Example:
        >>> with explain_read_errors("x.mat", "a MATLAB file"):
        ...     raise EOFError("the end")
        Traceback (most recent call last):
        ValueError: cannot read 'x.mat' as a MATLAB file: the end; replace it
    """
    try:
        yield
    except READ_ERRORS as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(
            f"cannot read {str(path)!r} as {kind}: {reason}; {remedy}"
        ) from error


def verify_images(
    chunks: Iterable[np.ndarray],
    sha256: str,
    path: Path,
) -> Iterator[np.ndarray]:
    """Yield the images; at their end, compare their bytes with a checksum.

    Args:
        chunks: arrays of images.
        sha256: of the bytes of all of them, in hexadecimal.
        path: the file that they are from.

    Raises:
        ValueError: the checksum differs.
    """
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(np.ascontiguousarray(chunk).data)
        yield chunk
    if digest.hexdigest() != sha256:
        raise ValueError(
            f"the images of {str(path)!r} are not the published ones: expected sha256 "
            f"{sha256}, got {digest.hexdigest()}; replace it"
        )


def _make_error(path: Path, fault: str) -> ValueError:
    return ValueError(
        f"{str(path)!r} is not the file that was expected: {fault}; "
        "remove it or replace it"
    )
