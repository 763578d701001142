"""The variational autoencoder of one seed: encoder, posterior, decoder, likelihood."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from priorbench.bench.models.likelihoods import Likelihood
from priorbench.priors.base import Prior
from priorbench.priors.posteriors.base import Posterior

if TYPE_CHECKING:
    from priorbench.bench.models.architectures import Architecture


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
        likelihood: p(x|z), of the decoder's raw output.
        autocast: precision of the two networks, None for that of their parameters; the
            likelihood and the KL are always float32.
    """

    def __init__(
        self,
        architecture: "Architecture",
        prior: Prior,
        likelihood: Likelihood,
        autocast: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.prior = prior
        self.likelihood = likelihood
        self.autocast = autocast

    def encode(self, x: Tensor) -> Posterior:
        """Return q(z|x) of images (batch, pixels), parameters (batch, num_params)."""
        return self.prior.posterior(self._run_network(self.architecture.encoder, x))

    def decode(self, z: Tensor) -> Tensor:
        """Map latents (batch, latent_dim) to the raw decoder output (batch, pixels)."""
        return self._run_network(self.architecture.decoder, z)

    def forward(self, x: Tensor, noise: Tensor) -> Draw:
        """Draw latents for images x (batch, pixels).

        Args:
            x: the images, (batch, pixels).
            noise: standard normal, (batch, noise_dim).
        """
        q = self.encode(x)
        z = q.rsample(noise)
        raw = self._run_network(
            self.architecture.decoder, z, self.likelihood.needs_float32
        )
        return Draw(q, z, self.likelihood(raw, x), self.prior)

    def _run_network(
        self, network: nn.Module, inputs: Tensor, float32: bool = True
    ) -> Tensor:
        """Run a network under autocast; ``float32`` widens its output."""
        if self.autocast is None:
            return network(inputs)
        with torch.autocast(inputs.device.type, dtype=self.autocast):
            outputs = network(inputs)
        return outputs.float() if float32 else outputs
