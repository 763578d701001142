"""Metrics on a device with little memory."""

import logging

import torch

from priorbench.bench.scoring.evaluate import CodesOnly, score_model
from priorbench.bench.study.scores import ScoreRequest
from priorbench.metrics.base import Codes, Metric, registry
from priorbench.priors import Gaussian
from tests.devices.stand_in import CUDA

COUNT, LATENTS = 40, 3


def make_codes(device):
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(COUNT, 2 * LATENTS, generator=generator)
    factors = torch.arange(COUNT).view(-1, 1) % 4
    q = Gaussian()(raw.to(device))
    return Codes(
        q,
        z=q.representation,
        log_prior=torch.zeros(COUNT, device=device),
        factors=factors.to(device),
        factor_names=("a",),
        factor_sizes=(4,),
        groups=tuple((i,) for i in range(LATENTS)),
    )


def test_a_metric_that_has_no_room_runs_on_the_cpu(device, caplog, monkeypatch):
    """Nothing that was trained is lost for it, and its values are those of the CPU."""
    seen = []

    def fill_device(codes):
        seen.append(codes.z.device.type)
        if codes.z.device.type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return registry.get("mig")(codes)

    monkeypatch.setitem(registry._entries, "mine", Metric("mine", fill_device))
    with caplog.at_level(logging.WARNING):
        (score,) = score_model(CodesOnly(make_codes(CUDA)), [ScoreRequest("mine")])
    assert seen == ["cuda", "cpu"]
    expected = registry.get("mig")(make_codes("cpu"))
    expected.pop("mutual_information")  # an array
    assert score.values == expected
    assert "'mine' has no room in the device's memory" in caplog.text


def test_values_of_metrics_are_those_of_the_cpu(device):
    requests = [ScoreRequest("mig"), ScoreRequest("elbo_decomposition")]
    found = score_model(CodesOnly(make_codes(CUDA)), requests)
    expected = score_model(CodesOnly(make_codes("cpu")), requests)
    for one, other in zip(found, expected, strict=True):
        assert one.reason is None
        torch.testing.assert_close(one.values, other.values)
