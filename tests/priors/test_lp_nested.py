import math

import pytest
import torch
from scipy import stats
from scipy.special import digamma

from priorbench.priors import ISA, Gaussian, GeneralizedGaussian, LpNested, Normal
from priorbench.priors.lp_nested import parse_tree

pytestmark = pytest.mark.usefixtures("float64")

THREE = [1.3, [0, [2.7, [1, 2]]]]
DEPTH_THREE = [2.1, [0, [1.7, [1, 2, [3.0, [3, 4]]]], [2.6, [5, 6]]]]
TWO_SUBSPACES = [2.1, [[2.2, [0, 1, 2, 3]], [1.9, [4, 5, 6]]]]
LEARNED_START = [2.1, [[2.0, [0, 1, 2, 3]], [2.0, [4, 5, 6]]]]
LAPLACE = [1, [0, 1, 2, 3, 4, 5, 6]]
GAUSSIAN = [2, [[2, [0, 1, 2, 3]], [2, [4, 5, 6]]]]
Z3 = torch.tensor([0.3, -0.8, 1.1], dtype=torch.float64)
Z7 = torch.tensor([0.3, -0.8, 1.1, 0.05, -0.6, 0.9, -0.2], dtype=torch.float64)


def close(value):
    return pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize(
    ("tree", "value"),
    [
        (THREE, 2.2675514008185287),
        (DEPTH_THREE, 3.57071160617908),
        (TWO_SUBSPACES, 3.6968683465025443),
        (LEARNED_START, 3.5916731537988644),
        (GAUSSIAN, 3.498728178685772),
    ],
)
def test_log_surface_high_precision(tree, value):
    assert LpNested(tree).log_surface() == close(value)


@pytest.mark.parametrize(
    ("tree", "z", "value"),
    [
        (THREE, Z3, 1.4013334523595693),
        (DEPTH_THREE, Z7, 1.8554260874786288),
        (LEARNED_START, Z7, 1.7476543413461845),
    ],
)
def test_f_high_precision(tree, z, value):
    assert LpNested(tree).log_f(z).exp().item() == close(value)


@pytest.mark.parametrize(
    ("tree", "scale", "z", "at_z", "at_zero"),
    [
        (THREE, 1.0, Z3, -3.7146231535657406, -2.164008312288031),
        (THREE, 2.0, Z3, -4.538886149603683, -3.763578728964828),
        (DEPTH_THREE, 1.0, Z7, -7.512675062875394, -3.8505625525483445),
        (LEARNED_START, 2.0, Z7, -7.796844068402963, -6.182014702034613),
        (LAPLACE, 2.0, Z7, -11.679060527839233, -9.704060527839234),
        (GAUSSIAN, 1.0, Z7, -7.159054600472901, -4.0065546004729),
        (GAUSSIAN, 2.0, Z7, -8.008819732432709, -6.432569732432709),
    ],
)
def test_log_prob_high_precision(tree, scale, z, at_z, at_zero):
    prior = LpNested(tree, scale=scale)
    assert prior.log_prob(z).item() == close(at_z)
    assert prior.log_prob(torch.zeros_like(z)).item() == close(at_zero)


@pytest.mark.parametrize(
    ("tree", "entropy", "mean_power"),
    [
        (THREE, 4.471700619980338, 2.3076923076923075),
        (DEPTH_THREE, 7.183895885881678, 3.3333333333333335),
        (TWO_SUBSPACES, 7.310052626205143, 3.3333333333333335),
        (LEARNED_START, 7.204857433501462, 3.3333333333333335),
        (LAPLACE, 11.852030263919618, 7.0),
        (GAUSSIAN, 7.5065546004729, 3.5),
    ],
)
def test_entropy_high_precision(tree, entropy, mean_power):
    """-E log p = E f^p0 / s - log p(0), by the density's form; exact in E f^p0 = s n / p0."""
    prior = LpNested(tree)
    zero = prior.log_prob(torch.zeros(prior.latent_dim)).item()
    assert prior.latent_dim / tree[0] == close(mean_power)
    assert mean_power - zero == close(entropy)


@pytest.mark.parametrize("tree", [THREE, DEPTH_THREE, TWO_SUBSPACES, LAPLACE])
@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_sampler_moments(tree, scale):
    prior = LpNested(tree, scale=scale)
    z, p0, n = prior.sample((200_000,)), tree[0], prior.latent_dim
    power = (p0 * prior.log_f(z)).exp()
    assert (
        stats.kstest(power.numpy(), stats.gamma(n / p0, scale=scale).cdf).pvalue > 1e-4
    )
    variance, fourth = z.square().mean(0), z.pow(4).mean(0)
    error = (fourth / 200_000).sqrt()
    assert (abs(variance - prior.variance()) < 5 * error).all()


