"""What a family of posteriors has by default."""

from dataclasses import dataclass

import pytest
import torch
from torch import distributions

from priorbench.priors import Prior
from priorbench.priors.numerics.columns import sum_groups
from priorbench.priors.posteriors.base import Posterior, PosteriorFamily


@dataclass(frozen=True)
class Uniform(PosteriorFamily):
    """The least that an author writes: a family, and its posteriors."""

    width: float = 1.0

    def __call__(self, params):
        return UniformPosterior(params, self)

    def num_params(self, latent_dim):
        return latent_dim


class UniformPosterior(Posterior):
    def rsample(self, noise):
        share = distributions.Normal(0.0, 1.0).cdf(noise)
        return self.params + self.family.width * share

    def log_prob_groups(self, z, groups):
        position = (z - self.params) / self.family.width
        inside = torch.where((position - 0.5).abs() <= 0.5, 0.0, -torch.inf)
        return sum_groups(inside, groups)

    @property
    def representation(self):
        return self.params + 0.5 * self.family.width


def test_defaults_of_a_family():
    q = Uniform()(torch.zeros(3, 2))
    z = q.rsample(torch.randn(3, 2))
    assert Uniform().noise_dim(7) == 7
    assert q.log_prob(z).tolist() == [0.0] * 3
    assert q.log_prob(z + 2).tolist() == [-torch.inf] * 3
    assert isinstance(q[:2], UniformPosterior)
    assert q.independent_parts() == [(q, (0, 1))]
    with pytest.raises(NotImplementedError, match="Uniform has no closed-form entropy"):
        q.entropy()


def test_rows_keep_the_fields_of_the_family():
    q = Uniform(width=4.0)(torch.zeros(3, 2))[1:]
    assert q.family == Uniform(4.0)
    assert q.representation.tolist() == [[2.0, 2.0]] * 2


def test_a_family_must_be_complete():
    class Half(PosteriorFamily):
        def num_params(self, latent_dim):
            return latent_dim

    class HalfPosterior(Posterior):
        def rsample(self, noise):
            return noise

    with pytest.raises(TypeError, match="abstract"):
        Half()
    with pytest.raises(TypeError, match="abstract"):
        HalfPosterior(torch.zeros(1), Uniform())


def test_a_prior_takes_a_users_family():
    class Normal(Prior):
        posterior = Uniform(width=0.5)

        def _log_prob(self, z):
            return -0.5 * z.square().sum(-1)

    prior = Normal(2)
    q = prior.posterior(torch.ones(4, 2))
    z = q.rsample(torch.zeros(4, 2))
    assert z.tolist() == [[1.25, 1.25]] * 4
    torch.testing.assert_close(prior.kl(q, z), -prior.log_prob(z))
