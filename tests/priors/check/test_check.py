"""Planted faults: each is found, by the properties that it breaks and by no other."""

import math

import pytest
import torch
from torch import nn

from priorbench import priors
from priorbench.priors.check import (
    PROPERTIES,
    Report,
    Result,
    Subject,
    check_prior,
    posterior,
    subject,
)

LOG_2PI = math.log(2 * math.pi)
NORMALISES, RECIPROCAL = "density normalises", "E[q/p] = 1 over samples"
STATIONARY, FOLLOWS = (
    "samples stay under Metropolis steps",
    "samples follow the density",
)
KL, KL_GRADIENT = "kl agrees with Monte Carlo", "kl's gradient in the parameters"
KL_GROUPS, PRIOR_GROUPS = "kl_groups sums to kl", "log_prob_groups sums to log_prob"
BLOCK, DEVICE = "a block of seeds equals its members", "runs on a GPU"
REACH, DIFFERENCES = (
    "gradients reach every parameter",
    "gradients agree with differences",
)
Q_NORMALISES, Q_FOLLOWS = (
    "posterior normalises",
    "posterior's samples follow its density",
)
Q_ENTROPY, Q_GROUPS = "posterior's entropy", "posterior's groups and pairs"
PATHWISE, PRECISION = "rsample's gradient", "float32 agrees with float64"


class Scaled(priors.Prior):
    """Independent normal latents, their scale learned: no fault."""

    def __init__(self, latent_dim=3):
        super().__init__(latent_dim)
        self.rho = nn.Parameter(torch.tensor(0.3))

    def log_prob(self, z):
        self.check_shape(z)
        return (
            -0.5 * (z * torch.exp(-self.rho)).square() - self.rho - 0.5 * LOG_2PI
        ).sum(-1)

    def sample(self, shape=(), generator=None):
        normal = torch.randn((*shape, self.latent_dim), generator=generator)
        return normal * self.rho.detach().exp().float()


class Gaussian(priors.Gaussian):
    """The family whose methods are spoilt below."""


def spoilt(name, of=Scaled, **methods):
    return type(name, (of,), methods)


def with_posterior(**methods):
    return spoilt("Posterior", posterior=spoilt("Q", Gaussian, **methods))


class PlainTensor(Scaled):
    def __init__(self, latent_dim=3):
        super().__init__(latent_dim)
        self.tables = {"offset": [torch.zeros(latent_dim)]}

    def log_prob(self, z):
        self.check_shape(z)
        return super().log_prob(z + self.tables["offset"][0])


class Unsaved(Scaled):
    def __init__(self, latent_dim=3):
        super().__init__(latent_dim)
        self.register_buffer("shift", torch.zeros(()), persistent=False)

    def log_prob(self, z):
        return super().log_prob(z) + self.shift

    def load_state_dict(self, *arguments, **options):
        self.shift += 1e-3
        return super().load_state_dict(*arguments, **options)


class Laplace(priors.Prior):
    """The root of a square has no derivative at zero."""

    def log_prob(self, z):
        self.check_shape(z)
        return (-z.square().sqrt() - math.log(2)).sum(-1)

    def sample(self, shape=(), generator=None):
        size = torch.empty(*shape, self.latent_dim).exponential_(generator=generator)
        return size * (2 * torch.randint(0, 2, size.shape, generator=generator) - 1)


class Mixture(Scaled):
    """Two modes far apart, one of which the sampler misses."""

    def log_prob(self, z):
        modes = [super(Mixture, self).log_prob(z + shift) for shift in (-3.5, 3.5)]
        return torch.logaddexp(*modes) - math.log(2)

    def sample(self, shape=(), generator=None):
        return super().sample(shape, generator) + 3.5


class OffSphere(priors.get("hypersphere")):
    def sample(self, shape=(), generator=None):
        return 1.01 * super().sample(shape, generator)


