import math
from dataclasses import replace

import pytest
import torch

from priorbench.metrics import Codes, mig, mig_groups
from priorbench.priors import Gaussian
from tests.metrics.synthetic_codes import OpaqueGaussian, unit_vectors


def test_singletons_are_mig(toy):
    codes = toy(excluded=("b",), groups=[[2], [0], [1], [3]])
    got, expected = mig_groups(codes), mig(codes)
    assert got["mig_groups"] == pytest.approx(expected["mig"], abs=1e-12)
    assert got["mig_groups_se"] == 0
    torch.testing.assert_close(
        got["group_mutual_information"], expected["mutual_information"][[2, 0, 1, 3]]
    )


def test_sampled_singletons_agree_with_quadrature(toy):
    codes = toy()
    got = mig_groups(replace(codes, posterior=OpaqueGaussian()(codes.posterior.params)))
    assert 0 < got["mig_groups_se"] < 0.05
    assert abs(got["mig_groups"] - mig(codes)["mig"]) < 3 * got["mig_groups_se"]


def test_oracle_weight_counts_once(make_codes):
    # Two dimensions that know nothing: 0, where a weight for each would give log 6 = 1.79.
    codes = make_codes(
        torch.zeros(6, 2), 1.0, torch.arange(6)[:, None], (6,), groups=[[0, 1]]
    )
    got = mig_groups(codes)
    assert got["mig_groups"] == pytest.approx(0.0, abs=1e-12)
    assert got["group_mutual_information"].item() == pytest.approx(0.0, abs=1e-12)


