from dataclasses import replace

import pytest
import torch

from priorbench.metrics import Codes, mig, mig_groups, mig_histogram, mig_sampled
from priorbench.metrics.information.factor_table import FactorTable
from priorbench.metrics.information.harmonics import coordinate_information
from priorbench.metrics.information.latent_information import METHOD_NAMES
from priorbench.metrics.information.quadrature import bound_quadrature_error
from priorbench.metrics.information.sampled import information_terms, standard_error
from priorbench.priors import Gaussian, PowerSpherical
from tests.metrics.synthetic_codes import OpaqueGaussian, OpaquePosterior

FINE = 0.25


def test_oracle_levels_beside_an_independent_latent(make_codes):
    loc = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    scale = torch.tensor([[0.5, 1.0]])
    codes = make_codes(loc, scale, torch.arange(4)[:, None], (4,))
    assert mig(codes, step=FINE)["mig"] == pytest.approx(0.60970655206593, abs=1e-10)


def test_oracle_grid_toy(make_codes, grid):
    v = grid(2, 3)
    loc = torch.stack([2 * v[:, 0], v[:, 1], v[:, 0] + v[:, 1] / 2], dim=1)
    scale = torch.tensor([[0.5, 0.4, 0.6]], dtype=torch.float64)
    scores = mig(make_codes(loc, scale, v, (2, 3)), step=FINE)
    expected = torch.tensor(
        [
            [0.6327201937368669, 0.0, 0.19268673747477083],
            [0.0, 0.7628254719404951, 0.12229914719498831],
        ],
        dtype=torch.float64,
    ).T
    torch.testing.assert_close(
        scores["mutual_information"], expected, atol=1e-10, rtol=0
    )
    assert scores["mig_a"] == pytest.approx(0.6348340851745568, abs=1e-10)
    assert scores["mig_b"] == pytest.approx(0.5830321864704806, abs=1e-10)
    assert scores["mig"] == pytest.approx(0.6089331358225186, abs=1e-10)


def test_perfect_codes_score_one(make_codes, grid):
    v = grid(3, 4)
    scores = mig(make_codes(20 * v, 1.0, v, (3, 4)), step=0.5)
    assert scores["mig"] == pytest.approx(1, abs=1e-8)


def test_constant_codes_score_nothing(make_codes, grid):
    v = grid(3, 4)
    scores = mig(make_codes(torch.zeros(12, 3), 1.0, v, (3, 4)))
    assert scores["mig"] == 0
    assert (scores["mutual_information"] == 0).all()


def test_independent_codes_score_nothing(make_codes, grid):
    v = grid(
        3, 4, 5
    )  # the latents follow the last factor, which is not one of those scored
    scores = mig(make_codes(v[:, 2:].repeat(1, 2), 0.5, v[:, :2], (3, 4)))
    assert scores["mig"] == pytest.approx(0, abs=1e-12)


def test_duplicated_code_leaves_no_gap(make_codes, grid):
    v = grid(3, 4)
    scores = mig(make_codes(9 * v[:, [0, 0, 1]], 1.0, v, (3, 4)))
    assert scores["mig_a"] == 0
    assert scores["mig_b"] > 0.9


def test_one_latent_has_no_second(make_codes):
    codes = make_codes([[-1.0], [1.0]], 1.0, torch.arange(2)[:, None], (2,))
    assert mig(codes, step=FINE)["mig"] == pytest.approx(0.48594415413293535, abs=1e-10)


def test_excluded_and_single_valued_factors(make_codes, grid):
    v = torch.cat([grid(2, 3), torch.zeros(6, 1, dtype=torch.int64)], dim=1)
    codes = make_codes(
        v[:, :2], 0.4, v, (2, 3, 1), excluded=("a",), factor_names=("a", "b", "c")
    )
    scores = mig(codes)
    assert scores["mig"] == scores["mig_b"]
    assert scores["mig_all_factors"] == pytest.approx(
        (scores["mig_a"] + scores["mig_b"]) / 2
    )
    assert "mig_c" not in scores
    assert scores["mutual_information"][:, 2] == pytest.approx([0, 0], abs=1e-12)


def test_permuting_latents_points_and_relabelling(toy):
    codes = toy()
    expected = mig(codes)
    order, points = torch.tensor([2, 0, 3, 1]), torch.randperm(240)
    q = codes.posterior
    params = torch.cat([q.loc[:, order], q.log_scale[:, order]], dim=1)[points]
    relabel = torch.randperm(12)
    factors = torch.stack(
        [3 - codes.factors[:, 0], codes.factors[:, 1], relabel[codes.factors[:, 2]]],
        dim=1,
    )[points]
    changed = Codes(
        Gaussian()(params),
        codes.z[points][:, order],
        codes.log_prior[points],
        factors,
        codes.factor_names,
        codes.factor_sizes,
        codes.groups,
    )
    got = mig(changed)
    for name in ("mig", "mig_a", "mig_b", "mig_c"):
        assert got[name] == pytest.approx(expected[name], abs=1e-12)
    torch.testing.assert_close(
        got["mutual_information"],
        expected["mutual_information"][order],
        atol=1e-12,
        rtol=0,
    )


