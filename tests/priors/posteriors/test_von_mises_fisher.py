"""Von Mises–Fisher and power spherical posteriors."""

import math

import mpmath
import numpy as np
import pytest
import torch
from scipy import integrate

from priorbench.priors import HypersphereProduct, PowerSpherical, VonMisesFisher
from priorbench.priors.spheres import bessel
from priorbench.priors.spheres.geometry import log_surface_area, normalise_vectors

pytestmark = pytest.mark.usefixtures("float64")
FAMILIES = [VonMisesFisher, PowerSpherical]


def posterior(mu, kappa, family=VonMisesFisher, **settings):
    """One sphere with the given direction and concentration, as raw parameters."""
    mu, kappa = (
        torch.as_tensor(mu, dtype=torch.float64),
        torch.as_tensor(kappa).double(),
    )
    raw = kappa + torch.log(-torch.expm1(-kappa))
    return family(torch.cat([mu, raw.reshape(1)]), dims=[len(mu) - 1], **settings)


def axis(m, i=0):
    return torch.eye(m)[i]


@pytest.mark.parametrize(
    ("m", "kappa", "w", "value"),
    [
        (2, 4.0, 0.5, -2.262849861924805),
        (3, 4.0, 0.5, -2.451247186381378),
        (41, 100.0, 0.8, 37.24932859663127),
    ],
)
def test_log_prob_against_high_precision(m, kappa, w, value):
    z = w * axis(m) + math.sqrt(1 - w * w) * axis(m, 1)
    assert posterior(axis(m), kappa).log_prob(z).item() == pytest.approx(
        value, rel=1e-10
    )


@pytest.mark.parametrize(
    ("m", "kappa", "along", "y", "value"),
    [
        (2, 4.0, 0.3, 0.5, -0.21311933962427276),
        (3, 4.0, 0.3, 0.5, -0.1781980383537509),
        (5, 20.0, -0.6, -0.4, 0.3590885202146252),
        (41, 100.0, 0.2, 0.1, 1.2267829268991448),
    ],
)
def test_coordinate_against_high_precision(m, kappa, along, y, value):
    q = posterior(along * axis(m) + math.sqrt(1 - along**2) * axis(m, 1), kappa)
    z = y * axis(m) + math.sqrt(1 - y * y) * axis(m, m - 1)
    assert q.log_prob_groups(z, [[0]]).item() == pytest.approx(value, rel=1e-9)
    assert next(q[None].log_prob_pairs(z[None], [[0]])).item() == pytest.approx(
        value, rel=1e-9
    )


@pytest.mark.parametrize(
    ("m", "kappa", "log_normaliser", "kl"),
    [
        (3, 2.0, -2.8187063194210715, 0.43194562200144304),
        (10, 40.0, -21.8639081699649, 5.205907585865506),
        (41, 100.0, -22.681447509590917, 14.48713408830961),
    ],
)
def test_power_spherical_against_high_precision(m, kappa, log_normaliser, kl):
    q = posterior(axis(m), kappa, PowerSpherical)
    z = axis(m)  # where (1 + w)^κ = 2^κ
    assert q.log_prob(z).item() - kappa * math.log(2) == pytest.approx(
        log_normaliser, rel=1e-10
    )
    assert q.kl_uniform().item() == pytest.approx(kl, rel=1e-10)


@pytest.mark.parametrize("m", [2, 3, 10, 41, 128])
def test_power_spherical_kl_against_mpmath(m):
    with mpmath.workdps(40):
        for kappa in (1e-3, 0.1, 0.99, 1.01, 7.0, 300.0, 1e5):
            k, b = mpmath.mpf(kappa), mpmath.mpf(m - 1) / 2
            mass = (
                mpmath.loggamma(k + b)
                - mpmath.loggamma(b)
                - mpmath.loggamma(k + 2 * b)
                + mpmath.loggamma(2 * b)
            )
            mean = mpmath.digamma(k + b) - mpmath.digamma(k + 2 * b)
            slope = k * (mpmath.psi(1, k + b) - mpmath.psi(1, k + 2 * b))
            x = torch.tensor(kappa, requires_grad=True)
            kl = posterior(axis(m), 1.0, PowerSpherical).kl_sphere(x, m)
            (got,) = torch.autograd.grad(kl, x)
            assert kl.item() == pytest.approx(float(k * mean - mass), rel=1e-10)
            assert got.item() == pytest.approx(float(slope), rel=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("m", "kappa"), [(2, 0.3), (2, 40.0), (3, 5.0), (10, 30.0), (41, 100.0)]
)
def test_density_normalises_and_its_harmonics(family, m, kappa):
    q = posterior(axis(m), kappa, family)

    def density(theta):
        z = math.cos(theta) * axis(m) + math.sin(theta) * axis(m, 1)
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
            z = family(params, dims=[m - 1]).rsample(torch.randn(200, 3 * m, m).float())
            assert z.dtype == torch.float32
            assert (z.double().norm(dim=-1) - 1).abs().max() < 3e-7


