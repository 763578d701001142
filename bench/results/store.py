"""One record per run: its schema, writing it whole, and loading."""

import logging
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.numpy import load_file
from safetensors.numpy import save as encode_arrays

from priorbench.atomic_files import (
    UNFINISHED,
    make_unfinished_path,
    write_atomically,
)
from priorbench.bench.study.beta import Beta, make_sort_key

log = logging.getLogger("priorbench")

RECORD = "record.json"
LOSSES = "losses.csv"
ARTEFACTS = "artefacts.safetensors"
PARAMETERS = "parameters.safetensors"
PLUGINS = "plugins"
"""Folder of the copies of files of plug-ins, beside the runs."""


class Record(BaseModel):
    """One run: one seed of one setting (method and β), finished or failed.

    ``scores`` are in nats where they have a unit; ``headlines`` names those that lead.
    ``timings`` are seconds, but for ``images_per_second``. A failed run has a
    ``reason`` and no scores.
    """

    # NaN and infinity stay themselves: a failed run may have learned them
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")

    version: Literal[1] = 1
    id: str
    grid: str
    profile: str
    method: str
    prior: str
    objective: str
    beta: Beta
    seed: int
    status: Literal["finished", "failed"]
    reason: str | None = None
    failed_step: int | None = None
    headlines: tuple[str, ...] = ()
    scores: dict[str, float] = Field(default_factory=dict)
    learned: dict[str, list[float]] = Field(default_factory=dict)
    timings: dict[str, float] = Field(default_factory=dict)
    config: dict[str, Any]
    versions: dict[str, str] = Field(default_factory=dict)
    commit: str | None = None
    machine: dict[str, str | int | None] = Field(default_factory=dict)
    command: str | None = None
    device: str
    precision: str
    created: str = Field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds")
    )


def save_run(
    folder: Path,
    record: Record,
    losses: Mapping[str, np.ndarray],
    artefacts: Mapping[str, np.ndarray],
    parameters: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Write ``folder/<id>/`` whole or not at all.

    Args:
        folder: of the grid, ``runs/<grid>``.
        record: the run; its id names its folder.
        losses: columns of the loss curve, all of one length.
        artefacts: arrays that the plots read.
        parameters: of the trained model, where they are to be kept.

    Raises:
        OSError: the folder cannot be written; nothing is left behind.
    """
    final = folder / record.id
    unfinished = make_unfinished_path(final)
    try:
        unfinished.mkdir(parents=True)
        lines = [",".join(losses)]
        for row in zip(*losses.values(), strict=True):
            lines.append(",".join(f"{value:.7g}" for value in row))
        write_atomically(unfinished / LOSSES, "\n".join([*lines, ""]).encode())
        write_atomically(unfinished / ARTEFACTS, _encode_contiguous(artefacts))
        if parameters:
            write_atomically(unfinished / PARAMETERS, _encode_contiguous(parameters))
        write_atomically(unfinished / RECORD, _encode_record(record))
        shutil.rmtree(final, ignore_errors=True)
        unfinished.rename(final)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return final


def load_records(folder: Path) -> list[Record]:
    """Load all records under a grid's folder, ordered by method, β and seed.

    A folder whose record is missing, cut short or of another schema is named in a
    warning and left out, so that its run is done again.
    """
    records = []
    for path in sorted(folder.glob("*/")) if folder.is_dir() else []:
        if path.name.startswith(".") or path.name == PLUGINS or path.is_symlink():
            continue
        if not (path / RECORD).exists() and not any(path.glob("*")):
            continue
        record = _read_record(path)
        if record is not None:
            records.append(record)
    return sorted(
        records, key=lambda r: (r.method, make_sort_key(r.beta), r.seed, r.id)
    )


def relabel_run(folder: Path, old: Record, **labels: str) -> Record:
    """Give a run other labels, such as its method; its folder and results stay.

    A run is identified by what changes its result, so that a method that was renamed
    finds its runs done.
    """
    new = old.model_copy(update=labels)
    write_atomically(folder / new.id / RECORD, _encode_record(new))
    return new


def remove_unfinished(folder: Path) -> None:
    """Remove what runs that were killed while they were written have left behind."""
    for path in folder.glob(f"{UNFINISHED}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def load_artefacts(folder: Path, run_id: str) -> dict[str, np.ndarray]:
    """Load the arrays kept for plots of run ``run_id`` under the grid's ``folder``."""
    return load_file(folder / run_id / ARTEFACTS)


def _read_record(path: Path) -> Record | None:
    try:
        record = Record.model_validate_json((path / RECORD).read_bytes())
        if record.id != path.name:
            raise ValueError(f"the record is that of run {record.id}")
    except (OSError, ValueError) as error:
        reason: object = error
        if isinstance(error, ValidationError):
            reason = error.errors()[0]["msg"]
        log.warning(
            "%s is not a whole record (%s); the run will be done again", path, reason
        )
        return None
    return record


def _encode_record(record: Record) -> bytes:
    return (record.model_dump_json(indent=1) + "\n").encode()


def _encode_contiguous(arrays: Mapping[str, np.ndarray]) -> bytes:
    return encode_arrays({k: np.ascontiguousarray(a) for k, a in arrays.items()})