def test_affine_change_of_a_latent(toy, make_codes):
    codes = toy()
    factor, shift = (
        torch.tensor([100.0, -0.01, 3.0, 1.0]),
        torch.tensor([5.0, 1.0, -7.0, 0.0]),
    )
    changed = make_codes(
        codes.posterior.loc * factor + shift,
        codes.posterior.scale * factor.abs(),
        codes.factors,
        codes.factor_sizes,
    )
    assert mig(changed)["mig"] == pytest.approx(mig(codes)["mig"], abs=1e-7)


def test_uneven_factors_and_missing_values_score_one(make_codes):
    # 10% / 90%, and four of eight values
    rare = (torch.arange(200) % 10 == 0).long()
    few = 2 * (torch.arange(200) // 10 % 4)
    v = torch.stack([rare, few], dim=1)
    codes = make_codes(30 * v, 0.5, v, (2, 8))
    for metric in (mig, mig_groups, mig_sampled, mig_histogram):
        for f in range(2):
            alone = replace(
                codes,
                factors=v[:, [f]],
                factor_names=("ab"[f],),
                factor_sizes=((2, 8)[f],),
            )
            scores = metric(alone)
            assert scores[metric.__name__] == pytest.approx(1, abs=1e-3)
    assert mig(codes)["mig_a"] == pytest.approx(1, abs=1e-6)
    assert mig(codes)["mig_b"] == pytest.approx(1, abs=1e-6)


def test_nuisance_factors_do_not_count(make_codes, grid):
    v = grid(2, 3, 4)
    loc = torch.stack([v[:, 0], v[:, 1] + v[:, 2], v[:, 2]], dim=1)
    codes = make_codes(loc, 0.2, v, (2, 3, 4), nuisance=("c",), excluded=("a",))
    scores = mig(codes)
    assert scores["mig"] == scores["mig_b"]
    gaps = [scores[f"mig_{name}"] for name in "abc"]
    assert scores["mig_all_factors"] == pytest.approx(sum(gaps) / 3)
    without = make_codes(loc, 0.2, v[:, :2], (2, 3), excluded=("a",))
    for metric in (mig, mig_groups, mig_histogram):
        name = metric.__name__
        assert metric(codes)[name] == pytest.approx(metric(without)[name], abs=1e-9)


@pytest.mark.parametrize("name", ["error", "all_factors", "quadrature_latents"])
def test_a_factor_with_the_name_of_another_column(make_codes, grid, name):
    v = grid(2, 3)
    codes = make_codes(v, 0.2, v, (2, 3), factor_names=("size", name))
    with pytest.raises(ValueError, match=f"the gap of factor {name!r} would be called"):
        mig(codes)


def test_incomplete_factors(make_codes, grid):
    # Fewer data points than combinations, and a third factor that never varies.
    v = torch.cat([grid(4, 6), torch.zeros(24, 1, dtype=torch.int64)], dim=1)
    keep = torch.cat([torch.arange(9), torch.arange(13, 24)])
    codes = make_codes(30 * v[keep][:, :2], 1.0, v[keep], (4, 6, 5))
    scores = mig(codes)
    information = scores["mutual_information"]
    assert "mig_c" not in scores
    assert information[:, 2].abs().max() < 1e-12
    for f in range(2):
        shares = torch.bincount(v[keep][:, f]).double() / 20
        entropy = torch.special.entr(shares).sum().item()
        assert information[f, f].item() == pytest.approx(entropy, abs=1e-6)
        gap = (entropy - information[1 - f, f].item()) / entropy
        assert scores["mig_" + "ab"[f]] == pytest.approx(gap, abs=1e-6)


def test_narrow_latent_is_sampled(make_codes, grid):
    v = grid(3, 4).repeat(40, 1)
    scale = torch.full((480, 2), 0.3)
    scale[0, 1] = 1e-6
    scores = mig(make_codes(v, scale, v, (3, 4)))
    reference = mig(make_codes(v, 0.3, v, (3, 4)))
    assert (scores["mig_quadrature_latents"], reference["mig_quadrature_latents"]) == (
        1.0,
        2.0,
    )
    assert scores["mig_a"] == pytest.approx(reference["mig_a"], abs=0.02)
    assert scores["mig_b"] == pytest.approx(reference["mig_b"], abs=0.06)


def test_errors(make_codes, grid, toy):
    v = grid(2, 3)
    with pytest.raises(ValueError, match="factor of more than one value"):
        mig(make_codes(v, 1.0, v, (2, 3), excluded=("a", "b")))
    codes = toy()

    class WholeGroups(OpaquePosterior):
        def log_prob_pairs(self, z, groups):
            raise ValueError("whole groups only")

    class Wrapped(OpaqueGaussian):
        def __call__(self, params):
            return WholeGroups(params, self)

    with pytest.raises(
        ValueError,
        match=r"Wrapped cannot be sampled there \(whole groups only\)"
        ".*'mig_groups'",
    ):
        mig(replace(codes, posterior=Wrapped()(codes.posterior.params)))


def test_other_families_are_sampled(toy):
    codes = toy()
    got = mig(replace(codes, posterior=OpaqueGaussian()(codes.posterior.params)))
    assert got["mig_monte_carlo_latents"] == 4
    assert 0.01 < got["mig_error"] < 0.5
    assert abs(got["mig"] - mig(codes)["mig"]) < got["mig_error"]


def test_error_bounds_the_difference_to_a_finer_grid(toy):
    codes = toy()
    exact = mig(codes, step=0.1)["mig"]
    for step in (0.25, 0.5, 1.0, 1.5):
        got = mig(codes, step=step)
        assert (
            abs(got["mig"] - exact)
            <= got["mig_error"]
            < 5 * bound_quadrature_error(step)
        )


def test_every_family_of_a_product_has_its_method(product):
    got = mig(product())
    counts = [got[f"mig_{name}_latents"] for name in METHOD_NAMES]
    assert counts == [2, 5, 0]
    assert got["mig_error"] < 2e-5
    latents = [[i] for i in range(7)]
    codes = product()
    fine = mig(codes, step=0.2)["mutual_information"]
    torch.testing.assert_close(got["mutual_information"], fine, atol=5e-6, rtol=0)
    table = FactorTable.from_factors(codes.factors, codes.factor_sizes)
    terms = information_terms(
        codes.posterior, codes.z, table, latents, torch.arange(120)
    )
    assert ((terms.mean(0) - fine).abs() < 4 * standard_error(terms) + 0.01).all()


def test_product_agrees_with_its_parts(product, make_codes):
    codes = product()
    information = mig(codes)["mutual_information"]
    table = FactorTable.from_factors(codes.factors, codes.factor_sizes)
    gaussian, circle, sphere = codes.posterior.independent_parts()
    alone = make_codes(
        gaussian[0].loc, gaussian[0].scale, codes.factors, codes.factor_sizes
    )
    torch.testing.assert_close(
        information[:2], mig(alone)["mutual_information"], atol=1e-12, rtol=0
    )
    for part, columns in (circle, sphere):
        expected, _ = coordinate_information(part, range(len(columns)), table)
        torch.testing.assert_close(
            information[list(columns)], expected, atol=1e-12, rtol=0
        )


def test_perfect_constant_and_independent_coordinates(make_spherical, grid):
    v = grid(2, 3)
    poles = torch.eye(4).double()[0] * (1 - 2 * v[:, :1])
    fixed = torch.eye(4).double()[1].expand(6, 4)
    scores = mig(make_spherical([poles, fixed], 200.0, v, (2, 3)))
    assert scores["mig_a"] == pytest.approx(1, abs=1e-8)
    assert scores["mig_b"] == pytest.approx(0, abs=1e-8)
    assert scores["mutual_information"][4:].abs().max() < 1e-12
    assert scores["mig_harmonic_latents"] == 8


def test_narrow_sphere_falls_back_and_is_counted(make_spherical, grid):
    v = grid(4, 3).repeat(20, 1)
    generator = torch.Generator().manual_seed(0)
    direction = (
        torch.nn.functional.one_hot(v[:, 0], 4)
        + 0.3 * torch.randn(240, 4, generator=generator).double()
    )
    kappa = torch.full((240,), 60.0, dtype=torch.float64)
    reference = mig(make_spherical([direction, direction.flip(1)], kappa, v, (4, 3)))
    kappa[0] = 1e7
    got = mig(
        make_spherical([direction, direction.flip(1)], kappa, v, (4, 3)),
        num_samples=240,
    )
    assert (reference["mig_harmonic_latents"], got["mig_monte_carlo_latents"]) == (8, 8)
    assert reference["mig_error"] < 1e-7 < got["mig_error"]
    difference = got["mutual_information"] - reference["mutual_information"]
    assert difference.abs().max() < 0.15


def test_narrow_sphere_without_coordinate_densities_is_refused(make_spherical):
    codes = make_spherical(
        [torch.eye(3)[:2]], 1e8, torch.arange(2)[:, None], (2,), family=PowerSpherical
    )
    with pytest.raises(
        ValueError, match=r"PowerSpherical cannot be sampled.*'mig_groups'"
    ):
        mig(codes)
    assert mig_groups(codes)["mig_groups"] == pytest.approx(1, abs=1e-12)


def test_perfect_code_of_a_dataset_with_a_factor_left_out(make_codes, grid):
    # A published score of cars3d fills a third factor's row with zeros and gives 0.638 here.
    v = grid(4, 24)
    codes = make_codes(40 * v, 1.0, v, (4, 24))
    assert mig(codes)["mig"] == pytest.approx(1, abs=1e-7)