@pytest.mark.parametrize("family", FAMILIES)
def test_noise_along_the_direction_gives_a_point(family):
    """Nothing is left to go sideways with: some direction stands in."""
    q = family(torch.tensor([[3.0, 0.0, 0.0, 1.0]]), dims=[2])
    z = q.rsample(torch.tensor([[-1.3, 0.0, 0.0]]))
    assert z.norm().item() == pytest.approx(1)
    assert abs(z[0, 0]) < 1


def test_gradients_of_expectations_agree_with_their_closed_form():
    """E exp(c.z) = exp(A(|κμ + c|) - A(κ)); the value from high precision."""
    mu = torch.tensor([1.0, 2.0, 0.0, -1.0, 0.5])
    c = torch.tensor([0.7, -1.1, 0.3, 0.9, -1.5])
    raw = torch.cat(
        [mu, torch.tensor([4 + math.log(-math.expm1(-4))])]
    ).requires_grad_()

    def closed(raw):
        q = VonMisesFisher(raw, dims=[4])
        length = (q.concentration * q.direction + c).norm()
        return torch.exp(
            bessel.log_normaliser(length, 5)
            - bessel.log_normaliser(q.concentration[0], 5)
        )

    assert closed(raw).item() == pytest.approx(0.6729578907076036, rel=1e-10)
    count = 100_000
    rows = raw.detach().expand(count, -1).clone().requires_grad_()
    values = torch.exp(
        VonMisesFisher(rows, dims=[4]).rsample(torch.randn(count, 5)) @ c
    )
    (each,) = torch.autograd.grad(values.sum(), rows)
    (exact,) = torch.autograd.grad(closed(raw), raw)
    assert ((each.mean(0) - exact).abs() < 4.5 * each.std(0) / math.sqrt(count)).all()
    assert abs(values.mean() - closed(raw)) < 4 * values.std() / math.sqrt(count)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("m", [2, 3, 11, 41])
def test_gradients_are_unbiased(family, m):
    """Against differences of the expectation, by quadrature over the density."""
    c, kappa = 0.8 * axis(m) + 0.5 * axis(m, 1), 3.0 + m

    def expectation(kappa, angle):
        """E exp(c.z) by the density's harmonics: those of exp(c.z) are von Mises–Fisher's."""
        length = c.norm()
        cosine = (c[0] * math.cos(angle) + c[1] * math.sin(angle)) / length
        b = posterior(axis(m), kappa, family).harmonics(60)
        f = posterior(axis(m), length, VonMisesFisher).harmonics(60)
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
    params = torch.cat([axis(m), torch.tensor([kappa + math.log(-math.expm1(-kappa))])])
    params = params.expand(count, -1).clone().requires_grad_()
    value = torch.exp(family(params, dims=[m - 1]).rsample(torch.randn(count, m)) @ c)
    (slopes,) = torch.autograd.grad(value.sum(), params)
    in_kappa, in_angle = slopes[:, -1] / -math.expm1(-kappa), slopes[:, 1]
    for got, exact in ((in_kappa, exact_kappa), (in_angle, exact_angle)):
        assert abs(got.mean() - exact) < 4.5 * got.std() / math.sqrt(count)


@pytest.mark.parametrize("m", [2, 3, 11])
def test_noise_of_the_direction_gradient_falls_with_the_concentration(m):
    """Turning all draws with the direction would keep its noise where κ leaves no signal."""
    kappa = torch.tensor([1e-3, 1e-2, 0.1])[:, None].expand(-1, 2000).flatten()
    direction = axis(m).expand(len(kappa), -1).clone().requires_grad_()
    q = VonMisesFisher.of(direction, kappa[:, None])
    (slopes,) = torch.autograd.grad(
        q.rsample(torch.randn(len(kappa), m))[:, 1].sum(), direction
    )
    noise = slopes[:, 1].unflatten(0, (3, -1)).std(1)
    assert (noise < 2 * torch.tensor([1e-3, 1e-2, 0.1]) / (m - 1)).all()


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


