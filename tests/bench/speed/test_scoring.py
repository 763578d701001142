import torch

from priorbench.bench.results import load_results
from priorbench.bench.speed import scoring, storage
from priorbench.metrics.base import registry


def test_a_metric_is_timed_both_ways():
    measured = scoring.measure_scoring(torch.device("cpu"), latents=3, sizes=(2, 4, 3))
    found = measured["mig"]
    assert found["exact_seconds"] > 0
    assert found["times"] == found["sampled_seconds"] / found["exact_seconds"]


def test_its_codes_have_something_to_find():
    """The factors' latents are found, so that the grids are those of a trained model."""
    codes = scoring.make_codes(torch.device("cpu"), 4, (2, 5, 5))
    assert registry.get("mig")(codes)["mig"] > 0.5


def test_records_are_scanned_and_reported_on():
    found = storage.measure_records(scanned=30)
    assert found["scan_seconds"] > 0
    assert found["report_seconds"] > 0


def test_runs_are_those_of_one_study(tmp_path):
    results = load_results(storage.save_study(tmp_path, 80))
    assert len({result.id for result in results}) == 80
    assert len({(result.method, result.beta) for result in results}) == 2
    assert all(result.headlines == ("headline",) for result in results)
