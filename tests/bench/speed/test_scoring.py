import torch

from priorbench.bench.speed import scoring, storage


def test_mig_is_timed_both_ways():
    found = scoring.measure_scoring(torch.device("cpu"), latents=3, sizes=(2, 4, 3))
    assert found["exact_seconds"] > 0
    assert found["times"] == found["sampled_seconds"] / found["exact_seconds"]


def test_its_codes_have_something_to_find():
    """The factors' latents are found, so that the grids are those of a trained model."""
    from priorbench.metrics import get

    codes = scoring._make_codes(torch.device("cpu"), 4, (2, 5, 5))
    assert get("mig")(codes)["mig"] > 0.5


def test_records_are_scanned_and_reported_on():
    found = storage.measure_records(scanned=30, reported=20)
    assert found["scan_seconds"] > 0
    assert found["report_seconds"] > 0