class Half(torch.autograd.Function):
    """The identity, with half the derivative; it batches."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, gradient):
        return gradient / 2


def log_prob(self, z):
    return Scaled.log_prob(self, z)


def plain_kl(self, q, z):
    return priors.Prior.kl(self, q, z)


def branch(self, z):
    return log_prob(self, z.clamp(-1e4, 1e4) if z.abs().max() > 1e4 else z)


def on_the_cpu(self, z):
    self.check_shape(z)
    return log_prob(self, z + torch.zeros(z.shape[-1], device="cpu"))


def unchecked(self, z):
    return (-0.5 * (z * torch.exp(-self.rho)).square() - self.rho - 0.5 * LOG_2PI).sum(
        -1
    )


def cancelling(self, z):
    return log_prob(self, z) + 1e4 - 1e4


def detached(self, z):
    rho = self.rho.detach()
    self.check_shape(z)
    return (-0.5 * (z * torch.exp(-rho)).square() - rho - 0.5 * LOG_2PI).sum(-1)


def ignorant(self, shape=(), generator=None):
    return torch.randn(*shape, self.latent_dim) * self.rho.detach().exp().float()


def scaled(factor):
    return lambda self, shape=(), generator=None: (
        factor * Scaled.sample(self, shape, generator)
    )


FAULTS = {
    "nothing": (Scaled, set()),
    "groups overlap": (
        spoilt("F", groups=property(lambda self: ((0, 1), (1, 2)))),
        {"groups partition the latents", Q_GROUPS},
    ),
    "support of no kind": (
        spoilt("F", support=property(lambda self: ("circle",) * 3)),
        {"groups partition the latents"},
    ),
    "learned is a float": (
        spoilt("F", learned=lambda self: {"scale": float(self.rho)}),
        {"learned() gives tensors"},
    ),
    "rows mixed": (
        spoilt(
            "F",
            log_prob=lambda self, z: (
                log_prob(self, z) * z.new_ones(())
                + (0 if z.ndim < 2 else 1e-6 * z[..., 0].mean(-1, keepdim=True))
            ),
        ),
        {"rows are independent"},
    ),
    "shape unchecked": (spoilt("F", log_prob=unchecked), {"wrong shapes are refused"}),
    "shape not reduced": (
        spoilt(
            "F",
            kl=lambda self, q, z: plain_kl(self, q, z).reshape(
                z.shape[:-1] if z.ndim > 1 else 1
            ),
        ),
        {"shapes"},
    ),
    "generator ignored": (spoilt("F", sample=ignorant), {"sample replays"}),
    "off the sphere": (OffSphere, {"samples lie in the support", STATIONARY, FOLLOWS}),
    "state beside state_dict": (Unsaved, {"saves and loads"}),
    "a tensor as plain attribute": (PlainTensor, {"tensors are registered", DEVICE}),
    "a branch on a value": (spoilt("F", log_prob=branch), {BLOCK, DEVICE}),
    "a tensor made on the CPU": (spoilt("F", log_prob=on_the_cpu), {DEVICE}),
    "normaliser off by 5%": (
        spoilt("F", log_prob=lambda self, z: log_prob(self, z) + math.log(1.05)),
        {NORMALISES, RECIPROCAL},
    ),
    "sampler off by 10%": (
        spoilt("F", sample=scaled(1.1)),
        {STATIONARY, FOLLOWS, RECIPROCAL},
    ),
    "sampler off by 1/10": (
        spoilt("F", sample=scaled(0.9)),
        {STATIONARY, FOLLOWS, RECIPROCAL},
    ),
    "a mode missed": (Mixture, {FOLLOWS, RECIPROCAL}),
    "groups do not factorise": (
        spoilt("F", log_prob_groups=lambda self, z: 0.5 * z),
        {PRIOR_GROUPS, KL_GROUPS},
    ),
    "kl of the wrong sign": (
        spoilt("F", kl=lambda self, q, z: -plain_kl(self, q, z)),
        {KL, KL_GRADIENT},
    ),
    "kl's gradient cut": (
        spoilt("F", kl=lambda self, q, z: q.log_prob(z) - detached(self, z)),
        {KL_GRADIENT, REACH},
    ),
    "kl_groups halved": (
        spoilt(
            "F",
            log_prob_groups=lambda self, z: (
                -0.5 * (z * torch.exp(-self.rho)).square() - self.rho - 0.5 * LOG_2PI
            ),
            kl_groups=lambda self, q, z: 0.5 * priors.Prior.kl_groups(self, q, z),
        ),
        {KL_GROUPS},
    ),
    "a parameter detached": (
        spoilt("F", log_prob=detached),
        {KL_GRADIENT, REACH, DIFFERENCES},
    ),
    "a wrong derivative": (
        spoilt("F", log_prob=lambda self, z: log_prob(self, Half.apply(z))),
        {DIFFERENCES},
    ),
    "no gradient at zero": (Laplace, {"finite at extremes, float32"}),
    "cancellation": (spoilt("F", log_prob=cancelling), {PRECISION}),
    "posterior off by 10%": (
        with_posterior(
            log_prob=lambda self, z: priors.Gaussian.log_prob(self, z) + 0.1,
            log_prob_groups=lambda self, z, groups: (
                priors.Gaussian.log_prob_groups(self, z, groups) + 0.1 / len(groups)
            ),
            log_prob_pairs=priors.Posterior.log_prob_pairs,
        ),
        {Q_NORMALISES, Q_ENTROPY},
    ),
    "posterior's sampler off by 10%": (
        with_posterior(rsample=lambda self, noise: self.loc + 1.1 * self.scale * noise),
        {Q_FOLLOWS, Q_ENTROPY, PATHWISE},
    ),
    "rsample detached": (
        with_posterior(
            rsample=lambda self, noise: (self.loc + self.scale * noise).detach()
        ),
        {PATHWISE},
    ),
    "half of rsample detached": (
        with_posterior(
            rsample=lambda self, noise: self.loc + self.scale.detach() * noise
        ),
        {PATHWISE},
    ),
    "entropy off": (
        with_posterior(entropy=lambda self: priors.Gaussian.entropy(self) + 0.1),
        {Q_ENTROPY},
    ),
    "pairs transposed": (
        with_posterior(
            log_prob_pairs=lambda self, z, groups: (
                pair.T for pair in priors.Gaussian.log_prob_pairs(self, z, groups)
            )
        ),
        {Q_GROUPS},
    ),
    "posterior singular at zero": (
        with_posterior(
            rsample=lambda self, noise: (
                self.loc.square().sqrt() * self.loc.sign() + self.scale * noise
            )
        ),
        {"posterior finite at extremes, float32"},
    ),
}


@pytest.fixture
def fewer_draws(monkeypatch):
    """A fifth of the draws: the faults are planted large enough."""
    monkeypatch.setattr(subject, "DRAWS", 20_000)
    monkeypatch.setattr(posterior, "DRAWS", 10_000)
    monkeypatch.setattr(posterior, "COUNT", 2)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_fails_its_own_properties(name, fewer_draws, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    kind, expected = FAULTS[name]
    report = check_prior(kind([2]) if kind is OffSphere else kind(3))
    assert {r.name for r in report.failed} == expected, str(report)
    assert report.passed == (not expected)
    assert all(r.look for r in report.failed)


def test_every_property_has_a_fault():
    assert {p.name for p in PROPERTIES} == set().union(
        *(found for _, found in FAULTS.values())
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_values_on_a_gpu():
    device = next(p for p in PROPERTIES if p.name == DEVICE)
    assert device.check(Subject(priors.Normal(3))).passed
    for name in ("a tensor as plain attribute", "a tensor made on the CPU"):
        assert device.check(Subject(FAULTS[name][0](3))).passed is False


def test_the_report_is_the_same_again_and_nothing_else_moves(fewer_draws):
    prior = Scaled(1)
    torch.manual_seed(5)
    before, state = (
        torch.get_rng_state(),
        {k: v.clone() for k, v in prior.state_dict().items()},
    )
    first, again, other = (
        check_prior(prior),
        check_prior(prior),
        check_prior(prior, seed=1),
    )
    assert first == again
    assert first["samples stay under Metropolis steps"] != other[STATIONARY]
    assert torch.equal(before, torch.get_rng_state())
    assert prior.rho.grad is None
    assert all(torch.equal(state[k], v) for k, v in prior.state_dict().items())


def test_an_error_is_said_with_its_place_and_the_others_are_checked(fewer_draws):
    def fails(self):
        raise KeyError("no such thing")

    report = check_prior(spoilt("F", learned=fails)(2))
    (result,) = report.failed
    assert result.name == "learned() gives tensors"
    assert result.note.startswith("KeyError: 'no such thing' (test_check.py, line ")
    assert len(report.results) == len(PROPERTIES)


def test_an_error_of_a_class_without_a_file_is_said(fewer_draws):
    """As of a notebook's cell."""
    kind = spoilt("F", learned=lambda self: {}["scale"], __module__="of_no_file")
    (result,) = check_prior(kind(2)).failed
    assert result.note.startswith("KeyError: 'scale'")