def test_sampler_follows_the_density_in_two_dimensions():
    """Histogram of angles and radii in a subspace against quadrature of the density."""
    prior = LpNested([1.3, [[2.7, [0, 1]]]])
    z = prior.sample((100_000,))
    edges = torch.linspace(-4, 4, 17)
    counts, _ = torch.histogramdd(z, [edges, edges])
    fine = (torch.arange(16 * 40) + 0.5) / 80 - 4
    density = (
        prior.log_prob(torch.cartesian_prod(fine, fine)).exp().reshape(16, 40, 16, 40)
    )
    expected = density.sum((1, 3)) / 80**2 * len(z)
    many = expected > 20
    chi2 = ((counts - expected)[many] ** 2 / expected[many]).sum().item()
    assert stats.chi2(int(many.sum()) - 1).sf(chi2) > 1e-4


@pytest.mark.parametrize(
    ("subspace", "p0", "p", "variance"),
    [
        (5, 2.1, 2.2, 0.49872717404002115),
        (4, 2.1, 2.0, 0.4567650261306956),
        (4, 2.1, 1.9, 0.43588654388975046),
    ],
)
def test_isa_coordinate_variance_high_precision(subspace, p0, p, variance):
    prior = ISA([subspace] * 3, p0=p0, p=p)
    assert prior.variance().tolist() == [close(variance)] * (3 * subspace)


@pytest.mark.parametrize(
    ("n", "p0", "p", "value"),
    [
        (5, 2.1, 2.2, 0.00306448596654714),
        (4, 2.1, 2.0, 0.00043061683082221727),
    ],
)
def test_divergence_from_the_matched_gaussian_high_precision(n, p0, p, value):
    """KL of one subspace to N(0, same variance): -h(p) + n/2 (log 2 pi v + 1)."""
    prior = ISA([n], p0=p0, p=p)
    entropy = n / p0 - prior.log_prob(torch.zeros(n)).item()
    variance = prior.variance()[0].item()
    kl = n / 2 * (math.log(2 * math.pi * variance) + 1) - entropy
    assert kl == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    ("p0", "p", "value"),
    [
        (2.1, 2.2, 0.0001993434045802171),
        (2.0, 1.0, 0.05391355305493243),
    ],
)
def test_total_correlation_within_a_subspace_high_precision(p0, p, value):
    """Sum of marginal entropies less the joint's; the reference holds to 2e-8.

    The marginal integrates the density over the other three coordinates, in shells of their
    Lp norm r, both in log coordinates, where the trapezoid rule converges fast.
    """
    n, prior = 4, ISA([4], p0=p0, p=p)
    entropy = n / p0 - prior.log_prob(torch.zeros(n)).item()
    log_z, log_r = torch.arange(-30, 3.5, 0.04), torch.arange(-12, 3.5, 0.04)
    rest = (log_r.exp() / 3 ** (1 / p))[:, None].expand(-1, 3)
    z = torch.cat(
        [
            log_z.exp()[:, None, None].expand(-1, len(log_r), 1),
            rest.expand(len(log_z), -1, -1),
        ],
        dim=-1,
    )
    shell = LpNested([p, [0, 1, 2]]).log_surface() + 3 * log_r
    density = 0.04 * (prior.log_prob(z) + shell).exp().sum(-1)
    mass = 2 * 0.04 * density * log_z.exp()
    marginal = -(mass * density.clamp_min(1e-300).log()).sum().item()
    assert mass.sum().item() == pytest.approx(1, abs=1e-10)
    assert n * marginal - entropy == pytest.approx(value, abs=2e-8)


@pytest.mark.parametrize("p", [1.8, 2.0, 3.0])
def test_derivative_in_the_exponents(p):
    """Against the closed form of d log p / d p_i for a subspace of n coordinates."""
    n, p0, s = 4, 2.1, 1.5
    prior = ISA([n, 3], p0=p0, p=[p, 2.4], scale=s, learn_exponents=True)
    z = prior.sample((50,))
    own = prior.inner_exponents
    slope = torch.sigmoid(own.rho)[0]
    log_abs = z[:, :n].abs().log()
    weights = torch.softmax(p * log_abs, -1)
    log_v = torch.logsumexp(p * log_abs, -1) / p
    closed = (
        n * digamma(1 / p) / p**2
        + (n - 1) / p
        - n * digamma(n / p) / p**2
        - p0 / s * torch.exp(p0 * log_v) * ((weights * log_abs).sum(-1) - log_v) / p
    )
    for row, expected in zip(z, closed, strict=True):
        (grad,) = torch.autograd.grad(prior.log_prob(row), own.parameters())
        assert (grad[0] / slope).item() == pytest.approx(
            expected.item(), rel=1e-7, abs=1e-9
        )


def test_special_cases_agree():
    z = torch.randn(50, 6)
    flat = LpNested([2.4, list(range(6))], scale=1.3)
    assert torch.allclose(
        flat.log_prob(z), GeneralizedGaussian(6, 2.4, 1.3).log_prob(z)
    )
    equal = ISA([2, 4], p0=2.4, p=2.4, scale=1.3)
    assert torch.allclose(equal.log_prob(z), flat.log_prob(z))
    assert torch.allclose(
        ISA([6], p0=2.0, p=2.0, scale=2.0).log_prob(z), Normal(6).log_prob(z)
    )


