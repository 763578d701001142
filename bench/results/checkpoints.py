"""Checkpoints of unfinished trainings, ``runs/checkpoints``.

Nothing here imports torch. There is one file for each run::

    checkpoints/<id>.checkpoint   a line with the digest of what follows, a line with
                                  the record, and the state as safetensors
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as decode_arrays

from priorbench.atomic_files import remove_unfinished
from priorbench.bench.results.files import (
    encode_contiguous,
    read_marked,
    write_marked,
)
from priorbench.bench.results.records import CheckpointRecord
from priorbench.bench.results.store import RECORD, Store

log = logging.getLogger("priorbench")

CHECKPOINTS = "checkpoints"
SUFFIX = ".checkpoint"


@dataclass(frozen=True)
class Checkpoint:
    """The state of one seed's training.

    Attributes:
        record: how far it was.
        state: arrays by name.
    """

    record: CheckpointRecord
    state: Mapping[str, np.ndarray]


class Checkpoints:
    """The checkpoints in a folder of results; all of them may be deleted.

    Args:
        root: folder of the results, ``runs``.
    """

    def __init__(self, root: Path) -> None:
        self.folder = Path(root) / CHECKPOINTS

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint in the place of the run's last one.

        Raises:
            OSError: it cannot be written; the last one stays.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        head = checkpoint.record.model_dump_json().encode()
        body = head + b"\n" + encode_contiguous(checkpoint.state)
        write_marked(self._locate(checkpoint.record.id), body)

    def find(self) -> dict[str, CheckpointRecord]:
        """Return the records of all checkpoints, by the run's id; no state is read."""
        found = {}
        for path in self.folder.glob(f"*{SUFFIX}"):
            # what cannot be read is named when it is loaded
            with suppress(OSError, ValueError), path.open("rb") as file:
                file.readline()
                head = file.readline()
                found[path.stem] = CheckpointRecord.model_validate_json(head)
        return found

    def load(self, model: str) -> Checkpoint | None:
        """Return the checkpoint of a run; None where there is none that is whole.

        A damaged one is named in a warning.
        """
        path = self._locate(model)
        try:
            head, _, arrays = read_marked(path).partition(b"\n")
            record = CheckpointRecord.model_validate_json(head)
            state = decode_arrays(arrays)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, SafetensorError) as error:
            reason = str(error).splitlines()[0]
            log.warning("the checkpoint %s is not used: %s", path, reason)
            return None
        if record.id != model:
            log.warning("the checkpoint %s is not used: it is of another run", path)
            return None
        return Checkpoint(record, state)

    def remove(self, model: str) -> None:
        """Remove the checkpoint of a run, if there is one."""
        with suppress(OSError):
            self._locate(model).unlink()

    def remove_finished(self, store: Store) -> None:
        """Remove what is left of a command that was killed while it saved a model."""
        remove_unfinished(self.folder)
        for path in self.folder.glob(f"*{SUFFIX}"):
            record = store.folder / path.stem / RECORD
            with suppress(OSError):
                # an older one is of a run that is done again
                if record.stat().st_mtime >= path.stat().st_mtime:
                    path.unlink()

    def _locate(self, model: str) -> Path:
        return self.folder / f"{model}{SUFFIX}"
