import hashlib

import pytest

from priorbench.datasets.about import Original
from priorbench.datasets.files import originals

CHECKSUM = "sha256:" + hashlib.sha256(b"content").hexdigest()


def test_the_users_folder_is_the_only_one(data_folder, mine):
    (data_folder / "some").mkdir(parents=True)
    kept = data_folder / "some" / "a.bin"
    kept.write_bytes(b"content")
    assert originals.find_original("some", "a.bin") == kept
    with originals.take_originals_from(mine):
        assert originals.find_original("some", "a.bin") is None
        assert originals.locate_original("some", "a.bin") == mine / "a.bin"
        (mine / "a.bin").write_bytes(b"content")
        original = Original("a.bin", (), CHECKSUM)
        assert originals.obtain_original("some", original) == mine / "a.bin"
        missing = Original("b.bin", ("http://127.0.0.1:1/b.bin",))
        with pytest.raises(
            FileNotFoundError, match=r"'some' needs the file 'b.bin'.*mine"
        ):
            originals.obtain_original("some", missing)
    assert originals.find_original("some", "a.bin") == kept


def test_a_file_is_expected_in_the_data_folder(data_folder):
    expected = data_folder / "a.bin"
    assert originals.locate_original("some", "a.bin") == expected
    (data_folder / "some").mkdir(parents=True)
    (data_folder / "some" / "a.bin").write_bytes(b"content")
    found = originals.locate_original("some", "a.bin")
    assert found == data_folder / "some" / "a.bin"


def test_a_missing_folder_is_named():
    with (
        pytest.raises(ValueError, match=r"no folder '.*none'"),
        originals.take_originals_from("/none"),
    ):
        pass
