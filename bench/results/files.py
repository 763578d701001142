"""Files that know whether they are whole: a digest goes with every byte."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save as encode_arrays

from priorbench.atomic_files import open_atomically

MARK = b"sha256:"
"""What the first line of a text begins with; the digest of all other lines follows."""


class DamagedFileError(ValueError):
    """A file is not what was written."""


def write_text(path: Path, text: str) -> Path:
    """Write a text below a line with its digest, whole or not at all.

    Raises:
        OSError: the file cannot be written; nothing is left behind.
    """
    return write_marked(path, text.encode())


def write_marked(path: Path, body: bytes) -> Path:
    """Write bytes below a line with their digest, whole or not at all.

    Raises:
        OSError: the file cannot be written; nothing is left behind.
    """
    with open_atomically(path) as file:
        file.write(MARK + compute_digest(body).encode() + b"\n")
        file.write(body)
    return path


def read_text(path: Path) -> str:
    """Return a text that :func:`write_text` wrote.

    Raises:
        DamagedFileError: it was changed or cut short since.
        OSError: the file cannot be read.
    """
    return read_marked(path).decode()


def read_marked(path: Path) -> bytes:
    """Return the bytes that :func:`write_marked` wrote.

    Raises:
        DamagedFileError: it was changed or cut short since.
        OSError: the file cannot be read.
    """
    head, _, body = path.read_bytes().partition(b"\n")
    if head != MARK + compute_digest(body).encode():
        raise DamagedFileError(f"{path} is damaged: its digest is another")
    return body


def read_checked(path: Path, digest: str) -> bytes:
    """Return the content of a file that must have a digest.

    Raises:
        DamagedFileError: it is missing, was changed or cut short.
        OSError: the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DamagedFileError(f"{path} is missing") from None
    if compute_digest(content) != digest:
        raise DamagedFileError(f"{path} is damaged: its digest is another")
    return content


def compute_digest(content: bytes) -> str:
    """Return the SHA-256 of bytes, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def encode_contiguous(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays as a safetensors file."""
    return encode_arrays({k: np.asarray(a, order="C") for k, a in arrays.items()})