def test_a_fault_of_copying_fails_and_does_not_stop_the_check():
    """A tensor of the graph, kept as an attribute, cannot be copied."""
    prior = Scaled(2)
    prior.kept = prior.rho * 2
    report = check_prior(prior)
    assert "'kept'" in report["tensors are registered"].note
    assert report["shapes"].note.startswith("RuntimeError")


@pytest.mark.parametrize(("latent_dim", "p"), [(1, 0.7), (1, 6.0), (2, 1.0), (2, 2.4)])
def test_quadrature_in_low_dimension(latent_dim, p, fewer_draws):
    check = next(property for property in PROPERTIES if property.name == NORMALISES)
    prior = priors.build_prior("generalized_gaussian", latent_dim, p=p)
    result = check.check(Subject(prior))
    assert result.passed
    assert result.bound < 0.012
    result = check.check(
        Subject(
            spoilt(
                "F",
                type(prior),
                log_prob=lambda self, z: type(prior).log_prob(self, z) + 0.02,
            )(latent_dim, p=p)
        )
    )
    assert result.figure == pytest.approx(math.expm1(0.02), rel=0.3)
    assert not result.passed


def test_the_report_prints_figures_and_what_to_look_at():
    report = Report(
        "mine[1]",
        (
            Result("E[x]", False, 0.25, 0.001, look="the [scale]"),
            Result("shapes", True),
            Result("entropy", None, note="no closed form"),
        ),
    )
    text = str(report)
    for part in (
        "mine[1]",
        "E[x]: 0.25 is above 0.001. Look at the [scale].",
        "FAILS",
        "holds",
        "entropy: not checked, no closed form",
    ):
        assert part in text
    assert not report.passed
    assert [r.name for r in report.unchecked] == ["entropy"]
