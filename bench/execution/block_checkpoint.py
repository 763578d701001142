"""The checkpoints of a block's runs: kept every so often, and gone on from."""

import logging
import math
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from priorbench.bench.execution.stopping import is_stop_asked
from priorbench.bench.results.checkpoints import Checkpoint, Checkpoints
from priorbench.bench.results.records import CheckpointRecord, Provenance
from priorbench.bench.training.failure import explain_failure
from priorbench.bench.training.train import Training

log = logging.getLogger("priorbench")


class BlockCheckpoint:
    """Keeps the state of seeds that train at once, each in a file of its own.

    The states of a block are those after one step. They are gone on from where all of
    them are there, after the same step, and of this code and kind of device; otherwise
    the block starts anew, and a warning says why.

    Args:
        root: folder of the results, ``runs``.
        models: ids of the runs, in the order of the block's seeds.
        provenance: of the code and the device that go on.
        minutes: between two checkpoints; 0 for none, but at a stop or the deadline.
        deadline: when the training is to stop, in seconds as ``time.time()``.
    """

    def __init__(
        self,
        root: Path,
        models: Sequence[str],
        provenance: Provenance,
        minutes: float = 0.0,
        deadline: float = math.inf,
    ) -> None:
        self.root = root
        self.folder = Checkpoints(root)
        self.models = models
        self.minutes = minutes
        self.provenance = provenance
        self.seconds = 60 * minutes or math.inf
        self.deadline = deadline
        self._last = time.monotonic()
        self._found = self._load()

    @property
    def reached(self) -> CheckpointRecord:
        """Return how far the block is before its training is made."""
        start = CheckpointRecord(id="", epoch=0, position=0, seconds=0.0)
        return self._found[0].record if self._found else start

    def restrict_to(self, models: Sequence[str]) -> Self:
        """Return what keeps the state of some of the runs, where they train alone."""
        found = [model for model in models if model in self.models]
        return type(self)(
            self.root, found, self.provenance, self.minutes, self.deadline
        )

    def resume_training(self, make_training: Callable[[], Training]) -> Training:
        """Make the block's training, and take it to where it goes on."""
        training = make_training()
        found, self._found = self._found, []
        if not found:
            return training
        record = found[0].record
        seconds = max(one.record.seconds for one in found)
        states = [one.state for one in found]
        try:
            training.load_states(record.epoch, record.position, seconds, states)
        except Exception as error:
            self._warn(record.id, f"it does not fit ({explain_failure(error)})")
            return make_training()
        return training

    def keep_state(self, training: Training) -> bool:
        """Keep the state where it is time to, and return whether to go on.

        What cannot be written is named in a warning, and the training goes on.
        """
        stopping = is_stop_asked() or time.time() >= self.deadline
        if stopping or time.monotonic() - self._last >= self.seconds:
            try:
                self._save(training)
            except OSError as error:
                log.warning("cannot write a checkpoint: %s", error)
            self._last = time.monotonic()
        return not stopping

    def _save(self, training: Training) -> None:
        for index, model in enumerate(self.models):
            record = CheckpointRecord(
                id=model,
                epoch=training.epoch,
                position=training.position,
                seconds=training.seconds,
                provenance=self.provenance,
            )
            self.folder.save(Checkpoint(record, training.seed_state(index)))

    def _load(self) -> list[Checkpoint]:
        """Return the checkpoints of all runs; none where one of them is of no use."""
        found = []
        for model in self.models:
            checkpoint = self.folder.load(model)
            if checkpoint is None:
                return []
            own, record = identify_code(self.provenance), checkpoint.record
            theirs = identify_code(record.provenance)
            if own != theirs:
                names = [name for name in own if own[name] != theirs.get(name)]
                changed = ", ".join(
                    f"{name} {theirs.get(name)}, now {own[name]}" for name in names
                )
                self._warn(model, f"it is of {changed}")
                return []
            found.append(checkpoint)
        if len({(one.record.epoch, one.record.position) for one in found}) > 1:
            self._warn(self.models[0], "others of its block are at another step")
            return []
        return found

    def _warn(self, model: str, reason: str) -> None:
        log.warning("the checkpoint of run %s is not used: %s", model, reason)


def identify_code(provenance: Provenance) -> dict[str, str | None]:
    """Return versions and kind of device, which a checkpoint is bound to.

    The code that trains has a version of its own, which is in the id of the run.
    """
    device = re.sub(r"^cuda:\d+", "cuda", provenance.device)
    return {**provenance.versions, "device": device}
