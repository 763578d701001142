"""The variational autoencoder of one seed: encoder, posterior, decoder, likelihood."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.architectures import Architecture
from bench.registry import Registry
from priors import Posterior, Prior

likelihoods = Registry("likelihood", "priorbench.likelihoods")


@dataclass(frozen=True)
class Draw:
    """One draw of the latents for every image of a batch.

    Attributes:
        q: the posterior, parameters (batch, num_params).
        z: the draw, (batch, latent_dim).
        log_likelihood: log p(x|z), (batch,), in nats.
        prior: p(z).
    """

    q: Posterior
    z: Tensor
    log_likelihood: Tensor
    prior: Prior


class VAE(nn.Module):
    """A variational autoencoder.

    Args:
        architecture: encoder and decoder.
        prior: p(z), which brings the family of q(z|x).
        log_likelihood: (raw decoder output, images), both (batch, pixels) -> (batch,), nats.
        autocast: precision of the two networks, None for that of their parameters; likelihood
            and KL are always float32.
    """

    def __init__(
        self,
        architecture: Architecture,
        prior: Prior,
        log_likelihood: "LogLikelihood",
        autocast: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.prior = prior
        self.log_likelihood = log_likelihood
        self.autocast = autocast

    def encode(self, x: Tensor) -> Posterior:
        """Images (batch, pixels) -> q(z|x), parameters (batch, num_params)."""
        return self.prior.posterior(self._network(self.architecture.encoder, x))

    def decode(self, z: Tensor) -> Tensor:
        """Latents (batch, latent_dim) -> raw decoder output (batch, pixels)."""
        return self._network(self.architecture.decoder, z)

    def forward(self, x: Tensor, noise: Tensor) -> Draw:
        """One draw for images x (batch, pixels) from standard normal noise (batch, noise_dim)."""
        q = self.encode(x)
        z = q.rsample(noise)
        return Draw(q, z, self.log_likelihood(self.decode(z), x), self.prior)

    def _network(self, network: nn.Module, inputs: Tensor) -> Tensor:
        if self.autocast is None:
            return network(inputs)
        with torch.autocast(inputs.device.type, dtype=self.autocast):
            outputs = network(inputs)
        return outputs.float()


class LogLikelihood:
    """The decoder's distribution of an image: log density and mean."""

    def __call__(self, raw: Tensor, x: Tensor) -> Tensor:
        """Log p(x|z), both (batch, pixels) -> (batch,), in nats."""
        raise NotImplementedError

    def mean(self, raw: Tensor) -> Tensor:
        """Expected image, (batch, pixels) -> (batch, pixels)."""
        raise NotImplementedError


@likelihoods.register("bernoulli")
class Bernoulli(LogLikelihood):
    """Independent binary pixels; the decoder gives logits."""

    def __call__(self, raw: Tensor, x: Tensor) -> Tensor:
        """Log p(x|z), both (batch, pixels) -> (batch,), in nats."""
        return -functional.binary_cross_entropy_with_logits(raw, x, reduction="none").sum(-1)

    def mean(self, raw: Tensor) -> Tensor:
        """Probability of every pixel."""
        return torch.sigmoid(raw)
