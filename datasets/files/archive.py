"""Members of archives, read in memory: nothing is ever unpacked to disk."""

import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from priorbench.datasets.files.originals import explain_read_errors


def read_members(path: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of the files in a zip or tar archive whose names end with ``suffix``.

    Args:
        path: a zip archive, or a tar archive with or without compression.
        suffix: end of the names, such as ``.mat``.

    Raises:
        ValueError: the archive is damaged, truncated or of another kind, or has a member that
            would lie outside of the folder it is unpacked into.
    """
    with explain_read_errors(path, "an archive"):
        if zipfile.is_zipfile(path):
            yield from _read_zip(path, suffix)
        else:
            yield from _read_tar(path, suffix)


def _read_zip(path: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            _check_inside(name)
        for name in sorted(archive.namelist()):
            if name.endswith(suffix):
                yield name, archive.read(name)


def _read_tar(path: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        for member in archive:
            _check_inside(member.name)
            if not (member.isfile() or member.isdir()):
                raise ValueError(f"its member {member.name!r} is a link or a device")
            content = (
                archive.extractfile(member) if member.name.endswith(suffix) else None
            )
            if content is not None:
                yield member.name, content.read()


def _check_inside(name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or name[1:2] == ":":
        raise ValueError(f"its member {name!r} points outside of the archive")
