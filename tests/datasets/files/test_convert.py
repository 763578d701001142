import io
import os
import sys

import numpy as np
import pytest

from priorbench.datasets.files import convert

CONTENT = np.random.default_rng(0).integers(0, 256, (40, 32), dtype=np.uint8)


def obtain(make_chunks, **arguments):
    return convert.obtain_images(
        "some-v1", CONTENT.shape, make_chunks, "making some", **arguments
    )


def test_images_are_made_once(data_folder):
    first = obtain(lambda: [CONTENT[:30], CONTENT[30:]])
    assert isinstance(first, np.memmap)
    assert np.array_equal(first, CONTENT)
    again = obtain(None)
    assert np.array_equal(again, CONTENT)


def test_images_that_cannot_be_read_back_are_named(data_folder, monkeypatch):
    monkeypatch.setattr(convert, "read_cache", lambda name, shape: None)
    with pytest.raises(OSError, match=r"'some-v1' were written .* cannot be read back"):
        obtain(lambda: [CONTENT])


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([CONTENT[:30]], "the images of 'some-v1' must be 40; got 30"),
        ([CONTENT, CONTENT[:1]], "must be 40; got 41"),
        ([CONTENT[:, 1:]], r"uint8 of shape \(n, 32\); got uint8 of shape \(40, 31\)"),
        ([CONTENT / 255], "got float64"),
        (CONTENT, r"got uint8 of shape \(32,\)"),
    ],
)
def test_images_of_another_shape_are_refused(data_folder, chunks, message):
    with pytest.raises(ValueError, match=message):
        obtain(lambda: chunks)
    assert not list(data_folder.iterdir())


def test_a_changed_file_is_converted_again(data_folder, tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT.tobytes())

    def read_chunks(path):
        yield np.frombuffer(path.read_bytes(), np.uint8).reshape(CONTENT.shape)

    first = convert.convert_file(path, "some", CONTENT.shape, read_chunks)
    assert np.array_equal(first, CONTENT)
    again = convert.convert_file(path, "some", CONTENT.shape, None)
    assert np.array_equal(again, CONTENT)
    path.write_bytes(CONTENT[::-1].tobytes())
    os.utime(path, ns=(1, 1))
    changed = convert.convert_file(path, "some", CONTENT.shape, read_chunks)
    assert np.array_equal(changed, CONTENT[::-1])
    assert len(list(data_folder.iterdir())) == 1


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_shown_on_a_terminal_only(data_folder, monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    chunks = [CONTENT[:30], CONTENT[30:]]
    assert len(list(convert.track_images(chunks, "making some", 40))) == 2
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", Terminal())
    list(convert.track_images(chunks, "making some", 40, progress=False))
    assert sys.stderr.getvalue() == ""
    list(convert.track_images(chunks, "making some", 40))
    assert "making some" in sys.stderr.getvalue()