@pytest.mark.parametrize(
    ("m", "kappa", "true", "biased"),
    [
        (2, 1.0, 0.35434603245035623, 0.1996316616436928),
        (2, 1.66, 0.21748172226610846, 0.11002339245591478),
        (10, 7.0, 0.044400922623365716, 0.040721181561362764),
        (41, 29.0, 0.010394730125909479, 0.010195925631954485),
        (41, 100.0, 0.0016215608298973405, 0.001606207928372898),
    ],
)
def test_pathwise_gradient_has_the_published_bias(m, kappa, true, biased):
    normal = torch.linspace(-7, 7, 701)  # the trapezoid rule, exact to what lies beyond
    weights = 0.02 * torch.exp(-0.5 * normal.square()) / math.sqrt(2 * math.pi)
    for gradient, expected in (("implicit", true), ("pathwise", biased)):
        k = torch.full_like(normal, kappa).requires_grad_()
        q = posterior(axis(m), kappa, gradient=gradient)
        cosine = torch.cos(q.polar(normal, k, m).angle)
        (slope,) = torch.autograd.grad((weights * cosine).sum(), k)
        assert slope.sum().item() == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("family", FAMILIES)
def test_zero_encoder_output(family):
    raw = torch.zeros(1, 14, dtype=torch.float32, requires_grad=True)
    q = family(raw, dims=[1, 2, 1, 2])
    z = q.rsample(torch.randn(1, 10))
    total = z.sum() + q.log_prob(z).sum() + q.kl_uniform().sum() + q.entropy().sum()
    (slopes,) = torch.autograd.grad(total, raw)
    assert torch.isfinite(total)
    assert torch.isfinite(slopes).all()
    assert normalise_vectors(torch.zeros(3)).tolist() == [1.0, 0.0, 0.0]


def test_log_prob_keeps_its_digits_in_float32():
    """The distance, not the product with the direction, which would lose κ's share."""
    mu, kappa = normalise_vectors(torch.tensor([1.0, 2.0, -0.5, 0.3])), 1e5
    q = posterior(mu, kappa)
    z = q.rsample(torch.randn(500, 4))
    raw = torch.cat([mu.float(), torch.tensor([kappa], dtype=torch.float32)])
    single = VonMisesFisher(raw, dims=[3]).log_prob(z.float()).double()
    # float32 moves z and the direction by 6e-8 of a distance of 1 / sqrt(κ)
    assert (single - q.log_prob(z)).abs().max() < 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_pairs_and_groups_agree(family):
    prior_groups = ((0, 1), (2, 3, 4), (5, 6))
    q = family(torch.randn(4, 10), dims=[1, 2, 1])
    z = q.rsample(torch.randn(4, 7))
    groups = [*prior_groups, [0, 1, 5, 6]]
    pairs = torch.stack(list(q.log_prob_pairs(z, groups)), -1)
    alone = q.log_prob_groups(z, groups)
    torch.testing.assert_close(pairs.diagonal().T, alone, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(alone[:, :3].sum(1), q.log_prob(z))
    torch.testing.assert_close(alone[:, 3], alone[:, 0] + alone[:, 2])
    torch.testing.assert_close(pairs[1, 2], q[2].log_prob_groups(z[1], groups))


def test_blocks_are_the_spheres():
    q = VonMisesFisher(torch.randn(4, 10), dims=[1, 2, 1], gradient="pathwise")
    z = q.rsample(torch.randn(4, 7))
    for (block, columns), i in zip(q.blocks(), range(3), strict=True):
        assert block.settings == {"dims": (q.layout.dims[i],), "gradient": "pathwise"}
        torch.testing.assert_close(
            block.log_prob(z[:, list(columns)]), q.log_prob_spheres(z)[:, i]
        )


@pytest.mark.parametrize("group", [[0, 2], [2, 3], [0, 1, 2]])
def test_parts_of_spheres_have_no_density_here(group):
    q = VonMisesFisher(torch.randn(4, 7), dims=[1, 2])
    with pytest.raises(ValueError, match=r"joint densities of whole spheres"):
        q.log_prob_groups(torch.randn(4, 5), [group])


def test_power_spherical_has_no_single_coordinates():
    q = PowerSpherical(torch.randn(4, 4), dims=[2])
    with pytest.raises(
        ValueError, match="PowerSpherical has no closed density of single"
    ):
        q.log_prob_groups(torch.randn(4, 3), [[0]])


def test_entropy_is_that_of_samples():
    q = posterior(torch.randn(5), 9.0)
    surprise = -q.log_prob(q.rsample(torch.randn(100_000, 5)))
    error = surprise.std() / math.sqrt(len(surprise))
    assert abs(surprise.mean() - q.entropy()) < 4 * error
    prior = HypersphereProduct([4])
    assert prior.kl(q, axis(5)).item() == pytest.approx(
        log_surface_area(5) - q.entropy().item()
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_given_directions_and_concentrations(family):
    direction = torch.tensor([[3.0, 4.0, 0.0, 0.0, 1.0]]).expand(2, -1)
    q = family.of(direction, torch.tensor([[0.0, 700.0], [1e-3, 2.0]]), dims=[1, 2])
    torch.testing.assert_close(q.direction[0], torch.tensor([0.6, 0.8, 0.0, 0.0, 1.0]))
    torch.testing.assert_close(
        q.concentration, torch.tensor([[0.0, 700.0], [1e-3, 2.0]])
    )
    for wrong in (-1.0, math.inf, math.nan):
        with pytest.raises(
            ValueError, match="'concentration' must be finite and >= 0; got"
        ):
            family.of(direction, wrong, dims=[1, 2])
    with pytest.raises(
        ValueError, match=r"must not be zero nor NaN; .* sphere \(2, 3, 4\)"
    ):
        family.of(torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0]), 1.0, dims=[1, 2])


