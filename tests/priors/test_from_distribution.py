"""Priors made from distributions: density, draws, and what follows them around."""

import copy
import inspect
from functools import lru_cache

import pytest
import torch
from torch import distributions as D
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from priorbench import priors
from priorbench.priors import Group, from_distribution

DIM = 3
RIVAL = torch.tensor([[-1.0, 0.0, 2.0], [1.0, 0.5, 0.0]])


def laplace(latent_dim, scale=0.5):
    """Laplace latents."""
    return D.Laplace(torch.zeros(latent_dim), scale)


def scalar(latent_dim):
    return D.Normal(1.0, 2.0)


def correlated(latent_dim):
    covariance = torch.eye(latent_dim) + 0.5
    return D.MultivariateNormal(torch.ones(latent_dim), covariance)


def heavy_tailed(latent_dim):
    return D.StudentT(4.0, torch.zeros(latent_dim), 0.7)


def mixture(latent_dim):
    weights = D.Categorical(torch.tensor([0.3, 0.7]))
    return D.MixtureSameFamily(weights, D.Independent(D.Normal(RIVAL, 0.5), 1))


def scalar_mixture(latent_dim):
    weights = D.Categorical(torch.tensor([0.3, 0.7]))
    return D.MixtureSameFamily(weights, D.Normal(torch.tensor([-1.0, 2.0]), 0.5))


def transformed(latent_dim):
    """Logistic, by the inverse of a sigmoid, shifted and scaled by tensors."""
    base = D.Uniform(torch.zeros(latent_dim), torch.ones(latent_dim))
    shift = D.AffineTransform(torch.ones(latent_dim), torch.tensor(2.0))
    return D.TransformedDistribution(base, [D.SigmoidTransform().inv, shift])


def independent(latent_dim):
    return D.Independent(D.Normal(torch.zeros(latent_dim), 1.5), 1)


class LearnedLaplace(nn.Module):
    def __init__(self, latent_dim):
        super().__init__()
        self.rho = nn.Parameter(torch.zeros(latent_dim))

    def forward(self):
        return D.Laplace(torch.zeros_like(self.rho), self.rho.exp())


FACTORIES = [
    laplace,
    scalar,
    correlated,
    heavy_tailed,
    mixture,
    scalar_mixture,
    transformed,
    independent,
    LearnedLaplace,
]
JOINT = [correlated, mixture, independent]
make_class = lru_cache(from_distribution)


def make_prior(factory):
    return make_class(factory)(DIM)


def draw(prior, count, seed=0):
    return prior.sample((count,), torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("factory", FACTORIES)
def test_density_is_the_distributions(factory):
    made = factory(DIM)
    distribution = made() if isinstance(made, nn.Module) else made
    prior = make_prior(factory)
    z = draw(prior, 20)
    expected = distribution.log_prob(z)
    assert prior.log_prob(z).shape == (20,)
    each = prior.log_prob_groups(z)
    if factory in JOINT:
        assert prior.groups == (Group(range(DIM)),)
        torch.testing.assert_close(each[:, 0], expected)
    else:
        assert prior.coordinates == ((0,), (1,), (2,))
        torch.testing.assert_close(each, expected)
    torch.testing.assert_close(prior.log_prob(z), each.sum(-1))


@pytest.mark.parametrize("factory", FACTORIES)
def test_draws_replay_and_leave_the_global_generator_alone(factory):
    prior = make_prior(factory)
    before = torch.get_rng_state()
    first = draw(prior, 10)
    assert torch.equal(before, torch.get_rng_state())
    torch.randn(3)
    assert torch.equal(first, draw(prior, 10))
    assert not torch.equal(first, draw(prior, 10, seed=1))
    assert prior.sample().shape == (DIM,)
    assert not first.requires_grad


@pytest.mark.parametrize("factory", FACTORIES)
def test_draws_follow_the_density(factory):
    prior = make_prior(factory)
    made = factory(DIM)
    distribution = made() if isinstance(made, nn.Module) else made
    if factory in (scalar, scalar_mixture):
        distribution = distribution.expand((DIM,))
    torch.manual_seed(1)
    expected, z = distribution.sample((20_000,)), draw(prior, 20_000)
    for quantile in (0.1, 0.5, 0.9):
        a, b = (values.quantile(quantile, dim=0) for values in (z, expected))
        assert (a - b).abs().max() < 0.08 * expected.std()


@pytest.mark.parametrize("factory", FACTORIES)
def test_its_tensors_follow_the_prior(factory):
    prior = make_prior(factory)
    z = draw(prior, 20)
    copied = copy.deepcopy(prior).double()
    double = copied.log_prob(z.double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), prior.log_prob(z), rtol=1e-5, atol=1e-5)
    assert draw(copied, 5).dtype == torch.float32
    elsewhere = copy.deepcopy(prior).to("meta")
    assert elsewhere.log_prob(z.to("meta")).device.type == "meta"
    other = make_prior(factory)
    for tensor in other.state_dict().values():
        if tensor.is_floating_point():
            tensor.zero_()
    other.load_state_dict(prior.state_dict())
    assert torch.equal(other.log_prob(z), prior.log_prob(z))


