"""Canonical JSON, which identities are hashed from."""

import hashlib
import json
import math

import pytest

from priorbench.bench.study.identity import encode_json, hash_values


def test_canonical_json():
    value = {"b": [1, 2.5, None, True], "a": {"z": "β", "y": 0.1}}
    text = encode_json(value)
    assert text == '{"a":{"y":0.1,"z":"\\u03b2"},"b":[1,2.5,null,true]}'
    assert json.loads(text) == value


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_json({"a": math.nan})


def test_a_hash_is_that_of_the_text():
    digest = hashlib.sha256(b'{"a":1}').hexdigest()
    assert hash_values({"a": 1}) == digest[:16]
