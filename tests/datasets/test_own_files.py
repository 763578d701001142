"""A dataset of a file or a folder: what is read of it, and what is refused."""

import io
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from priorbench.datasets import from_array, from_file
from priorbench.datasets.load import is_path

GREY = np.random.default_rng(0).random((6, 4, 5))
BYTES = np.rint(GREY * 255).astype(np.uint8)
GRID = [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
EXPECTED = from_array(BYTES, GRID).images(range(6))


def test_a_file_is_loaded(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, images=GREY, factors=GRID, factor_names=["y", "x"])
    data = from_file(path)
    assert repr(data) == "<mine: 6 images; y=2, x=3>"
    np.savez(path, train=GREY, valid=GREY[:2], test=GREY[:3])
    assert from_file(path).lengths == {
        "train": 6,
        "valid": 2,
        "test": 3,
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": np.array([{}], dtype=object)}, "pickled"),
        (
            {"pictures": GREY},
            "expected 'images', or 'train', 'valid' and 'test'; got pictures",
        ),
        ({"images": GREY * 2}, r"must lie in \[0, 1\]"),
        ({"train": GREY, "test": GREY[:, 1:]}, "'test' must hold images of the shape"),
    ],
)
def test_a_bad_file_is_named(tmp_path, content, message):
    path = tmp_path / "mine.npz"
    np.savez(path, **content)
    with pytest.raises(ValueError, match=rf"mine\.npz.*{message}"):
        from_file(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"<html>", "HTML page"),
        (b"\x80\x04K\x01.", "pickle, which is never opened"),
        (b"PK nothing", "as a file of arrays that are not pickled"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, content, message):
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"mine\.npz.*{message}"):
        from_file(path)
    with pytest.raises(ValueError, match=r"no file or folder '.*other.npz'"):
        from_file(tmp_path / "other.npz")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ({"images": GREY}, {"sed": 1}, "no argument 'sed'; did you mean 'seed'"),
        ({"train": GREY}, {"seed": 1}, "'seed' does not go with images in splits"),
    ],
)
def test_wrong_options_of_a_file_are_named(tmp_path, content, options, message):
    path = tmp_path / "mine.npz"
    np.savez(path, **content)
    with pytest.raises(ValueError, match=message):
        from_file(path, **options)


def test_a_member_that_nothing_asks_for_may_be_pickled(tmp_path):
    metadata = np.array([{"author": "someone"}], dtype=object)
    images = np.zeros((4, 2, 2), np.uint8)
    np.savez(tmp_path / "mine.npz", images=images, factors=range(4), metadata=metadata)
    assert len(from_file(tmp_path / "mine.npz")) == 4


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        (np.array([0, 65535], np.uint16), "divide them by 65535"),
        (np.array([0, 200], np.int32), "divide them by 255, or save them as uint8"),
        (np.array([-1.0, 1.0]), "save \\(images \\+ 1\\) / 2"),
        (np.array([0.0, 255.0]), "save images / 255"),
        (np.array([-7.0, 300.0]), "column 0$"),
    ],
)
def test_images_of_another_range_are_told_how_to_be_converted(tmp_path, values, hint):
    np.savez(tmp_path / "mine.npz", images=values[:, None, None], factors=range(2))
    with pytest.raises(ValueError, match=f"mine.npz': 'images' must lie in.*{hint}"):
        from_file(tmp_path / "mine.npz")


def save_pictures(folder, names, images=BYTES):
    folder.mkdir(exist_ok=True)
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image).save(folder / name)


def test_what_is_a_path():
    paths = ("a.npz", "a.NPY", "a.h5", "a.hdf5", "a/", "./a", "~/a", "C:\\a")
    assert all(is_path(name) for name in paths)
    assert not any(is_path(name) for name in ("dsprites", "mine-2", "npz"))


@pytest.mark.parametrize("compressed", [False, True])
def test_an_npz_file_is_mapped_where_it_is_not_compressed(tmp_path, compressed):
    path = tmp_path / "mine.npz"
    save = np.savez_compressed if compressed else np.savez
    save(path, factors=GRID, images=BYTES)
    data = from_file(path)
    assert torch.equal(data.images(range(6)), EXPECTED)
    base = data.pixels
    while not isinstance(base, np.memmap) and base.base is not None:
        base = base.base
    assert isinstance(base, np.memmap) is not compressed


