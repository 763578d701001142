"""Members of archives, read in memory: nothing is ever unpacked to disk."""

import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from priorbench.datasets.files.verify import explain_read_errors


def read_members(path: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of files in a zip or tar archive.

    Args:
        path: a zip archive, or a tar archive with or without compression.
        suffix: end of the names of the files, such as ``.mat``.

    Raises:
        ValueError: the archive is damaged, truncated or of another kind, or has a
            member that would lie outside of the folder it is unpacked into.
    """
    with explain_read_errors(path, "an archive"):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
                for name in names:
                    _check_inside(name)
                for name in sorted(names):
                    if name.endswith(suffix):
                        yield name, archive.read(name)
            return
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name
                _check_inside(name)
                if not (member.isfile() or member.isdir()):
                    raise ValueError(f"its member {name!r} is a link or a device")
                if member.isfile() and name.endswith(suffix):
                    yield name, archive.extractfile(member).read()


def _check_inside(name: str) -> None:
    """Check that a member's path does not lead out of the archive."""
    path = PurePosixPath(name.replace("\\", "/"))
    drive = name[1:2] == ":"
    if path.is_absolute() or ".." in path.parts or drive:
        raise ValueError(f"its member {name!r} points outside of the archive")
