"""The variational autoencoder of one seed: encoder, posterior, decoder, likelihood."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from priorbench.bench.models.architectures import Architecture
from priorbench.bench.models.likelihoods import LogLikelihood
from priorbench.priors import Posterior, Prior


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
        log_likelihood: LogLikelihood,
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
        raw = self._network(self.architecture.decoder, z, self.log_likelihood.float32)
        return Draw(q, z, self.log_likelihood(raw, x), self.prior)

    def _network(
        self, network: nn.Module, inputs: Tensor, float32: bool = True
    ) -> Tensor:
        if self.autocast is None:
            return network(inputs)
        with torch.autocast(inputs.device.type, dtype=self.autocast):
            outputs = network(inputs)
        return outputs.float() if float32 else outputs
