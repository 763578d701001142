"""Kernels and bytes of a step: they may become fewer, and no more."""

import pytest
import torch

from priorbench import compiled
from priorbench.bench.speed.counts import CountedStep, count_step
from priorbench.bench.speed.kernels import KernelCounter

SMALL = {"architecture": {"name": "mlp", "hidden": 16}, "side": 16, "batch": 64}

SLACK = 1.03
"""What another version of PyTorch may take more."""

# prior, objective, precision, seeds; kernels of a step, kilobytes of a seed
COUNTS = [
    ("normal", "beta_vae", "fp32", 1, 85, 1873),
    ("normal", "beta_vae", "bf16", 1, 118, 1645),
    ("normal", "beta_vae", "bf16", 2, 125, 1738),
    ("normal", "beta_tcvae", "fp32", 2, 124, 2425),
    ("ISA, learned", "beta_vae", "fp32", 2, 189, 2274),
    ("S4×4", "beta_vae", "fp32", 2, 80, 1828),
    ("S10×[S9]×3", "beta_tcvae", "fp32", 2, 178, 5063),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prior", "objective", "precision", "seeds", "kernels", "kilobytes"), COUNTS
)
def test_a_step_takes_no_more(prior, objective, precision, seeds, kernels, kilobytes):
    found = count_step(CountedStep(prior, objective, precision, seeds, **SMALL))
    assert kernels / 1.2 < found["kernels"] <= SLACK * kernels
    assert kilobytes / 1.2 < found["bytes_per_seed"] / 1e3 <= SLACK * kilobytes


@pytest.mark.slow
def test_a_block_in_bfloat16_moves_few_more_bytes_than_seeds_alone():
    alone, block = (
        count_step(CountedStep("normal", precision="bf16", seeds=seeds, **SMALL))
        for seeds in (1, 2)
    )
    assert block["bytes_per_seed"] < 1.1 * alone["bytes_per_seed"]


def test_views_and_allocations_are_free():
    x = torch.zeros(4, 6)
    with KernelCounter() as counter:
        x.T[1:].unsqueeze(0).expand(3, -1, -1).detach().split(2, -1)
        torch.empty_like(x).view(-1)
    assert not counter.kernels


def test_bytes_are_those_that_are_touched():
    table, rows, few = torch.zeros(1000, 4), torch.tensor([3, 5]), torch.zeros(2, 4)
    with KernelCounter() as counter:
        few.add_(few)  # read once, written once
        few.copy_(table[rows])  # two rows and their indices; read and written
        few.fill_(1.0)
        few + few[:1].expand(2, 4)
    assert dict(counter.bytes) == {
        "add_": 64,
        "index": 16 + 64,
        "copy_": 64,
        "fill_": 32,
        "add": 32 + 16 + 32,
    }


def test_a_batched_bias_is_copied_first():
    x, weight, bias = torch.zeros(2, 3, 4), torch.zeros(2, 4, 5), torch.zeros(2, 1, 5)
    with KernelCounter() as counter:
        torch.baddbmm(bias, x, weight)
    assert counter.kernels["baddbmm"] == 2
    assert counter.bytes["baddbmm"] == 4 * (10 + 24 + 40 + 3 * 30)


def test_a_fused_function_is_one_kernel():
    @compiled.fuse_on_gpu
    def double_sine(x):
        return (2 * x).sin()

    x = torch.zeros(8)
    with KernelCounter() as counter:
        double_sine(x)
    assert counter.kernels == {"double_sine": 1}
    assert counter.bytes.total() == 64
    assert not compiled.is_fused(x)
