import hashlib
import io
import logging
import pickle
import tarfile
import zipfile

import pytest

from priorbench.datasets.files import originals
from priorbench.datasets.about import Original
from priorbench.datasets.files.archive import read_members

CHECKSUM = "sha256:" + hashlib.sha256(b"content").hexdigest()


def test_the_chosen_folder_is_the_only_one(data_folder, tmp_path):
    (data_folder / "some").mkdir(parents=True)
    (data_folder / "some" / "a.bin").write_bytes(b"content")
    assert originals.find_original("some", "a.bin") == data_folder / "some" / "a.bin"
    (tmp_path / "mine").mkdir()
    with originals.look_in_folder(tmp_path / "mine"):
        assert originals.find_original("some", "a.bin") is None
        (tmp_path / "mine" / "a.bin").write_bytes(b"content")
        assert (
            originals.obtain_original(
                "some", Original("a.bin", (), CHECKSUM)
            ).parent.name
            == "mine"
        )
        with pytest.raises(
            FileNotFoundError, match=r"'some' needs the file 'b.bin'.*mine"
        ):
            originals.obtain_original(
                "some", Original("b.bin", ("http://127.0.0.1:1/b.bin",))
            )
    assert originals.get_chosen_folder() is None
    with (
        pytest.raises(ValueError, match=r"no folder '.*none'"),
        originals.look_in_folder("/none"),
    ):
        pass


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
        originals.check_original(path, Original("a.bin", (), CHECKSUM))


def test_other_checksums_and_none(tmp_path, caplog):
    path = tmp_path / "a.bin"
    path.write_bytes(b"content")
    originals.check_original(
        path, Original("a.bin", (), "md5:" + hashlib.md5(b"content").hexdigest())
    )
    assert caplog.text == ""
    with caplog.at_level(logging.WARNING, "priorbench.datasets"):
        originals.check_original(path, Original("a.bin"))
    assert "not verified" in caplog.text


def zipped(path, names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")


def tarred(path, names):
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 7
            archive.addfile(member, io.BytesIO(b"content"))


@pytest.mark.parametrize("write", [zipped, tarred])
def test_members_are_read_in_memory(tmp_path, write):
    path = tmp_path / "archive"
    write(path, ["a/1.mat", "a/2.mat", "a/readme"])
    assert list(read_members(path, ".mat")) == [
        ("a/1.mat", b"content"),
        ("a/2.mat", b"content"),
    ]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", [zipped, tarred])
@pytest.mark.parametrize(
    "name", ["../1.mat", "/etc/1.mat", "a/../../1.mat", "..\\1.mat", "C:/1"]
)
def test_a_path_that_points_outside_is_refused(tmp_path, write, name):
    write(tmp_path / "archive", ["good.mat", name])
    with pytest.raises(ValueError, match=r"archive.*points outside"):
        list(read_members(tmp_path / "archive", ".mat"))


def test_a_link_is_refused(tmp_path):
    with tarfile.open(tmp_path / "archive", "w") as archive:
        link = tarfile.TarInfo("1.mat")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(ValueError, match="a link or a device"):
        list(read_members(tmp_path / "archive", ".mat"))


@pytest.mark.parametrize("write", [zipped, tarred])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_a_truncated_archive_is_refused(tmp_path, write, part):
    path = tmp_path / "archive"
    write(path, [f"{i}.mat" for i in range(50)])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(
        ValueError, match=r"archive.*is not what it should be, an archive"
    ):
        list(read_members(path, ".mat"))