@pytest.mark.parametrize("factory", FACTORIES)
def test_many_seeds_at_once(factory):
    """Also where the distribution is told to check its arguments."""
    members = [make_prior(factory) for _ in range(3)]
    with torch.no_grad():
        for shift, member in enumerate(members):
            for parameter in member.parameters():
                parameter.add_(0.3 * shift)
    parameters, buffers = stack_module_state(members)
    z = draw(members[0], 12).reshape(3, 4, DIM)

    class Step(nn.Module):
        def __init__(self):
            super().__init__()
            self.prior = members[0]

        def forward(self, z):
            q = self.prior.posterior(torch.zeros(2 * DIM))
            return self.prior.log_prob(z), self.prior.kl(q, z)

    def run_seed(parameters, buffers, z):
        state = {f"prior.{k}": v for k, v in (parameters | buffers).items()}
        return functional_call(Step(), state, (z,))

    log_prob, kl = vmap(run_seed)(parameters, buffers, z)
    for i, member in enumerate(members):
        q = member.posterior(torch.zeros(2 * DIM))
        torch.testing.assert_close(log_prob[i], member.log_prob(z[i]))
        torch.testing.assert_close(kl[i], member.kl(q, z[i]))


def test_nothing_that_is_checked_by_value_is_left(monkeypatch):
    """Explicit checks, of nested distributions too, would branch under vmap."""

    # torch.compile turns the default off for the whole process
    monkeypatch.setattr(D.Distribution, "_validate_args", True)

    def checking(latent_dim):
        base = D.Normal(torch.zeros(latent_dim), 1.0, validate_args=True)
        return D.Independent(base, 1, validate_args=True)

    prior = from_distribution(checking)(DIM)
    assert vmap(prior.log_prob)(torch.zeros(2, 4, DIM)).shape == (2, 4)
    assert D.Distribution._validate_args


@pytest.mark.parametrize(
    ("factory", "expected"),
    [
        (laplace, [0.5] * DIM),
        (scalar, [4.0] * DIM),
        (heavy_tailed, [0.98] * DIM),
        (lambda latent_dim: D.Cauchy(torch.zeros(latent_dim), 1.0), None),
        (transformed, None),
        (correlated, None),
        (LearnedLaplace, None),
    ],
)
def test_variance_where_it_is_known(factory, expected):
    variance = make_prior(factory).variance()
    if expected is None:
        assert variance is None
    else:
        torch.testing.assert_close(variance, torch.tensor(expected))


def test_the_closed_part_of_the_kl_lowers_its_noise():
    prior = make_prior(scalar)
    q = prior.posterior(torch.tensor([0.3, 0.0, 1.0, -1.0, 0.0, -0.5]).expand(10**4, 6))
    z = q.rsample(torch.randn(10**4, DIM))
    split, plain = prior.kl(q, z), q.log_prob(z) - prior.log_prob(z)
    error = (split - plain).std() / 100
    assert (split.mean() - plain.mean()).abs() < 4 * error
    assert split.std() < plain.std()


def test_parameters_of_a_module_are_learned():
    prior = make_prior(LearnedLaplace)
    assert list(prior.learned()) == ["module.rho"]
    prior.log_prob(torch.ones(DIM)).backward()
    assert (prior.module.rho.grad == 0).all()  # -log 2s - 1/s has its maximum at s = 1
    prior.log_prob(2 * torch.ones(DIM)).backward()
    torch.testing.assert_close(prior.module.rho.grad, torch.ones(DIM))


def test_the_class_takes_the_arguments_of_the_factory():
    kind = from_distribution(laplace)
    assert issubclass(kind, priors.Prior)
    assert (kind.__name__, kind.__doc__) == ("laplace", "Laplace latents.")
    assert kind.__module__ == __name__
    assert str(inspect.signature(kind)) == "(latent_dim, scale=0.5)"
    assert from_distribution(laplace, name="Laplace").__name__ == "Laplace"
    assert from_distribution(lambda latent_dim: None).__name__ == "Wrapped"
    with pytest.raises(TypeError, match="latent_dim"):
        kind()


def test_a_registered_one_is_built_and_its_arguments_are_named():
    priors.register("tests_laplace")(from_distribution(laplace))
    try:
        prior = priors.build_prior("tests_laplace", 4, scale=2.0)
        assert prior.log_prob(torch.zeros(4)).item() == pytest.approx(-4 * 1.38629436)
        with pytest.raises(ValueError, match="no argument 'scal'; did you mean"):
            priors.build_prior("tests_laplace", 4, scal=2.0)
        product = priors.build_prior("product", 5, parts=["tests_laplace"])
        assert product.latent_dim == 5
    finally:
        del priors.registry._entries["tests_laplace"]