def test_a_damaged_byte_of_an_uncompressed_file_is_noticed(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, images=BYTES)
    content = bytearray(path.read_bytes())
    content[content.find(BYTES.tobytes()) + 7] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"mine.npz' as a file of arrays.*Bad CRC-32"):
        from_file(path)


def test_an_npy_file_is_mapped_and_takes_sizes_or_a_table(tmp_path):
    np.save(tmp_path / "mine.npy", BYTES)
    np.save(tmp_path / "factors.npy", GRID)
    pd.DataFrame(GRID, columns=["y", "x"]).to_csv(tmp_path / "f.csv", index=False)
    for options in (
        {"factor_sizes": {"y": 2, "x": 3}},
        {"factors": str(tmp_path / "f.csv")},
        {"factors": str(tmp_path / "factors.npy"), "factor_names": ["y", "x"]},
    ):
        data = from_file(tmp_path / "mine.npy", **options)
        assert repr(data) == "<mine: 6 images; y=2, x=3>"
        assert data.factors().tolist() == GRID
        assert torch.equal(data.images(range(6)), EXPECTED)
    assert not from_file(tmp_path / "mine.npy", factor_sizes=[6]).pixels.flags.writeable


def test_members_may_have_other_names(tmp_path):
    """The official dSprites file has imgs, latents_classes and pickled metadata."""
    np.savez(
        tmp_path / "mine.npz",
        imgs=BYTES,
        latents_classes=GRID,
        metadata=np.array([{}], dtype=object),
    )
    names = {"images": "imgs", "factors": "latents_classes"}
    assert from_file(tmp_path / "mine.npz", **names).factors().tolist() == GRID
    with pytest.raises(ValueError, match=r"expected 'images', or.*images = 'imgs'"):
        from_file(tmp_path / "mine.npz")
    with pytest.raises(ValueError, match="no array 'img'; did you mean 'imgs'"):
        from_file(tmp_path / "mine.npz", images="img")


@pytest.mark.parametrize("names", [("images", "labels"), ("group/images", "labels")])
def test_an_hdf5_file_is_read_in_parts(tmp_path, monkeypatch, names):
    monkeypatch.setattr("priorbench.datasets.arrays.CHUNK", 4)
    images, factors = names
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        file[images] = np.stack([BYTES] * 3, axis=3)
        file[factors] = np.asarray(GRID, float)
        file["factor_names"] = ["y", "x"]
    data = from_file(tmp_path / "mine.h5", images=images, factors=factors)
    assert repr(data) == "<mine: 6 images; y=2, x=3>"
    assert torch.equal(data.images(range(6)), EXPECTED.expand(-1, 3, -1, -1))
    with pytest.raises(ValueError, match=r"mine.h5': no array 'pictures'; known: "):
        from_file(tmp_path / "mine.h5", images="pictures")


def test_a_folder_of_pictures_is_read_in_the_order_of_its_table(tmp_path):
    names = ["c.png", "b.png", "a.png", "f.png", "e.png", "d.png"]
    save_pictures(tmp_path / "pictures", names)
    table = pd.DataFrame(
        {"file": names, "y": [r[0] for r in GRID], "x": [r[1] for r in GRID]}
    )
    table.to_csv(tmp_path / "pictures/factors.csv", index=False)
    data = from_file(tmp_path / "pictures")
    assert repr(data) == "<pictures: 6 images; y=2, x=3>"
    assert torch.equal(data.images(range(6)), EXPECTED)
    table.drop(columns="file").to_csv(tmp_path / "pictures/factors.csv", index=False)
    sorted_by_name = from_file(tmp_path / "pictures")
    assert torch.equal(sorted_by_name.images(range(6)), EXPECTED[[2, 1, 0, 5, 4, 3]])
    assert sorted_by_name.factors().tolist() == GRID


