"""Head models by name or file: which one is meant, and what is read from where."""

import hashlib
from pathlib import Path
from typing import NamedTuple, Protocol

from priorbench.registry import suggest_names
from priorbench.datasets.files import cache, originals
from priorbench.datasets.faces import model_files
from priorbench.datasets.faces.mesh import Mesh
from priorbench.datasets.faces.procedural import ProceduralHead

FILES = {"bfm": "01_MorphableModel.mat", "ict": "ict_identity_50modes.npz"}
"""Files of named models, looked for in the data folder."""
_READERS = {".mat": model_files.read_basel, ".npz": model_files.read_arrays}


class HeadModel(Protocol):
    """Heads by number: every identity has its own random stream."""

    def mesh(self, number: int, seed: int) -> Mesh:
        """The head of identity ``number`` under ``seed``."""


class Source(NamedTuple):
    """A head model that has been found, but not yet read.

    Example:
        >>> find_model("procedural").label
        'procedural'
    """

    name: str
    path: Path | None
    label: str
    """Names the model and its content: the file's checksum is in it."""

    def read(self) -> HeadModel:
        """The model itself.

        Raises:
            ValueError: the file does not hold one; file and key are named.
        """
        return (
            ProceduralHead()
            if self.path is None
            else _READERS[self.path.suffix](self.path)
        )


def find_model(model: str) -> Source:
    """The head model that is meant by a name or the path of a file.

    Args:
        model: ``procedural``; ``bfm`` or ``ict``, whose file is in the data folder; or the path
            of a ``.mat`` file like Basel's or an ``.npz`` file.

    Raises:
        ValueError: unknown name, or no such file; where it is expected is said.
    """
    if model == "procedural":
        return Source(model, None, model)
    if not isinstance(model, str) or not (
        model in FILES or model.endswith(tuple(_READERS))
    ):
        known = ["procedural", "basel_renders", *FILES]
        raise ValueError(
            f"'model' must be one of {', '.join(known)}, or the path of an .npz or "
            f".mat file; got {model!r}; {suggest_names(str(model), known)}"
        )
    path = _find_place(model)
    if not path.is_file():
        place = f"{str(path)!r}, where there is no such file; put it there"
        raise ValueError(
            f"'model' {model!r} needs {place}, or take model='procedural', "
            "which needs none"
        )
    name = model if model in FILES else "file"
    return Source(name, path, f"{name}-{_hash_file(path)}")


def _find_place(model: str) -> Path:
    """Where a model's file is, or is expected."""
    if model not in FILES:
        return Path(model).expanduser()
    found = originals.find_original("faces3d", FILES[model])
    return (
        found or (originals.get_chosen_folder() or cache.data_folder()) / FILES[model]
    )


def _hash_file(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
