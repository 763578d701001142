import pytest
import torch

from priorbench.metrics import mig, mig_sampled
from priorbench.priors import PowerSpherical


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_quadrature(make_codes, grid, seed):
    v = grid(3, 4).repeat(100, 1)
    generator = torch.Generator().manual_seed(seed)
    loc = v @ torch.tensor([[1, 0, 1], [0, 1, 1]])
    scale = 0.3 + torch.rand(loc.shape, generator=generator)
    codes = make_codes(loc, scale, v, (3, 4), seed=seed)
    got = mig_sampled(codes, num_samples=300)
    exact = mig(codes)["mig"]
    assert 0.002 < got["mig_sampled_se"] < 0.05
    assert abs(got["mig_sampled"] - exact) < 3 * got["mig_sampled_se"]


def test_standard_error_is_that_of_the_estimates(make_codes, grid):
    v = grid(2, 3).repeat(200, 1)
    scores = [
        mig_sampled(make_codes(v, 0.5, v, (2, 3), seed=s), num_samples=60)
        for s in range(40)
    ]
    estimates = torch.tensor([s["mig_sampled"] for s in scores])
    claimed = torch.tensor([s["mig_sampled_se"] for s in scores]).mean()
    assert 0.65 < (estimates.std() / claimed).item() < 1.35


def test_excluded_factors_do_not_count(make_codes, grid):
    v = grid(2, 3).repeat(20, 1)
    only = mig_sampled(make_codes(v, 0.2, v[:, 1:], (3,)))["mig_sampled"]
    both = mig_sampled(make_codes(v, 0.2, v, (2, 3), excluded=("a",)))["mig_sampled"]
    assert both == pytest.approx(only, abs=1e-12)


def test_same_seed_same_score(toy):
    assert mig_sampled(toy(), num_samples=50) == mig_sampled(toy(), num_samples=50)


def test_agrees_with_harmonics_on_a_sphere(make_spherical, grid):
    v = grid(3, 4).repeat(60, 1)
    generator = torch.Generator().manual_seed(0)
    direction = (v / torch.tensor([1.0, 1.5])) @ torch.tensor(
        [[1.0, 0, 1], [0, 1.0, -1]]
    ) - 0.7
    direction = direction + 0.1 * torch.randn(720, 3, generator=generator)
    codes = make_spherical([direction], 20.0, v, (3, 4))
    got, exact = mig_sampled(codes, num_samples=400), mig(codes)
    assert exact["mig_error"] < 1e-8
    assert abs(got["mig_sampled"] - exact["mig"]) < 4 * got["mig_sampled_se"] < 0.2


def test_families_without_single_densities_are_refused(make_spherical):
    codes = make_spherical(
        [torch.eye(3)], 5.0, torch.arange(3)[:, None], (3,), family=PowerSpherical
    )
    with pytest.raises(
        ValueError, match=r"PowerSpherical lacks .*ask for 'mig' or 'mig_groups'"
    ):
        mig_sampled(codes)
    assert mig(codes)["mutual_information"].min() > 0.1
