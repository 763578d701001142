"""One record per run: its schema, atomic writing, and loading. Nothing here imports torch."""

import json
import logging
import os
import shutil
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.numpy import load_file
from safetensors.numpy import save as save_bytes

from priorbench.bench.study.beta import Beta, make_sort_key

log = logging.getLogger("priorbench")

RECORD = "record.json"
LOSSES = "losses.csv"
ARTEFACTS = "artefacts.safetensors"
PARAMETERS = "parameters.safetensors"
UNFINISHED = ".unfinished-"


class Record(BaseModel):
    """One run: one seed of one setting (method and β), finished or failed.

    ``scores`` are in nats where they have a unit; ``timings`` are seconds, but for
    ``images_per_second``. A failed run has a ``reason`` and no scores.
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
    scores: dict[str, float] = Field(default_factory=dict)
    learned: dict[str, list[float]] = Field(default_factory=dict)
    timings: dict[str, float] = Field(default_factory=dict)
    config: dict[str, Any]
    versions: dict[str, str] = Field(default_factory=dict)
    commit: str | None = None
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
    """Write ``folder/<id>/`` whole or not at all: under another name, then renamed.

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
    unfinished = folder / f"{UNFINISHED}{record.id}-{uuid.uuid4().hex[:8]}"
    try:
        unfinished.mkdir(parents=True)
        _write_losses(unfinished / LOSSES, losses)
        _write_arrays(unfinished / ARTEFACTS, artefacts)
        if parameters:
            _write_arrays(unfinished / PARAMETERS, parameters)
        _write_file(unfinished / RECORD, _encode_record(record))
        shutil.rmtree(final, ignore_errors=True)
        unfinished.rename(final)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return final


def load_records(folder: Path) -> list[Record]:
    """All records under a grid's folder, ordered by method, β and seed.

    A folder whose record is missing, cut short or of another schema is named in a warning and
    left out, so that its run is done again.
    """
    records = []
    for path in sorted(folder.glob("*/")) if folder.is_dir() else []:
        if path.name.startswith(".") or path.is_symlink():
            continue
        record = _read_record(path)
        if record is not None:
            records.append(record)
    return sorted(
        records, key=lambda r: (r.method, make_sort_key(r.beta), r.seed, r.id)
    )


def relabel_run(folder: Path, old: Record, **labels: str) -> Record:
    """Give a run other labels (its method); its folder and results stay.

    A run is identified by what changes its result, so that a method that was renamed finds its
    runs done.
    """
    new = old.model_copy(update=labels)
    unfinished = folder / f"{UNFINISHED}{RECORD}"
    try:
        _write_file(unfinished, _encode_record(new))
        unfinished.replace(folder / new.id / RECORD)
    finally:
        unfinished.unlink(missing_ok=True)
    return new


def remove_unfinished(folder: Path) -> None:
    """Remove what runs that were killed in mid-write have left in ``folder``."""
    for path in folder.glob(f"{UNFINISHED}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def load_artefacts(folder: Path, run_id: str) -> dict[str, np.ndarray]:
    """The arrays kept for plots of run ``run_id`` under the grid's ``folder``."""
    return load_file(folder / run_id / ARTEFACTS)


def _read_record(path: Path) -> Record | None:
    if not (path / RECORD).exists() and not any(path.glob("*")):
        return None
    try:
        record = Record.model_validate_json((path / RECORD).read_bytes())
        if record.id != path.name:
            raise ValueError(f"the record says run {record.id}")
    except (OSError, ValueError) as error:
        reason = (
            error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        )
        log.warning(
            "%s is not a whole record (%s); the run will be done again", path, reason
        )
        return None
    return record


def _encode_record(record: Record) -> bytes:
    return (record.model_dump_json(indent=1) + "\n").encode()


def _write_losses(path: Path, losses: Mapping[str, np.ndarray]) -> None:
    columns = list(losses)
    rows = zip(*(losses[c] for c in columns), strict=True)
    lines = [",".join(columns), *(",".join(f"{v:.7g}" for v in row) for row in rows)]
    _write_file(path, ("\n".join(lines) + "\n").encode())


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    _write_file(
        path, save_bytes({name: np.ascontiguousarray(a) for name, a in arrays.items()})
    )


def _write_file(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def encode_json(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces; what run ids are hashed from."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def decode_json(text: str) -> Any:
    """The inverse of :func:`encode_json`."""
    return json.loads(text)