def test_normalises_in_three_dimensions():
    prior = LpNested(THREE)
    t = torch.linspace(-2.6, 2.6, 161)
    z, dz = torch.sinh(t) * 2, torch.cosh(t) * 2 * (t[1] - t[0])
    grid = torch.cartesian_prod(z, z, z)
    weights = torch.cartesian_prod(dz, dz, dz).prod(-1)
    assert (prior.log_prob(grid).exp() * weights).sum().item() == pytest.approx(
        1, abs=2e-3
    )


def test_unit_scale_gives_unit_variance():
    assert ISA([4] * 5, scale="unit").scale == pytest.approx(2.093, abs=5e-4)
    assert ISA([5] * 4, scale="unit").scale == pytest.approx(2.076, abs=5e-4)
    assert ISA([4, 4], p=[1.5, 3.0], scale="unit").variance().mean() == pytest.approx(
        1.0
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"subspaces": [2], "p0": 0.07},
        {"subspaces": [1, 1], "p0": 0.01},
        {"subspaces": [2, 1], "p0": 1.0, "scale": 1e-30, "learn_exponents": True},
    ],
)
def test_a_variance_beyond_float32_is_left_out(arguments):
    prior = ISA(**arguments)
    assert prior.variance() is None
    q = Gaussian()(torch.zeros(3, 2 * prior.latent_dim))
    z = q.rsample(torch.randn(3, prior.latent_dim))
    torch.testing.assert_close(prior.kl(q, z), q.log_prob(z) - prior.log_prob(z))


def test_learned_exponents_start_at_two_and_the_root_stays_fixed():
    prior = ISA(learn_exponents=True)
    assert prior.learned()["exponents"].tolist() == pytest.approx([2.0] * 5)
    assert prior.exponents()[0] == 2.1
    assert prior.learning_rate == 5e-4
    assert [p.shape for p in prior.parameters()] == [(5,)]
    from_p = ISA([2, 2], p=1.9, learn_exponents=True)
    assert from_p.learned()["exponents"].tolist() == pytest.approx([1.9, 1.9])


def test_learned_exponents_stay_valid_however_far_they_are_pushed():
    prior = ISA([2, 2], learn_exponents=True)
    with torch.no_grad():
        prior.inner_exponents.rho.copy_(torch.tensor([-80.0, 80.0]))
    assert prior.learned()["exponents"].min() >= 0.5
    assert torch.isfinite(prior.log_prob(torch.tensor([0.1, 0.2, -0.3, 0.4])))


def test_groups():
    assert ISA([2, 3]).coordinates == ((0, 1), (2, 3, 4))
    assert LpNested(DEPTH_THREE).coordinates == ((0,), (1, 2, 3, 4), (5, 6))


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([2.1], r"'tree' must be \[exponent, \[child, ...\]\]; got \[2.1\]"),
        ([2.1, []], "'tree' must be"),
        ([2.1, [0, [2.2, 1]]], r"'tree\[1\]\[1\]' must be"),
        ([2.1, [0, 2]], "must be 0 to 1, each once; got"),
        ([2.1, [0, 0]], "must be 0 to 1, each once; got"),
        ([2.1, [0, "1"]], r"'tree\[1\]\[1\]' must be"),
        ([-2.1, [0, 1]], "'p0' must be a positive number; got -2.1"),
        ([2.1, [[0, [0, 1]]]], "'p' must be a positive number; got 0"),
    ],
)
def test_malformed_trees(tree, message):
    with pytest.raises(ValueError, match=message):
        LpNested(tree)


def test_nothing_to_learn():
    with pytest.raises(ValueError, match="needs a node below the root"):
        LpNested([2.0, [0, 1]], learn_exponents=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"subspaces": []}, "'subspaces' must be positive integers"),
        ({"subspaces": [4, 0]}, "'subspaces' must be positive integers"),
        ({"p": [2.2, 2.2]}, r"one per subspace \(5\); got 2"),
        ({"p0": 0}, "'p0' must be a positive number; got 0"),
        ({"scale": "units"}, "'scale' must be"),
        ({"p0": 0.01, "scale": "unit"}, "'scale' cannot be \"unit\": .* give a number"),
    ],
)
def test_isa_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        ISA(**arguments)


def test_trees_are_read_depth_first():
    root, exponents = parse_tree(DEPTH_THREE)
    assert exponents == [2.1, 1.7, 3.0, 2.6]
    assert root.leaves == tuple(range(7))
    assert [getattr(child, "index", None) for child in root.children] == [None, 1, 3]


@pytest.mark.parametrize("tree", [3, True, [2.0, [True]], {"p": 2.0}])
def test_what_is_not_a_tree(tree):
    with pytest.raises(ValueError, match=r"must be \[exponent, \[child, ...\]\]; got"):
        parse_tree(tree)
