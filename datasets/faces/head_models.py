"""Head models by name or file: which one is meant, and what is read from where."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from priorbench.datasets.faces.mesh import Mesh
from priorbench.datasets.faces.model_files import read_basel_model, read_numpy_model
from priorbench.datasets.faces.procedural import ProceduralHead
from priorbench.datasets.files.originals import locate_original
from priorbench.paths import expand_path
from priorbench.registry import suggest_names

FILES = {"bfm": "01_MorphableModel.mat", "ict": "ict_identity_50modes.npz"}
"""Files of named models, which are looked for in the data folder."""


class HeadModel(Protocol):
    """Heads by number: every identity has its own random stream."""

    def mesh(self, number: int, seed: int) -> Mesh:
        """Return the head of identity ``number`` under ``seed``."""


class HeadSource(NamedTuple):
    """A head model that has been found, but not yet read.

    Example:
        >>> find_head_model("procedural").label
        'procedural'
    """

    path: Path | None
    """The model's file; None for the procedural head."""
    label: str
    """Names the model and its content: it has the file's checksum."""

    def load(self) -> HeadModel:
        """Return the model itself.

        Raises:
            ValueError: the file does not hold one; the message names file and key.
        """
        if self.path is None:
            return ProceduralHead()
        return READERS[self.path.suffix](self.path)


READERS: dict[str, Callable[[Path], HeadModel]] = {
    ".mat": read_basel_model,
    ".npz": read_numpy_model,
}
"""Readers of models by the ending of their files."""


def find_head_model(model: str) -> HeadSource:
    """Return the head model that is meant by a name or the path of a file.

    Args:
        model: ``procedural``; ``bfm`` or ``ict``, with their files in the data folder;
            or the path of a ``.mat`` file like Basel's or an ``.npz`` file.

    Raises:
        ValueError: an unknown name, or no such file; the message has where it is
            expected.
    """
    if model == "procedural":
        return HeadSource(None, model)
    if isinstance(model, str) and model in FILES:
        path = locate_original("faces3d", FILES[model])
        name = model
    elif isinstance(model, str) and model.endswith(tuple(READERS)):
        path = expand_path(model)
        name = "file"
    else:
        known = ["procedural", "basel_renders", *FILES]
        raise ValueError(
            f"'model' must be one of {', '.join(known)}, or the path of an .npz or "
            f".mat file; got {model!r}; {suggest_names(str(model), known)}"
        )
    if not path.is_file():
        raise ValueError(
            f"'model' {model!r} needs {str(path)!r}, where there is no such file; put "
            "it there, or take model='procedural', which needs none"
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return HeadSource(path, f"{name}-{digest[:16]}")
