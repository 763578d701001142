"""The store of trained models and their scores, ``runs/models``.

Nothing here imports torch::

    models/<id>/record.json              the training
                losses.csv               loss and log-likelihood of each step
                parameters.safetensors   where models are kept
                scores/<key>.json        one score; <key>.safetensors: its arrays
"""

import logging
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import ValidationError
from safetensors.numpy import load as decode_arrays

from priorbench.atomic_files import (
    UNFINISHED,
    make_unfinished_path,
    remove_unfinished,
    write_atomically,
)
from priorbench.bench.results.curves import thin_curve
from priorbench.bench.results.files import (
    DamagedFileError,
    compute_digest,
    encode_contiguous,
    read_checked,
    read_text,
    write_text,
)
from priorbench.bench.results.records import ModelRecord, ScoreRecord

log = logging.getLogger("priorbench")

MODELS = "models"
RECORD = "record.json"
LOSSES = "losses.csv"
PARAMETERS = "parameters.safetensors"
SCORES = "scores"

Schema = TypeVar("Schema", ModelRecord, ScoreRecord)
Arrays = Mapping[str, np.ndarray]


class Store:
    """Models and scores in a folder of results; several studies share one.

    Whatever is found damaged is named in a warning and taken as absent, so that it is
    made again.

    Args:
        root: folder of the results, ``runs``.
    """

    def __init__(self, root: Path) -> None:
        self.folder = Path(root) / MODELS

    def save_model(
        self, record: ModelRecord, losses: Arrays, parameters: Arrays | None = None
    ) -> None:
        """Write a model whole or not at all.

        One that was there is replaced, with its scores. But a finished model stays
        where the new training failed, or ended alike and adds no parameters; and its
        scores stay wherever the new training ended alike.

        Args:
            record: of the training; its id names the folder.
            losses: columns of the loss curve, all of one length.
            parameters: of the model, where they are to be kept.

        Raises:
            OSError: the folder cannot be written; nothing is left behind.
        """
        earlier = self.load_model(record.id)
        finished = earlier is not None and earlier.status == "finished"
        if finished and record.status == "failed":
            log.warning(
                "model %s failed when trained again (%s); the finished one is kept",
                record.id,
                record.reason,
            )
            return
        repeated = finished and self._have_equal_ends(earlier, losses)
        if repeated and (not parameters or self._has_whole_parameters(earlier)):
            return
        lines = [",".join(losses)]
        for row in zip(*losses.values(), strict=True):
            lines.append(",".join(f"{value:.7g}" for value in row))
        files = {LOSSES: "\n".join([*lines, ""]).encode()}
        if parameters:
            files[PARAMETERS] = encode_contiguous(parameters)
        digests = {name: compute_digest(content) for name, content in files.items()}
        record = record.model_copy(update={"digests": digests})
        final = self.folder / record.id
        unfinished = make_unfinished_path(final)
        try:
            unfinished.mkdir(parents=True)
            for name, content in files.items():
                write_atomically(unfinished / name, content)
            write_text(unfinished / RECORD, record.model_dump_json(indent=1) + "\n")
            if repeated and (final / SCORES).is_dir():
                written = shutil.ignore_patterns(f"{UNFINISHED}*")
                shutil.copytree(final / SCORES, unfinished / SCORES, ignore=written)
            if final.is_symlink() or final.is_file():
                final.unlink()
            shutil.rmtree(final, ignore_errors=True)
            unfinished.rename(final)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise

    def save_score(self, record: ScoreRecord, arrays: Arrays) -> None:
        """Write a score beside its model, the arrays before the record.

        Raises:
            OSError: a file cannot be written.
        """
        folder = self.folder / record.model / SCORES
        folder.mkdir(parents=True, exist_ok=True)
        if arrays:
            name, content = f"{record.key}.safetensors", encode_contiguous(arrays)
            write_atomically(folder / name, content)
            digests = {name: compute_digest(content)}
            record = record.model_copy(update={"digests": digests})
        text = record.model_dump_json(indent=1) + "\n"
        write_text(folder / f"{record.key}.json", text)

    def load_model(self, model: str) -> ModelRecord | None:
        """Return the record of a model; None where there is none that is whole."""
        record = _read_record(self.folder / model / RECORD, ModelRecord)
        if record is not None and record.id != model:
            log.warning("%s holds the record of %s", self.folder / model, record.id)
            return None
        return record

    def has_parameters(self, record: ModelRecord) -> bool:
        """Return whether the parameters of a model were kept and are there."""
        kept = PARAMETERS in record.digests
        return kept and (self.folder / record.id / PARAMETERS).is_file()

    def load_scores(self, model: str, keys: Iterable[str]) -> dict[str, ScoreRecord]:
        """Return those scores of a model that are there, by key."""
        folder = self.folder / model / SCORES
        try:
            there = {entry.name for entry in os.scandir(folder)}
        except OSError:
            return {}
        found = {}
        for key in keys:
            if f"{key}.json" not in there:
                continue
            score = _read_record(folder / f"{key}.json", ScoreRecord)
            if score is not None and score.digests.keys() <= there:
                found[key] = score
        return found

    def load_parameters(self, record: ModelRecord) -> dict[str, np.ndarray]:
        """Return the parameters of a model, by name.

        Raises:
            DamagedFileError: they were not kept, or are damaged.
        """
        return decode_arrays(self._read(record, PARAMETERS))

    def load_losses(self, record: ModelRecord) -> dict[str, np.ndarray]:
        """Return the loss curve: columns with a value for each step, in nats per image.

        Raises:
            DamagedFileError: the file is damaged.
        """
        names, *lines = self._read(record, LOSSES).decode().splitlines()
        columns = names.split(",")
        rows = [[float(value) for value in line.split(",")] for line in lines]
        values = np.array(rows).reshape(len(rows), len(columns))
        return dict(zip(columns, values.T, strict=True))

    def load_arrays(self, score: ScoreRecord) -> dict[str, np.ndarray]:
        """Return the arrays of a score, by name.

        Raises:
            DamagedFileError: they are damaged.
        """
        arrays: dict[str, np.ndarray] = {}
        for name, digest in score.digests.items():
            path = self.folder / score.model / SCORES / name
            arrays |= decode_arrays(read_checked(path, digest))
        return arrays

    def remove_unfinished(self) -> None:
        """Remove what writers that were killed have left behind."""
        remove_unfinished(self.folder)
        for scores in self.folder.glob(f"*/{SCORES}"):
            remove_unfinished(scores)

    def _has_whole_parameters(self, record: ModelRecord) -> bool:
        try:
            return bool(self._read(record, PARAMETERS))
        except DamagedFileError:
            return False

    def _have_equal_ends(self, record: ModelRecord, losses: Arrays) -> bool:
        """Return whether a stored loss curve ends as another, kept or thinned."""
        try:
            curves = [self.load_losses(record), losses]
        except DamagedFileError:
            return False
        points = min(len(curve.get("step", ())) for curve in curves)
        if not points:
            return False
        ends = [thin_curve(curve, points)["loss"][-1] for curve in curves]
        return bool(np.isclose(*ends, rtol=1e-6, atol=0.0))

    def _read(self, record: ModelRecord, name: str) -> bytes:
        if name not in record.digests:
            raise DamagedFileError(f"model {record.id} was kept without {name}")
        return read_checked(self.folder / record.id / name, record.digests[name])


def _read_record(path: Path, schema: type[Schema]) -> Schema | None:
    """Return a record; None, with a warning where it is there and damaged."""
    try:
        return schema.model_validate_json(read_text(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason: object = error
        if isinstance(error, ValidationError):
            reason = f"{path}: {error.errors()[0]['msg']}"
        log.warning("%s; it is made again by the next run", reason)
        return None