def test_shapes_that_do_not_fit_the_spheres():
    q = VonMisesFisher(torch.randn(4, 10), dims=[1, 2, 1])
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
        VonMisesFisher(torch.randn(4, 9), dims=[1, 2, 1])
    with pytest.raises(
        ValueError, match="VonMisesFisher needs 'dims', the dimension of each"
    ):
        VonMisesFisher(torch.randn(4, 9))
    with pytest.raises(
        ValueError, match=r"for each sphere of 'dims' \(3,\), k >= 1; got 3"
    ):
        VonMisesFisher.of(torch.randn(3), 1.0, dims=[3])
    with pytest.raises(
        ValueError, match=r"must be one number, or have shape \(4, 1\); got \(4,\)"
    ):
        VonMisesFisher.of(torch.randn(4, 3), torch.ones(4))
    integers = VonMisesFisher.of(torch.tensor([0, 0, 1]), 2.5)
    assert integers.concentration.item() == pytest.approx(2.5)


def test_tables_made_in_inference_mode_serve_training():
    dims, m = (2, 1, 2), 33  # of sizes that no other test has used
    with torch.inference_mode():
        VonMisesFisher(torch.randn(2, 11), dims=dims).rsample(torch.randn(2, 8))
        PowerSpherical(torch.randn(2, m + 1), dims=[m - 1]).rsample(torch.randn(2, m))
    raw = torch.randn(2, m + 1, requires_grad=True)
    q = PowerSpherical(raw, dims=[m - 1])
    (q.rsample(torch.randn(2, m)).sum() + q.kl_uniform().sum()).backward()
    raw = torch.randn(2, 11, requires_grad=True)
    q = VonMisesFisher(raw, dims=dims)
    (q.rsample(torch.randn(2, 8)).sum() + q.kl_uniform().sum()).backward()
    assert torch.isfinite(raw.grad).all()


def test_unknown_gradient():
    with pytest.raises(
        ValueError, match=r"'gradient' must be one of .*; got 'reinforce'"
    ):
        posterior(axis(2), 1.0, gradient="reinforce")


def test_importance_weights_of_the_exact_posterior_are_constant():
    """log E_U[exp(λ w)] = A(λ): with q the exact posterior every weight gives it."""
    q, prior = posterior(axis(5), 7.0), HypersphereProduct([4])
    z = q.rsample(torch.randn(50, 5))
    weights = 7 * z[:, 0] + prior.log_prob(z) - q.log_prob(z)
    np.testing.assert_allclose(weights.numpy(), 3.3594952388746235, rtol=1e-9)
