"""What is left to do of a study, from what is in the store."""

import shutil

import pytest

from priorbench.bench.execution.survey import survey_store
from priorbench.bench.results.files import write_text
from priorbench.bench.results.store import PARAMETERS, RECORD, SCORES, Store
from priorbench.bench.study.scores import ScoreRequest, list_requests
from tests.bench.small_study import run_jobs


@pytest.fixture
def study(jobs, tmp_path):
    """Two trained and scored models, and their store."""
    todo = [job for job in jobs() if job.setting.method.name == "β-VAE"][:2]
    run_jobs(todo, tmp_path / "runs" / "tiny")
    return todo, list_requests(todo[0].setting.grid), Store(tmp_path / "runs")


def test_nothing_is_left(study):
    jobs, requests, store = study
    found = survey_store(store, jobs, requests, keep_models=True)
    assert (found.tasks, found.done, found.untrained, found.not_kept) == ((), 2, 0, 0)


def test_a_metric_more_is_scored_alone(study):
    jobs, requests, store = study
    more = ScoreRequest("mig_histogram")
    found = survey_store(store, jobs, [*requests, more], keep_models=True)
    assert [(t.train, t.requests) for t in found.tasks] == [(False, (more,))] * 2


def test_a_model_without_parameters_is_trained_for_them(study):
    jobs, requests, store = study
    (store.folder / jobs[0].id / PARAMETERS).unlink()
    kept = survey_store(store, jobs, requests, keep_models=True)
    assert [(t.job.id, t.train) for t in kept.tasks] == [(jobs[0].id, True)]
    assert (kept.done, kept.not_kept) == (1, 1)
    assert survey_store(store, jobs, requests, keep_models=False).tasks == ()


def test_a_model_whose_parameters_are_damaged_is_trained_to_be_scored(study, caplog):
    jobs, requests, store = study
    (store.folder / jobs[0].id / PARAMETERS).write_bytes(b"no parameters")
    more = [*requests, ScoreRequest("mig_histogram")]
    found = survey_store(store, jobs, more, keep_models=True)
    assert [task.train for task in found.tasks] == [True, False]
    assert f"{PARAMETERS} is damaged" in caplog.text
    scored = survey_store(store, jobs, more, keep_models=True, train=False)
    assert (len(scored.tasks), scored.untrained) == (1, 1)


def test_a_score_whose_arrays_are_damaged_is_made_again(study, caplog):
    jobs, requests, store = study
    scores = store.load_scores(jobs[0].id, [r.key for r in requests])
    key = next(key for key, score in scores.items() if score.digests)
    (store.folder / jobs[0].id / SCORES / f"{key}.safetensors").write_bytes(b"no")
    (task,) = survey_store(store, jobs, requests, keep_models=True).tasks
    assert (task.train, [r.key for r in task.requests]) == (False, [key])
    assert "damaged" in caplog.text


def test_a_model_that_is_not_trained(study):
    jobs, requests, store = study
    shutil.rmtree(store.folder / jobs[1].id)
    found = survey_store(store, jobs, requests, keep_models=True)
    assert [(t.job.id, t.train) for t in found.tasks] == [(jobs[1].id, True)]
    scored = survey_store(store, jobs, requests, keep_models=True, train=False)
    assert (scored.tasks, scored.done, scored.untrained) == ((), 1, 1)


def test_failures_are_tried_again_where_asked_for(study):
    jobs, requests, store = study
    record = store.load_model(jobs[0].id)
    failed = record.model_copy(update={"status": "failed", "reason": "no number"})
    path = store.folder / jobs[0].id / RECORD
    write_text(path, failed.model_dump_json())
    found = survey_store(store, jobs, requests, keep_models=True)
    assert (found.tasks, found.done, found.failed) == ((), 2, 1)
    again = survey_store(store, jobs, requests, True, retry_failed=True)
    assert [(t.job.id, t.train) for t in again.tasks] == [(jobs[0].id, True)]
