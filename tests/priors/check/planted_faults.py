"""Priors with one fault each, and the properties that it breaks."""

import math

import torch
from torch import nn

from priorbench import priors
from priorbench.priors.numerics.special import LOG_2PI

NORMALISES, RECIPROCAL = "density normalises", "E[q/p] = 1 over samples"
STATIONARY = "samples stay under Metropolis steps"
FOLLOWS = "samples follow the density"
KL, KL_GRADIENT = "kl agrees with Monte Carlo", "kl's gradient in the parameters"
KL_GROUPS, PRIOR_GROUPS = "kl_groups sums to kl", "log_prob_groups sums to log_prob"
BLOCK, DEVICE = "a block of seeds equals its members", "runs on a GPU"
RECORDED = "a step can be recorded"
REACH = "gradients reach every parameter"
DIFFERENCES = "gradients agree with differences"
Q_NORMALISES = "posterior normalises"
Q_FOLLOWS = "posterior's samples follow its density"
Q_ENTROPY, Q_GROUPS = "posterior's entropy", "posterior's groups and pairs"
PATHWISE, PRECISION = "rsample's gradient", "float32 agrees with float64"


class Scaled(priors.Prior):
    """Independent normal latents, their scale learned: no fault."""

    def __init__(self, latent_dim=3):
        super().__init__(latent_dim)
        self.rho = nn.Parameter(torch.tensor(0.3))

    def _log_prob(self, z):
        return sum_normal(z, self.rho)

    def _sample(self, shape, generator):
        normal = torch.randn((*shape, self.latent_dim), generator=generator)
        return normal * self.rho.exp()


def sum_normal(z, rho):
    return log_normal(z, rho).sum(-1)


def log_normal(z, rho):
    return -0.5 * (z * torch.exp(-rho)).square() - rho - 0.5 * LOG_2PI


def change(of=Scaled, **members):
    return type("Faulty", (of,), members)


def change_posterior(**members):
    posterior = change(priors.GaussianPosterior, **members)

    class Family(priors.Gaussian):
        def __call__(self, params):
            return posterior(params, self)

    return change(posterior=Family())


class PlainTensor(Scaled):
    def __init__(self, latent_dim=3):
        super().__init__(latent_dim)
        self.tables = {"offset": [torch.zeros(latent_dim)]}

    def _log_prob(self, z):
        return super()._log_prob(z + self.tables["offset"][0])


class Unsaved(Scaled):
    def __init__(self, latent_dim=3):
        super().__init__(latent_dim)
        self.register_buffer("shift", torch.zeros(()), persistent=False)

    def _log_prob(self, z):
        return super()._log_prob(z) + self.shift

    def load_state_dict(self, *arguments, **options):
        self.shift += 1e-3
        return super().load_state_dict(*arguments, **options)


class Laplace(priors.Prior):
    """The root of a square has no derivative at zero."""

    def _log_prob(self, z):
        return (-z.square().sqrt() - math.log(2)).sum(-1)

    def _sample(self, shape, generator):
        size = torch.empty(*shape, self.latent_dim).exponential_(generator=generator)
        return size * (2 * torch.randint(0, 2, size.shape, generator=generator) - 1)


class Mixture(Scaled):
    """Two modes far apart, one of which the sampler misses."""

    def _log_prob(self, z):
        modes = [sum_normal(z + shift, self.rho) for shift in (-3.5, 3.5)]
        return torch.logaddexp(*modes) - math.log(2)

    def _sample(self, shape, generator):
        return super()._sample(shape, generator) + 3.5


class OffSphere(priors.HypersphereProduct):
    def __init__(self, latent_dim=3):
        super().__init__([latent_dim - 1])

    def _sample(self, shape, generator):
        return 1.01 * super()._sample(shape, generator)


class HalfSlope(torch.autograd.Function):
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


def mix_rows(self, z):
    mixed = 0 if z.ndim < 2 else 1e-6 * z[..., 0].mean(-1, keepdim=True)
    return sum_normal(z, self.rho) + mixed


def branch_on_value(self, z):
    return sum_normal(z.clamp(-1e4, 1e4) if z.abs().max() > 1e4 else z, self.rho)


def select_by_mask(self, z):
    return sum_normal(z[z.abs() < math.inf].reshape(z.shape), self.rho)


def make_on_cpu(self, z):
    return sum_normal(z + torch.zeros(z.shape[-1], device="cpu"), self.rho)


def copy_from_cpu(self, z):
    return sum_normal(z + torch.zeros(z.shape[-1]).to(z), self.rho)


def cancel_digits(self, z):
    return sum_normal(z, self.rho) + 1e4 - 1e4


def detach_scale(self, z):
    return sum_normal(z, self.rho.detach())


def ignore_generator(self, shape, generator):
    return torch.randn(*shape, self.latent_dim) * self.rho.exp()


def scale_draws(factor):
    return lambda self, shape, generator: (
        factor * Scaled._sample(self, shape, generator)
    )


