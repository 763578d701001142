import errno
import logging
import os
import time
from pathlib import Path

import numpy as np
import pytest

from priorbench import atomic_files
from priorbench.datasets.files import cache

CONTENT = np.random.default_rng(0).integers(0, 256, (40, 32), dtype=np.uint8)


def write_content():
    cache.write_cache("some-v1", CONTENT.shape, [CONTENT[:30], CONTENT[30:]])


def test_the_folder_is_chosen_by_the_variable(monkeypatch):
    monkeypatch.setenv("PRIORBENCH_DATA", "~/somewhere")
    assert cache.get_data_folder() == Path.home() / "somewhere"
    monkeypatch.setenv("PRIORBENCH_DATA", "")
    assert "priorbench" in cache.get_data_folder().parts


def test_what_is_written_is_read(data_folder):
    assert cache.read_cache("some-v1", CONTENT.shape) is None
    write_content()
    array = cache.read_cache("some-v1", CONTENT.shape)
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    assert np.array_equal(array, CONTENT)
    assert cache.read_cache("some-v2", CONTENT.shape) is None
    assert cache.read_cache("some", CONTENT.shape) is None


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    os.truncate(path, 0)


def lengthen(path):
    path.write_bytes(path.read_bytes() + b"\0")


def spoil(at):
    def change(path):
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.write_bytes(content)

    return change


def pickle(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(b"|u1'", b"|O' ", 1))


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (truncate, "expected 1408 bytes, got 704"),
        (empty, "got 0"),
        (lengthen, "got 1409"),
        (spoil(3), "header"),
        (spoil(60), "header"),
        (pickle, "header"),
        (spoil(700), "checksum"),
        (spoil(-1), "checksum"),
    ],
)
def test_damage_is_noticed_named_and_removed(data_folder, caplog, damage, fault):
    write_content()
    (path,) = data_folder.iterdir()
    damage(path)
    with caplog.at_level(logging.WARNING, "priorbench.datasets"):
        assert cache.read_cache("some-v1", CONTENT.shape) is None
    assert not path.exists()
    assert path.name in caplog.text
    assert fault in caplog.text


def test_another_shape_is_damage(data_folder):
    write_content()
    assert cache.read_cache("some-v1", (20, 64)) is None
    assert not list(data_folder.iterdir())


def test_nothing_appears_before_all_is_written(data_folder):
    def make_chunks():
        yield CONTENT[:30]
        assert not list(data_folder.glob("*.npy"))
        assert cache.read_cache("some-v1", CONTENT.shape) is None
        yield CONTENT[30:]

    cache.write_cache("some-v1", CONTENT.shape, make_chunks())
    assert [path.suffix for path in data_folder.iterdir()] == [".npy"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_nothing_behind(data_folder, error):
    def make_chunks():
        yield CONTENT[:30]
        raise error

    with pytest.raises(error):
        cache.write_cache("some-v1", CONTENT.shape, make_chunks())
    assert not list(data_folder.iterdir())


def test_an_original_that_cannot_be_read_is_not_the_folders_fault(data_folder):
    def make_chunks():
        yield CONTENT[:30]
        yield np.fromfile("original.bin", np.uint8)

    with pytest.raises(FileNotFoundError, match=r"original\.bin") as caught:
        cache.write_cache("some-v1", CONTENT.shape, make_chunks())
    assert caught.value.filename == "original.bin"
    assert not list(data_folder.iterdir())


class Full:
    """A file on a disk with room for its header only."""

    def __init__(self, file):
        self.file, self.writes = file, 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, content):
        self.writes += 1
        if self.writes > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(content)


def test_a_full_disk_is_named_with_the_remedy(data_folder, monkeypatch):
    open_path = Path.open
    monkeypatch.setattr(
        atomic_files.Path, "open", lambda *arguments: Full(open_path(*arguments))
    )
    with pytest.raises(OSError, match=r"No space left .*set PRIORBENCH_DATA") as caught:
        write_content()
    assert caught.value.errno == errno.ENOSPC
    assert str(data_folder) in str(caught.value)
    assert not list(data_folder.iterdir())


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_late_error_leaves_nothing_behind(data_folder, monkeypatch, call):
    def fail(*arguments):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="set PRIORBENCH_DATA"):
        write_content()
    assert not list(data_folder.iterdir())


@pytest.mark.parametrize("inner", ["", "inner"])
def test_a_folder_that_cannot_be_is_named(tmp_path, monkeypatch, inner):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path / "file" / inner))
    assert cache.read_cache("some-v1", CONTENT.shape) is None
    with pytest.raises(OSError, match=r"folder '.*file.*set PRIORBENCH_DATA"):
        write_content()
    assert (tmp_path / "file").read_text() == "not a folder"


def test_only_what_killed_processes_left_is_swept(data_folder):
    data_folder.mkdir()
    old, new = (
        atomic_files.make_unfinished_path(data_folder / "some-v1.npy") for _ in range(2)
    )
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * 24 * 3600,) * 2)
    write_content()
    assert not old.exists()
    assert new.exists()


def test_others_are_forgotten(data_folder):
    for name in ("some-v1-1", "some-v1-2", "other-v1"):
        cache.write_cache(name, CONTENT.shape, [CONTENT])
    cache.forget_caches("some-v1", keep="some-v1-2")
    assert sorted(path.name[:9] for path in data_folder.iterdir()) == [
        "other-v1-",
        "some-v1-2",
    ]
