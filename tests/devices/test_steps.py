"""Steps on a GPU: recorded, without a wait, nothing left on the host."""

import logging

import pytest
import torch

from priorbench.bench import objectives
from priorbench.bench.models.build import build_model
from priorbench.bench.speed.kernels import KernelCounter
from priorbench.bench.training.ensemble import Ensemble, Loss
from priorbench.bench.training.pixels import Pixels
from priorbench.datasets import FactorDataset
from tests.devices.stand_in import CUDA, Waits
from tests.test_conformance import CASES, DIM

SIDE, BATCH, STEPS = 6, 8, 5

OBJECTIVES = {
    "beta_vae": {},
    "beta_tcvae": {},
    "beta_tcvae weighted": {"estimator": "weighted"},
    "beta_tcvae latents": {"over": "latents"},
    "capacity": {},
    "capacity batch": {"over": "batch"},
    "factor_vae": {"hidden": 8},
}
PRECISIONS = ("fp32", "bf16")

SINGLE = ("hypersphere power spherical", "diffusion_sphere")
"""Priors whose posterior has no density of single latents; the second has one group."""

EVERY = [
    (prior, objective, precision)
    for prior in CASES
    for objective in OBJECTIVES
    for precision in PRECISIONS
    if not (prior in SINGLE and objective in ("beta_tcvae latents", "factor_vae"))
]
QUICK = [
    *((prior, "beta_vae", "fp32") for prior in CASES),
    *(("normal", objective, "fp32") for objective in OBJECTIVES),
    ("normal", "beta_tcvae", "bf16"),
    ("isa learned", "factor_vae", "bf16"),
]
SLOW = [
    pytest.param(*case, marks=pytest.mark.slow) for case in EVERY if case not in QUICK
]


def make_ensemble(prior, objective, precision, seeds, place):
    def build():
        name, arguments = CASES[prior]
        model = build_model(
            {"name": name, **arguments},
            {"name": "mlp", "hidden": 8},
            {"name": "bernoulli"},
            DIM,
            (1, SIDE, SIDE),
            precision,
        )
        kind = objective.split()[0]
        made = objectives.registry.build(kind, beta=2.0, **OBJECTIVES[objective])
        made.adapt(model.prior)
        return Loss(model, made)

    return Ensemble(build, range(seeds), 1e-3, torch.device(place))


def make_pixels(place):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(64, 1, SIDE, SIDE, generator=generator).round()
    data = FactorDataset(
        "bits",
        ("a", "b"),
        (8, 8),
        (1, SIDE, SIDE),
        pixels=images.mul(255).byte().flatten(1).numpy(),
    )
    return Pixels(data, torch.device(place))


@pytest.fixture
def tables(prior):
    """Compute what a prior keeps on the host, which the stand-in would slow down."""
    make_ensemble(prior, "beta_vae", "fp32", 1, "cpu").step(
        make_pixels("cpu"), BATCH, 0, 0, 1
    )


@pytest.mark.parametrize(
    ("prior", "objective", "precision"), [*dict.fromkeys(QUICK), *SLOW]
)
def test_steps_are_recorded(tables, device, caplog, prior, objective, precision):
    ensemble = make_ensemble(prior, objective, precision, 2, CUDA)
    pixels = make_pixels(CUDA)
    with caplog.at_level(logging.WARNING):
        for number in range(STEPS):
            ensemble.step(pixels, BATCH, 0, number, 1)
            if number == 0:  # constants are brought to the device once
                device.reset()
    assert not caplog.records
    assert not device.waits
    assert ensemble.recorded


def test_values_are_those_of_the_cpu(device):
    """Of the seeds that are left, too, whose step is recorded anew."""
    found = []
    for place in ("cpu", CUDA):
        ensemble = make_ensemble("isa learned", "beta_tcvae", "fp32", 3, place)
        pixels = make_pixels(place)
        values = []
        for epoch, alive in enumerate([[True, False, True], [True, True]]):
            for number in range(STEPS):
                losses = ensemble.step(pixels, BATCH, epoch, number, 2)
                values.append(torch.stack(losses).cpu().flatten())
            assert ensemble.recorded == (place == CUDA)
            ensemble.keep(alive)
        found.append(torch.cat(values))
    torch.testing.assert_close(*found[::-1])


@pytest.mark.parametrize("prior", ["normal", "isa learned", "hypersphere"])
def test_kernels_are_those_that_are_counted_on_a_cpu(tables, device, prior):
    found = []
    for place in ("cpu", CUDA):
        ensemble = make_ensemble(prior, "beta_vae", "fp32", 2, place)
        pixels = make_pixels(place)
        for number in range(2):
            with KernelCounter(torch.device(place).type) as counter:
                ensemble.step(pixels, BATCH, 0, number, 1)
        found.append((counter.kernels, counter.bytes))
    assert found[0] == found[1]


def test_what_mixes_host_and_device_is_found(device):
    with pytest.raises(RuntimeError, match="same device"):
        torch.zeros(2, device=CUDA) + torch.zeros(2)
    with device.forbid_waits("forbidden"), pytest.raises(Waits, match="nonzero"):
        torch.zeros(2, device=CUDA).nonzero()
