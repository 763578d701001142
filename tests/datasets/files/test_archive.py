import io
import tarfile
import zipfile

import pytest

from priorbench.datasets.files.archive import read_members


def write_zip(path, names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")


def write_tar(path, names):
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 7
            archive.addfile(member, io.BytesIO(b"content"))


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_members_are_read_in_memory(tmp_path, write):
    path = tmp_path / "archive"
    write(path, ["a/1.mat", "a/2.mat", "a/readme"])
    assert list(read_members(path, ".mat")) == [
        ("a/1.mat", b"content"),
        ("a/2.mat", b"content"),
    ]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", [write_zip, write_tar])
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


@pytest.mark.parametrize("write", [write_zip, write_tar])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_a_truncated_archive_is_refused(tmp_path, write, part):
    path = tmp_path / "archive"
    write(path, [f"{i}.mat" for i in range(50)])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(ValueError, match=r"cannot read '.*archive' as an archive"):
        list(read_members(path, ".mat"))
