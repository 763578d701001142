"""What of a study is in the store, and what is left to do."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from priorbench.bench.execution.schedule import Task
from priorbench.bench.results.files import DamagedFileError
from priorbench.bench.results.records import (
    CheckpointRecord,
    ModelRecord,
    ScoreRecord,
)
from priorbench.bench.results.store import Store
from priorbench.bench.study.job import Job
from priorbench.bench.study.scores import ScoreRequest

log = logging.getLogger("priorbench")

Record = TypeVar("Record", ModelRecord, ScoreRecord)


@dataclass(frozen=True)
class Survey:
    """What is left to do, and what is there.

    Attributes:
        tasks: what is left.
        done: number of models that lack nothing; failed trainings are among them.
        failed: number of failed trainings that are not tried again.
        failed_scores: number of failed scores that are not tried again.
        untrained: number of models that are not trained, or not kept, where only scores
            were wanted.
        not_kept: number of models in ``tasks`` that were trained before, but have no
            parameters, or damaged ones.
    """

    tasks: tuple[Task, ...]
    done: int = 0
    failed: int = 0
    failed_scores: int = 0
    untrained: int = 0
    not_kept: int = 0


def survey_store(
    store: Store,
    jobs: Sequence[Job],
    requests: Sequence[ScoreRequest],
    keep_models: bool,
    retry_failed: bool = False,
    train: bool = True,
    checkpoints: Mapping[str, CheckpointRecord] | None = None,
    verify: bool = True,
) -> Survey:
    """Find what each model of a study lacks.

    A model whose parameters were not kept, or are damaged, is trained again where a
    score is missing; one without parameters also where models are to be kept now.

    Args:
        store: of models and scores.
        jobs: the models.
        requests: what is to be scored.
        keep_models: whether the parameters are to be there.
        retry_failed: do failed trainings and scores again.
        train: whether models may be trained; otherwise they are only scored.
        checkpoints: of unfinished trainings, by the id of the model.
        verify: read the parameters of models that are to be scored, to find damage.
    """
    counts = {"failed": 0, "failed_scores": 0, "untrained": 0, "not_kept": 0}

    def list_tasks() -> Iterator[Task]:
        for job in jobs:
            record = store.load_model(job.id)
            absent = record is None
            if record is not None and record.status == "failed":
                absent = retry_failed
                if not absent:
                    counts["failed"] += 1
                    continue
            missing = tuple(requests)
            if record is not None and not absent:
                stored = store.load_scores(job.id, [r.key for r in requests])
                found = {
                    k: s for k, s in stored.items() if _is_whole(store.load_arrays, s)
                }
                failed = {k for k, score in found.items() if score.status == "failed"}
                again = failed if retry_failed else set()
                counts["failed_scores"] += len(failed - again)
                missing = tuple(
                    r for r in requests if r.key not in found or r.key in again
                )
                if store.has_parameters(record):
                    if not missing:
                        continue
                    if not verify or _is_whole(store.load_parameters, record):
                        yield Task(job, False, missing)
                        continue
                if not missing and not keep_models:
                    continue
                counts["not_kept"] += train
            if train:
                begun = (checkpoints or {}).get(job.id)
                reached = (begun.epoch, begun.position) if begun else (0, 0)
                # a model that is trained again is scored again
                yield Task(job, True, tuple(requests), reached)
            else:
                counts["untrained"] += 1

    tasks = tuple(list_tasks())
    done = len(jobs) - len(tasks) - counts["untrained"]
    return Survey(tasks, done, **counts)


def _is_whole(load: Callable[[Record], object], record: Record) -> bool:
    """Return whether a record's files are whole; a warning names one that is not."""
    try:
        load(record)
    except DamagedFileError as error:
        log.warning("%s; it is taken as absent", error)
        return False
    return True