FAULTS = {
    "nothing": (Scaled, set()),
    "learned is a float": (
        change(learned=lambda self: {"scale": float(self.rho)}),
        {"learned() gives tensors"},
    ),
    "rows mixed": (change(_log_prob=mix_rows), {"rows are independent"}),
    "representation too narrow": (
        change_posterior(representation=property(lambda self: self.loc[..., :1])),
        {"shapes"},
    ),
    "generator ignored": (change(_sample=ignore_generator), {"sample replays"}),
    "off the sphere": (OffSphere, {"samples lie in the support", STATIONARY, FOLLOWS}),
    "state beside state_dict": (Unsaved, {"saves and loads"}),
    "a tensor as plain attribute": (PlainTensor, {"tensors are registered", DEVICE}),
    "a branch on a value": (
        change(_log_prob=branch_on_value),
        {BLOCK, DEVICE, RECORDED},
    ),
    "a mask as an index": (change(_log_prob=select_by_mask), {BLOCK, RECORDED}),
    "a tensor made on the CPU": (change(_log_prob=make_on_cpu), {DEVICE}),
    "a tensor copied at each step": (change(_log_prob=copy_from_cpu), {RECORDED}),
    "normaliser off by 5%": (
        change(_log_prob=lambda self, z: sum_normal(z, self.rho) + math.log(1.05)),
        {NORMALISES, RECIPROCAL},
    ),
    "sampler off by 10%": (
        change(_sample=scale_draws(1.1)),
        {STATIONARY, FOLLOWS, RECIPROCAL},
    ),
    "sampler off by 1/10": (
        change(_sample=scale_draws(0.9)),
        {STATIONARY, FOLLOWS, RECIPROCAL},
    ),
    "a mode missed": (Mixture, {FOLLOWS, RECIPROCAL}),
    "groups do not factorise": (
        change(_log_prob_groups=lambda self, z: 0.5 * z),
        {PRIOR_GROUPS, KL_GROUPS},
    ),
    "kl of the wrong sign": (
        change(_kl=lambda self, q, z: -priors.Prior._kl(self, q, z)),
        {KL, KL_GRADIENT},
    ),
    "kl's gradient cut": (
        change(_kl=lambda self, q, z: q.log_prob(z) - detach_scale(self, z)),
        {KL_GRADIENT, REACH},
    ),
    "kl_groups halved": (
        change(
            _log_prob_groups=lambda self, z: log_normal(z, self.rho),
            _kl_groups=lambda self, q, z: 0.5 * priors.Prior._kl_groups(self, q, z),
        ),
        {KL_GROUPS},
    ),
    "a parameter detached": (
        change(_log_prob=detach_scale),
        {KL_GRADIENT, REACH, DIFFERENCES},
    ),
    "a wrong derivative": (
        change(_log_prob=lambda self, z: sum_normal(HalfSlope.apply(z), self.rho)),
        {DIFFERENCES},
    ),
    "no gradient at zero": (Laplace, {"finite at extremes, float32"}),
    "cancellation": (change(_log_prob=cancel_digits), {PRECISION}),
    "posterior off by 10%": (
        change_posterior(
            log_prob=lambda self, z: priors.GaussianPosterior.log_prob(self, z) + 0.1,
            log_prob_groups=lambda self, z, groups: (
                priors.GaussianPosterior.log_prob_groups(self, z, groups)
                + 0.1 / len(groups)
            ),
            log_prob_pairs=priors.Posterior.log_prob_pairs,
        ),
        {Q_NORMALISES, Q_ENTROPY},
    ),
    "posterior's sampler off by 10%": (
        change_posterior(
            rsample=lambda self, noise: self.loc + 1.1 * self.scale * noise
        ),
        {Q_FOLLOWS, Q_ENTROPY, PATHWISE},
    ),
    "rsample detached": (
        change_posterior(
            rsample=lambda self, noise: (self.loc + self.scale * noise).detach()
        ),
        {PATHWISE},
    ),
    "half of rsample detached": (
        change_posterior(
            rsample=lambda self, noise: self.loc + self.scale.detach() * noise
        ),
        {PATHWISE},
    ),
    "entropy off": (
        change_posterior(
            entropy=lambda self: priors.GaussianPosterior.entropy(self) + 0.1
        ),
        {Q_ENTROPY},
    ),
    "pairs transposed": (
        change_posterior(
            log_prob_pairs=lambda self, z, groups: (
                pair.T
                for pair in priors.GaussianPosterior.log_prob_pairs(self, z, groups)
            )
        ),
        {Q_GROUPS},
    ),
    "posterior singular at zero": (
        change_posterior(
            rsample=lambda self, noise: (
                self.loc.square().sqrt() * self.loc.sign() + self.scale * noise
            )
        ),
        {"posterior finite at extremes, float32"},
    ),
}
"""By fault, a class of priors and the names of the properties that fail."""