def test_pictures_may_be_coloured_or_black_and_white(tmp_path):
    names = [f"{i}.png" for i in range(6)]
    save_pictures(tmp_path / "rgb", names, np.stack([BYTES] * 3, axis=3))
    colour = from_file(tmp_path / "rgb", factor_sizes=[6])
    assert torch.equal(colour.images(range(6)), EXPECTED.expand(-1, 3, -1, -1))
    save_pictures(tmp_path / "bits", names, BYTES > 127)
    bits = from_file(tmp_path / "bits", factor_sizes=[6])
    assert np.array_equal(bits.images(range(6))[:, 0].numpy(), BYTES > 127)


def refuse_folder(folder, spoil, message, **options):
    save_pictures(folder, [f"{i}.png" for i in range(6)])
    spoil(folder)
    with pytest.raises(ValueError, match=message):
        from_file(folder, **options)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: [p.unlink() for p in f.iterdir()], "has no pictures"),
        (lambda f: (f / "3.png").write_bytes(b""), "3.png' as a picture"),
        (lambda f: (f / "3.png").write_bytes(b"<html>"), "3.png' as a picture"),
        (
            lambda f: Image.fromarray(BYTES[0][:2]).save(f / "3.png"),
            r"3.png' must have the shape \(4, 5\) of the first",
        ),
        (
            lambda f: Image.new("RGBA", (5, 4)).save(f / "3.png"),
            r"3.png' must be black and white, grey.*convert\('RGB'\)",
        ),
        (
            lambda f: (f / "factors.csv").write_text("file,y\nnone.png,1\n"),
            "no picture '.*none.png'",
        ),
        (
            lambda f: (f / "factors.csv").write_text("y\n1\n2\n"),
            r"'factors' must have the shape \(6, F\)",
        ),
        (
            lambda f: (f / "factors.csv").write_text("y,x\n" + "1,\n" * 6),
            "NaN in row 0 of 'x'",
        ),
        (lambda f: (f / "factors.csv").write_bytes(b"\xff\xfe,\n1"), "factors.csv'"),
    ],
)
def test_a_bad_folder_is_named(tmp_path, spoil, message):
    refuse_folder(tmp_path / "pictures", spoil, message)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mine.txt", b"1", "its name must end in .npz, .npy, .h5"),
        ("mine.h5", b"nothing", "as a file of arrays"),
        ("mine.npy", b"nothing", "as a file of arrays"),
        ("mine.npy", np.lib.format.MAGIC_PREFIX, "as a file of arrays"),
    ],
)
def test_files_that_hold_no_arrays_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}.*{message}"):
        from_file(tmp_path / name)


def make_header(shape, descr="|u1"):
    stream = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    "member",
    [
        make_header((10**15, 8, 8)),
        make_header((10**9, 10**9, 10**9)),
        make_header((4, 8, 8)) + b"short",
        make_header((4, 8, 8), [("a", "u1"), ("b", "f8")]) + bytes(9 * 256),
        make_header((2, 2, 2), "<c16") + bytes(128),
        make_header((2, 2, 2), "<M8[s]") + bytes(64),
        make_header((2, 2, 2), "|O") + bytes(64),
        make_header((2, 2, 2)).replace(b"(2, 2, 2)", b"(-2, 2,2)") + bytes(8),
        make_header((2, 2, 2)).replace(b"'shape'", b"'shepe'") + bytes(8),
        b"\x93NUMPY\x09\x00" + bytes(100),
        b"text",
        b"",
    ],
)
def test_a_hostile_member_is_refused(tmp_path, member, compression):
    with zipfile.ZipFile(tmp_path / "mine.npz", "w", compression) as file:
        file.writestr("images.npy", member)
    with pytest.raises(ValueError, match=r"mine\.npz'"):
        from_file(tmp_path / "mine.npz", factor_sizes=[2])


MEASURE = """
import resource, sys
from priorbench.datasets import from_file
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from_file(sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_big_file_is_not_read_into_memory_more_than_once(tmp_path):
    """Bytes are mapped; what is mapped and touched counts as the process's once."""
    images = np.random.default_rng(0).integers(0, 256, (8000, 3, 64, 64), np.uint8)
    np.savez(tmp_path / "big.npz", images=images, factors=np.arange(8000) // 2)
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "big.npz")]
    grown = int(subprocess.check_output(command)) * 1024
    assert grown < 1.3 * images.nbytes
