"""What the posteriors on spheres have in common."""

import math
from dataclasses import FrozenInstanceError

import pytest
import torch
from scipy import integrate

from priorbench.priors import Diffusion, PowerSpherical, VonMisesFisher
from priorbench.priors.spheres import bessel
from priorbench.priors.spheres.geometry import log_surface_area, normalise_vectors
from tests.priors.posteriors.one_sphere import make_axis, make_posterior

pytestmark = pytest.mark.usefixtures("float64")
FAMILIES = [VonMisesFisher, PowerSpherical]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("m", "kappa"), [(2, 0.3), (2, 40.0), (3, 5.0), (10, 30.0), (41, 100.0)]
)
def test_density_normalises_and_its_harmonics(family, m, kappa):
    q = make_posterior(make_axis(m), kappa, family)

    def density(theta):
        z = math.cos(theta) * make_axis(m) + math.sin(theta) * make_axis(m, 1)
        area = math.exp(log_surface_area(m - 1)) * math.sin(theta) ** (m - 2)
        return math.exp(q.log_prob(z).item()) * area

    def mean(f):
        return integrate.quad(
            lambda t: f(math.cos(t)) * density(t), 0, math.pi, limit=400, epsabs=1e-11
        )[0]

    assert mean(lambda w: 1.0) == pytest.approx(1, abs=1e-9)
    second = (
        (lambda w: 2 * w * w - 1) if m == 2 else (lambda w: (m * w * w - 1) / (m - 1))
    )
    harmonics = q.harmonics(2).tolist()
    assert harmonics == pytest.approx([1, mean(lambda w: w), mean(second)], abs=1e-8)


@pytest.mark.parametrize("family", FAMILIES)
def test_samples_lie_on_the_sphere_for_every_direction(family):
    for m in (2, 3, 41):
        raw = torch.cat(
            [torch.eye(m), -torch.eye(m), torch.eye(m) + 1e-4 * torch.randn(m, m)]
        )
        for kappa in (-20.0, 0.0, 3.0, 100.0):
            params = torch.cat([raw, torch.full((3 * m, 1), kappa)], 1).float()
            z = family(dims=[m - 1])(params).rsample(torch.randn(200, 3 * m, m).float())
            assert z.dtype == torch.float32
            assert (z.double().norm(dim=-1) - 1).abs().max() < 3e-7


@pytest.mark.parametrize("family", FAMILIES)
def test_noise_along_the_direction_gives_a_point(family):
    """Nothing is left to go sideways with: some direction stands in."""
    q = family(dims=[2])(torch.tensor([[3.0, 0.0, 0.0, 1.0]]))
    z = q.rsample(torch.tensor([[-1.3, 0.0, 0.0]]))
    assert z.norm().item() == pytest.approx(1)
    assert abs(z[0, 0]) < 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("m", [2, 3, 11, 41])
def test_gradients_are_unbiased(family, m):
    """Against differences of the expectation, by quadrature over the density."""
    c, kappa = 0.8 * make_axis(m) + 0.5 * make_axis(m, 1), 3.0 + m

    def expectation(kappa, angle):
        """E exp(c.z) by the density's harmonics: those of exp(c.z) are von Mises–Fisher's."""
        length = c.norm()
        cosine = (c[0] * math.cos(angle) + c[1] * math.sin(angle)) / length
        b = make_posterior(make_axis(m), kappa, family).harmonics(60)
        f = make_posterior(make_axis(m), length, VonMisesFisher).harmonics(60)
        total, polynomial = 0.0, _gegenbauer(m, float(cosine), 60)
        for degree in range(61):
            total += (
                _multiplicity(m, degree) * b[degree] * f[degree] * polynomial[degree]
            )
        return float(torch.exp(bessel.log_normaliser(length, m)) * total)

    h = 1e-4
    exact_kappa = (expectation(kappa + h, 0) - expectation(kappa - h, 0)) / (2 * h)
    exact_angle = (expectation(kappa, h) - expectation(kappa, -h)) / (2 * h)
    count = 100_000
    params = torch.cat(
        [make_axis(m), torch.tensor([kappa + math.log(-math.expm1(-kappa))])]
    )
    params = params.expand(count, -1).clone().requires_grad_()
    value = torch.exp(family(dims=[m - 1])(params).rsample(torch.randn(count, m)) @ c)
    (slopes,) = torch.autograd.grad(value.sum(), params)
    in_kappa, in_angle = slopes[:, -1] / -math.expm1(-kappa), slopes[:, 1]
    for got, exact in ((in_kappa, exact_kappa), (in_angle, exact_angle)):
        assert abs(got.mean() - exact) < 4.5 * got.std() / math.sqrt(count)


