"""What a run is identified by: canonical text, and hashes of it."""

import hashlib
import json
from typing import Any

DIGITS = 16
"""Hexadecimal digits of a hash."""


def encode_json(value: Any) -> str:
    r"""Return canonical JSON: sorted keys, no spaces.

    Raises:
        TypeError: the value is not plain.
        ValueError: a number is not finite.

    Example:
        >>> encode_json({"b": 1, "a": [2.0, "β"]})
        '{"a":[2.0,"\\u03b2"],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def hash_values(values: Any) -> str:
    """Return the hash of plain values: 16 hexadecimal digits."""
    return hash_bytes(encode_json(values).encode())


def hash_bytes(content: bytes) -> str:
    """Return the hash of bytes: 16 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()[:DIGITS]
