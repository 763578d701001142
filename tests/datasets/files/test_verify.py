import hashlib
import logging
import pickle

import numpy as np
import pytest

from priorbench.datasets.about import Original
from priorbench.datasets.files.verify import check_original, verify_images

CHECKSUM = "sha256:" + hashlib.sha256(b"content").hexdigest()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"\n <!DOCTYPE HTML><p>moved", "it is an HTML page"),
        (pickle.dumps({}), "it is a pickle, .*"),
        (b"contents", r"expected sha256 [0-9a-f]{64}, got [0-9a-f]{64} of 8 bytes"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, content, message):
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=rf"a\.bin.*{message}; remove it or replace it"
    ):
        check_original(path, Original("a.bin", (), CHECKSUM))


def test_other_checksums_and_none(tmp_path, caplog):
    path = tmp_path / "a.bin"
    path.write_bytes(b"content")
    check_original(
        path, Original("a.bin", (), "md5:" + hashlib.md5(b"content").hexdigest())
    )
    assert caplog.text == ""
    with caplog.at_level(logging.WARNING, "priorbench.datasets"):
        check_original(path, Original("a.bin"))
    assert "not verified" in caplog.text


def test_images_are_compared_at_their_end(tmp_path):
    chunks = [np.arange(6, dtype=np.uint8).reshape(2, 3)] * 2
    sha256 = hashlib.sha256(b"".join(chunk.tobytes() for chunk in chunks)).hexdigest()
    verified = list(verify_images(chunks, sha256, tmp_path))
    assert np.array_equal(verified, chunks)
    with pytest.raises(ValueError, match=rf"expected sha256 {sha256}, got"):
        list(verify_images(chunks[:1], sha256, tmp_path))