def test_a_class_of_its_own_may_follow():
    class Wide(from_distribution(laplace)):
        def __init__(self, latent_dim, factor):
            super().__init__(latent_dim, scale=2.0 * factor)

    assert str(inspect.signature(Wide)) == "(latent_dim, factor)"
    torch.testing.assert_close(Wide(2, 0.5).variance(), torch.tensor([2.0, 2.0]))


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (
            lambda latent_dim: D.Gamma(torch.ones(latent_dim), 1.0),
            "must be on all real numbers; its support is .*TransformedDistribution",
        ),
        (
            lambda latent_dim: D.Independent(D.Beta(torch.ones(latent_dim), 1.0), 1),
            "must be on all real numbers",
        ),
        (
            lambda latent_dim: D.TransformedDistribution(
                D.Normal(torch.zeros(latent_dim), 1.0), [D.ExpTransform()]
            ),
            "must be on all real numbers",
        ),
        (
            lambda latent_dim: D.TransformedDistribution(
                D.Uniform(torch.zeros(latent_dim), 1.0), [D.AffineTransform(-0.5, 2.0)]
            ),
            "must be on all real numbers",
        ),
        (
            lambda latent_dim: D.TransformedDistribution(
                D.Normal(torch.zeros(latent_dim), 1.0),
                [D.SigmoidTransform(), D.AffineTransform(-1.0, 2.0)],
            ),
            "must be on all real numbers",
        ),
        (
            lambda latent_dim: D.Independent(
                D.VonMises(torch.zeros(latent_dim), 1.0), 1
            ),
            "VonMises is on a circle",
        ),
        (
            lambda latent_dim: D.Poisson(torch.ones(latent_dim)),
            "must be on all real numbers",
        ),
        (
            lambda latent_dim: D.Normal(torch.zeros(5), 1.0),
            r"must have 'batch_shape' or 'event_shape' \(3,\) .*; got \(5,\) and \(\)",
        ),
        (
            lambda latent_dim: D.MultivariateNormal(
                torch.zeros(2, latent_dim), torch.eye(latent_dim)
            ),
            r"got \(2,\) and \(3,\)",
        ),
        (lambda latent_dim: 3, "must return a distribution of .*; got int"),
        (
            lambda latent_dim: D.Normal(nn.Parameter(torch.zeros(latent_dim)), 1.0),
            "'loc' of the distribution needs gradients; .* return an nn.Module",
        ),
        (
            lambda latent_dim: D.TransformedDistribution(
                D.Normal(torch.zeros(latent_dim), 1.0), [Bent(nn.Linear(1, 1))]
            ),
            "'transforms.0.network' of the distribution is a module; .* nn.Module",
        ),
    ],
)
def test_what_is_refused(factory, message):
    with pytest.raises(ValueError, match=message):
        from_distribution(factory)(DIM)


class Bent(D.Transform):
    """A transform that holds a network."""

    domain = codomain = D.constraints.real
    bijective = True

    def __init__(self, network):
        super().__init__()
        self.network = network


def test_the_number_of_latents_is_checked_first():
    with pytest.raises(ValueError, match="'latent_dim' must be a positive integer"):
        from_distribution(laplace)(-1)


def test_a_factory_without_latents_is_refused():
    with pytest.raises(ValueError, match=r"'factory' must take 'latent_dim'.* \(n\)"):
        from_distribution(lambda n: laplace(n))


def test_a_distribution_that_does_not_say_where_it_lives():
    class Shifted(D.Distribution):
        def __init__(self, loc):
            self.loc = loc
            super().__init__(loc.shape, validate_args=False)

        def log_prob(self, z):
            return -(z - self.loc).abs() - 0.6931472

        def sample(self, shape):
            return D.Laplace(self.loc, 1.0).sample(shape)

    prior = from_distribution(lambda latent_dim: Shifted(torch.ones(latent_dim)))(2)
    assert prior.log_prob(torch.ones(2)).item() == pytest.approx(-1.3862944)
    assert prior.variance() is None


def test_normalising_flows():
    """Zuko's are modules that give a distribution when they are called."""
    zuko = pytest.importorskip("zuko")

    def flow(latent_dim, transforms=2):
        features = {"transforms": transforms, "hidden_features": (16,)}
        return zuko.flows.NSF(latent_dim, **features)

    members = [make_prior(flow) for _ in range(2)]
    prior = members[1]
    assert prior.groups == (Group(range(DIM)),)
    z = draw(prior, 20)
    torch.testing.assert_close(prior.log_prob(z), prior.module().log_prob(z))
    prior.log_prob(z).mean().backward()
    assert any(p.grad.abs().max() > 0 for p in prior.parameters())

    class Density(nn.Module):
        def __init__(self):
            super().__init__()
            self.prior = members[0]

        def forward(self):
            return self.prior.log_prob(z)

    def run_seed(parameters, buffers):
        state = {f"prior.{k}": v for k, v in (parameters | buffers).items()}
        return functional_call(Density(), state, ())

    together = vmap(run_seed)(*stack_module_state(members))
    for log_prob, member in zip(together, members, strict=True):
        torch.testing.assert_close(log_prob, member.log_prob(z))