def _multiplicity(m, degree):
    """Dimension of the harmonics of a degree on the sphere in m coordinates."""
    if m == 2:
        return 1 if degree == 0 else 2
    return (2 * degree + m - 2) / (m - 2) * math.comb(degree + m - 3, degree)


def _gegenbauer(m, x, degree):
    """Gegenbauer polynomials that are 1 at 1, by recurrence."""
    values = [1.0, x]
    for n in range(1, degree):
        values.append(((2 * n + m - 2) * x * values[-1] - n * values[-2]) / (n + m - 2))
    return values


@pytest.mark.parametrize("family", FAMILIES)
def test_zero_encoder_output(family):
    raw = torch.zeros(1, 14, dtype=torch.float32, requires_grad=True)
    q = family(dims=[1, 2, 1, 2])(raw)
    z = q.rsample(torch.randn(1, 10))
    total = z.sum() + q.log_prob(z).sum() + q.kl_uniform().sum() + q.entropy().sum()
    (slopes,) = torch.autograd.grad(total, raw)
    assert torch.isfinite(total)
    assert torch.isfinite(slopes).all()
    assert normalise_vectors(torch.zeros(3)).tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_not_a_number_stays_none(family):
    """So that a training that diverged is seen."""
    raw = torch.tensor([[math.nan, 0.0, 1.0, 2.0], [0.0, 3.0, 4.0, 2.0]])
    q = family(dims=[2])(raw)
    finite = torch.isfinite(q.representation).all(-1)
    assert finite.tolist() == [False, True]


@pytest.mark.parametrize("family", FAMILIES)
def test_pairs_and_groups_agree(family):
    prior_groups = ((0, 1), (2, 3, 4), (5, 6))
    q = family(dims=[1, 2, 1])(torch.randn(4, 10))
    z = q.rsample(torch.randn(4, 7))
    groups = [*prior_groups, [0, 1, 5, 6]]
    pairs = torch.stack(list(q.log_prob_pairs(z, groups)), -1)
    alone = q.log_prob_groups(z, groups)
    torch.testing.assert_close(pairs.diagonal().T, alone, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(alone[:, :3].sum(1), q.log_prob(z))
    torch.testing.assert_close(alone[:, 3], alone[:, 0] + alone[:, 2])
    torch.testing.assert_close(pairs[1, 2], q[2].log_prob_groups(z[1], groups))


def test_independent_parts_are_the_spheres():
    q = VonMisesFisher(dims=[1, 2, 1], gradient="pathwise")(torch.randn(4, 10))
    z = q.rsample(torch.randn(4, 7))
    for (part, columns), i in zip(q.independent_parts(), range(3), strict=True):
        assert part.family == VonMisesFisher((q.layout.dims[i],), gradient="pathwise")
        torch.testing.assert_close(
            part.log_prob(z[:, list(columns)]), q.log_prob_spheres(z)[:, i]
        )


@pytest.mark.parametrize("group", [[0, 2], [2, 3], [0, 1, 2]])
def test_parts_of_spheres_have_no_density_here(group):
    q = VonMisesFisher(dims=[1, 2])(torch.randn(4, 7))
    with pytest.raises(ValueError, match=r"joint densities of whole spheres"):
        q.log_prob_groups(torch.randn(4, 5), [group])


@pytest.mark.parametrize("family", FAMILIES)
def test_given_directions_and_concentrations(family):
    direction = torch.tensor([[3.0, 4.0, 0.0, 0.0, 1.0]]).expand(2, -1)
    spheres = family(dims=[1, 2])
    q = spheres.at(direction, torch.tensor([[0.0, 700.0], [1e-3, 2.0]]))
    torch.testing.assert_close(q.direction[0], torch.tensor([0.6, 0.8, 0.0, 0.0, 1.0]))
    torch.testing.assert_close(
        q.concentration, torch.tensor([[0.0, 700.0], [1e-3, 2.0]])
    )
    for wrong in (-1.0, math.inf, math.nan):
        with pytest.raises(
            ValueError, match="'concentration' must be finite and >= 0; got"
        ):
            spheres.at(direction, wrong)
    with pytest.raises(
        ValueError, match=r"must not be zero or NaN; .* sphere \(2, 3, 4\)"
    ):
        spheres.at(torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0]), 1.0)


