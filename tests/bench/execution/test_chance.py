"""What metrics give for noise of a study's shape."""

import pytest

from priorbench.bench.execution.chance import identify_chance, make_noise, score_chance
from priorbench.bench.results.store import Store
from priorbench.bench.study.data import load_study_dataset
from priorbench.bench.study.grid import Plugin
from priorbench.bench.study.scores import ScoreRequest, list_requests


@pytest.fixture
def grid(jobs):
    return jobs()[0].setting.grid


def test_noise_knows_nothing(grid):
    codes = make_noise(load_study_dataset(grid.dataset), grid.latent_dim)
    assert codes.z.shape == (32, 4)
    assert codes.factor_names == ("shape", "scale", "orientation", "posX", "posY")
    assert codes.z.mean().abs() < 0.3
    assert codes.log_prior.shape == (32,)


def test_each_metric_is_scored_once(grid, tmp_path, monkeypatch):
    store, requests = Store(tmp_path), list_requests(grid)
    score_chance(store, grid, requests, "the command")
    keys = [request.key for request in requests]
    found = store.load_scores(identify_chance(grid), keys)
    assert [score.name for score in found.values()] == ["mig", "active_latents"]
    assert found[keys[-2]].provenance.command == "the command"
    assert 0 <= found[keys[-2]].values["mig"] < 0.2
    monkeypatch.setattr(Store, "save_score", None)  # would fail if it were called
    score_chance(store, grid, requests)


def test_noise_belongs_to_data_and_latents(grid):
    wider = grid.model_copy(update={"latent_dim": 5})
    other = grid.model_copy(
        update={"dataset": Plugin(name="dsprites", factors={"shape": ["heart"]})}
    )
    assert len({identify_chance(g) for g in (grid, wider, other)}) == 3


def test_a_failing_metric_is_a_score_with_its_reason(grid, tmp_path):
    request = ScoreRequest("mig_histogram", {"num_bins": 0})
    score_chance(Store(tmp_path), grid, [request])
    found = Store(tmp_path).load_scores(identify_chance(grid), [request.key])
    assert found[request.key].status == "failed"
    assert "num_bins" in found[request.key].reason