def test_group_of_independent_copies_adds_up(make_codes, grid):
    # Each group holds one factor, half in each coordinate: I(z_g; v) is the sum of the halves.
    v = grid(4, 4).repeat(60, 1)
    loc = (
        torch.stack([v[:, 0] % 2, v[:, 0] // 2, v[:, 1] % 2, v[:, 1] // 2], dim=1) * 2.0
        - 1
    )
    got = mig_groups(
        make_codes(loc, 1.0, v, (4, 4), groups=[[0, 1], [2, 3]]), num_samples=900
    )
    expected = 2 * 0.3368308203468316 / math.log(4)
    assert abs(got["mig_groups"] - expected) < 3 * got["mig_groups_se"] < 0.1


def test_perfect_groups_score_one(make_codes, grid):
    v = grid(3, 4)
    loc = 40.0 * v[:, [0, 0, 1, 1]]
    got = mig_groups(make_codes(loc, 1.0, v, (3, 4), groups=[[0, 1], [2, 3]]))
    assert got["mig_groups"] == pytest.approx(1, abs=1e-12)


def test_one_group_is_normalised_information(make_codes, grid):
    v = grid(3, 4)
    got = mig_groups(make_codes(40.0 * v, 1.0, v, (3, 4), groups=[[0, 1]]))
    assert got["mig_groups"] == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(
        got["group_mutual_information"],
        torch.tensor([[math.log(3), math.log(4)]]).double(),
    )


def test_invariant_to_the_order_of_points_and_scale(toy):
    codes = toy(groups=[[0, 1], [2, 3]])
    q, points = codes.posterior, torch.randperm(240)
    params = torch.cat([10 * q.loc, q.log_scale + math.log(10)], dim=1)[points]
    changed = Codes(
        Gaussian()(params),
        10 * codes.z[points],
        codes.log_prior[points],
        codes.factors[points],
        codes.factor_names,
        codes.factor_sizes,
        codes.groups,
    )
    for name, value in mig_groups(codes).items():
        torch.testing.assert_close(mig_groups(changed)[name], value, atol=1e-10, rtol=0)


def test_uneven_scales_do_not_underflow(make_codes):
    scale = torch.tensor([[1e-6] * 8, [1.0] * 8]).repeat(50, 1)
    codes = make_codes(
        torch.zeros(100, 8),
        scale,
        torch.arange(2).repeat(50)[:, None],
        (2,),
        groups=[list(range(8))],
    )
    assert mig_groups(codes)["mig_groups"] == pytest.approx(1, abs=1e-12)


def test_oracle_circle_is_exact(make_spherical):
    circle = unit_vectors(torch.arange(8) * math.pi / 4 + 1)
    got = mig_groups(make_spherical([circle], 10.0, torch.arange(8)[:, None], (8,)))
    assert got["mig_groups"] == pytest.approx(
        1.541325583323526 / math.log(8), abs=1e-12
    )
    assert got["mig_groups_se"] == 0


@pytest.mark.parametrize(
    ("m", "kappa", "expected"),
    [(3, 2.0, 0.3907045990451182), (10, 5.0, 0.5361441211512981)],
)
def test_oracle_sphere_is_sampled(make_spherical, m, kappa, expected):
    poles = torch.eye(m)[0] * torch.tensor([[1.0], [-1.0]]).repeat(1000, 1)
    fixed = torch.eye(2)[:1].expand(2000, 2)
    got = mig_groups(
        make_spherical(
            [poles, fixed], kappa, torch.arange(2).repeat(1000)[:, None], (2,)
        ),
        num_samples=2000,
    )
    assert 0 < got["mig_groups_se"] < 0.02
    assert abs(got["mig_groups"] * math.log(2) - expected) < 4 * got["mig_groups_se"]
    assert got["group_mutual_information"][1].abs().max() < 1e-12


def test_product_samples_only_what_it_must(product):
    codes = product()
    got, latents = mig_groups(codes), mig(codes)["mutual_information"]
    information = got["group_mutual_information"]
    torch.testing.assert_close(information[:2], latents[:2], atol=1e-12, rtol=0)
    # a circle knows more than each of its coordinates, a sphere too but for the samples' noise
    assert (information[2] > latents[2:4].amax(0) - 1e-12).all()
    assert (information[3] > latents[4:].amax(0) - 0.1).all()
    assert got["mig_groups_se"] > 0
    assert mig_groups(codes, num_samples=60)["mig_groups_se"] > got["mig_groups_se"]
    torch.testing.assert_close(
        mig_groups(codes, num_samples=60)["group_mutual_information"][:3],
        information[:3],
    )


def test_groups_across_families_are_joint(product):
    codes = product(groups=((0, 2, 3), (1, 4, 5, 6)))
    joint = mig_groups(codes)["group_mutual_information"]
    alone = mig_groups(product())["group_mutual_information"]
    assert (joint[0] > torch.maximum(alone[0], alone[2]) - 0.15).all()
    assert joint[0, 0].item() == pytest.approx(alone[0, 0].item(), abs=0.1)


def test_perfect_and_constant_spheres(make_spherical, grid):
    v = grid(3, 4).repeat(20, 1)
    spheres = [
        torch.eye(5)[v[:, 0]],
        unit_vectors(v[:, 1] * math.pi / 2),
        torch.eye(3)[v[:, 0] * 0],
    ]
    got = mig_groups(make_spherical(spheres, 1e4, v, (3, 4)))
    assert got["mig_groups"] == pytest.approx(1, abs=1e-8)
    expected = torch.tensor([[3.0, 1], [1, 4], [1, 1]], dtype=torch.float64).log()
    torch.testing.assert_close(
        got["group_mutual_information"], expected, atol=1e-8, rtol=0
    )


def test_narrow_beside_uniform_does_not_overflow(make_spherical):
    # where a narrow posterior is, it is e^1300 times denser than the uniform ones
    kappa = torch.tensor([1e-3, 1e12], dtype=torch.float64).repeat(40)
    poles = torch.eye(100)[0].expand(80, 100)
    got = mig_groups(
        make_spherical([poles], kappa, torch.arange(2).repeat(40)[:, None], (2,))
    )
    assert got["mig_groups"] == pytest.approx(1, abs=1e-8)


def test_part_of_a_sphere_is_refused(make_spherical):
    codes = make_spherical(
        [torch.eye(4)[:2]], 2.0, torch.arange(2)[:, None], (2,), groups=[[0, 1], [2, 3]]
    )
    with pytest.raises(
        ValueError, match=r"joint densities of whole spheres .* group \(0, 1\)"
    ):
        mig_groups(codes)