def test_shapes_that_do_not_fit_the_spheres():
    q = VonMisesFisher(dims=[1, 2, 1])(torch.randn(4, 10))
    for wrong in (
        torch.randn(4, 6),
        torch.randn(4, 8),
        torch.ones(4, 7, dtype=torch.int64),
    ):
        for method in (
            q.log_prob,
            q.rsample,
            lambda z: list(q.log_prob_pairs(z, [[0, 1]])),
        ):
            with pytest.raises(
                ValueError, match=r"must be floating-point, of shape \(\.\.\., 7\)"
            ):
                method(wrong)
    with pytest.raises(ValueError, match=r"'params' must be .* shape \(\.\.\., 10\)"):
        VonMisesFisher(dims=[1, 2, 1])(torch.randn(4, 9))
    with pytest.raises(
        ValueError, match=r"for each sphere of 'dims' \(3,\), k >= 1; got 3"
    ):
        VonMisesFisher(dims=[3]).at(torch.randn(3), 1.0)
    with pytest.raises(
        ValueError, match=r"must be one number, or have shape \(4, 1\); got \(4,\)"
    ):
        VonMisesFisher(dims=[2]).at(torch.randn(4, 3), torch.ones(4))
    integers = VonMisesFisher(dims=[2]).at(torch.tensor([0, 0, 1]), 2.5)
    assert integers.concentration.item() == pytest.approx(2.5)


def test_tables_made_in_inference_mode_serve_training():
    dims, m = (2, 1, 2), 33  # of sizes that no other test has used
    with torch.inference_mode():
        VonMisesFisher(dims=dims)(torch.randn(2, 11)).rsample(torch.randn(2, 8))
        PowerSpherical(dims=[m - 1])(torch.randn(2, m + 1)).rsample(torch.randn(2, m))
    raw = torch.randn(2, m + 1, requires_grad=True)
    q = PowerSpherical(dims=[m - 1])(raw)
    (q.rsample(torch.randn(2, m)).sum() + q.kl_uniform().sum()).backward()
    raw = torch.randn(2, 11, requires_grad=True)
    q = VonMisesFisher(dims=dims)(raw)
    (q.rsample(torch.randn(2, 8)).sum() + q.kl_uniform().sum()).backward()
    assert torch.isfinite(raw.grad).all()


@pytest.mark.parametrize("family", [*FAMILIES, Diffusion])
@pytest.mark.parametrize("dims", [(), None, 2, "12", [0], [2, 1.0], [True]])
def test_dimensions_that_are_not_spheres(family, dims):
    with pytest.raises(ValueError, match="'dims' must be the dimension of each sphere"):
        family(dims=dims)
    with pytest.raises(ValueError, match=r"positive integers like \(2,\); got \(\)"):
        family()


@pytest.mark.parametrize("family", [*FAMILIES, Diffusion])
def test_families_are_values(family):
    assert family(dims=[1, 2]) == family(dims=(1, 2))
    assert hash(family(dims=[1, 2])) == hash(family(dims=(1, 2)))
    assert family(dims=[1]).num_params(2) == 3
    with pytest.raises(FrozenInstanceError):
        family(dims=[1]).dims = (2,)
