"""Training as published code does it: one seed, one step at a time.

It does what ``vae_quant.py`` of the authors of β-TCVAE (Chen et al. 2018) does, which
the code of ISA-VAE builds on: all images as float32, a shuffling ``DataLoader``, the
estimator of the aggregate posterior from a (batch, batch, latents) tensor, Adam with
PyTorch's defaults, and the loss read by the host after every step.
"""

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

OBJECTIVES = ("beta_vae", "beta_vae_estimator", "beta_tcvae")
"""The second is the β-VAE as published: at every β but 1 the code computes the
estimator of β-TCVAE too, and leaves it out of the loss."""


class PlainLoop:
    """β-VAE or β-TCVAE with a standard normal prior and binary pixels.

    Args:
        networks: encoder, (batch, pixels) -> (batch, 2 latents), and decoder, (batch,
            latents) -> (batch, pixels).
        images: float32 (N, pixels), on the CPU.
        batch_size: images of a batch.
        objective: one of :data:`OBJECTIVES`.
        beta: strength.
        learning_rate: of Adam.
        device: of the networks.
        order: rows of the images, epoch by epoch; None to shuffle.
        noise: gives standard normal noise of a shape.
        dataset_size: N of the estimator's weights; None for the number of images.
    """

    def __init__(
        self,
        networks: tuple[nn.Module, nn.Module],
        images: Tensor,
        batch_size: int,
        objective: str,
        beta: float,
        learning_rate: float,
        device: torch.device,
        order: Iterable[int] | None = None,
        noise: Callable[..., Tensor] = torch.randn,
        dataset_size: int | None = None,
    ) -> None:
        self.encoder, self.decoder = (network.to(device) for network in networks)
        self.objective = objective
        self.beta = beta
        self.device = device
        self.noise = noise
        self.size = dataset_size or len(images)
        parameters = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=learning_rate)
        gpu = device.type == "cuda"
        self.loader = DataLoader(
            TensorDataset(images),
            batch_size,
            shuffle=order is None,
            sampler=order,
            drop_last=True,
            num_workers=4 if gpu else 0,
            pin_memory=gpu,
            persistent_workers=gpu,
        )
        self._batches = self._cycle_batches()

    def step(self) -> tuple[float, float]:
        """Take one step; return its loss and mean log-likelihood, in nats per image."""
        x = next(self._batches).to(self.device, non_blocking=True)
        self.optimizer.zero_grad()
        loss, log_likelihood = self.compute_loss(x)
        loss.backward()
        self.optimizer.step()
        return loss.item(), log_likelihood.item()

    def compute_loss(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the loss and the mean log-likelihood of a batch x (batch, pixels)."""
        loc, log_scale = self.encoder(x).chunk(2, dim=1)
        q = Normal(loc, log_scale.exp())
        z = loc + q.scale * self.noise(loc.shape).to(loc)
        cross_entropy = functional.binary_cross_entropy_with_logits(
            self.decoder(z), x, reduction="none"
        )
        log_likelihood = -cross_entropy.sum(1)
        if self.objective == "beta_tcvae":
            log_q = q.log_prob(z).sum(1)
            log_prior = Normal(0.0, 1.0).log_prob(z).sum(1)
            joint, product = self.estimate_aggregate(q, z)
            total_correlation = joint - product
            regularisation = (
                log_q - joint + self.beta * total_correlation + product - log_prior
            )
        else:
            if self.objective == "beta_vae_estimator":
                self.estimate_aggregate(q, z)
            regularisation = self.beta * kl_divergence(q, Normal(0.0, 1.0)).sum(1)
        return (regularisation - log_likelihood).mean(), log_likelihood.detach().mean()

    def estimate_aggregate(self, q: Normal, z: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate log q(z) and the log of its marginals' product, each (batch,)."""
        pairs = Normal(q.loc[None], q.scale[None]).log_prob(z[:, None])
        log_weights = self.make_log_weights(len(z)).to(z)
        joint = torch.logsumexp(pairs.sum(2) + log_weights, dim=1)
        marginals = torch.logsumexp(pairs + log_weights[..., None], dim=1)
        return joint, marginals.sum(1)

    def make_log_weights(self, batch: int) -> Tensor:
        """Return the log weights of minibatch stratified sampling, (batch, batch)."""
        others = batch - 1
        log_weights = torch.full((batch, batch), -math.log(others))
        rows = torch.arange(batch)
        rest = (self.size - others) / (self.size * others)
        log_weights[rows, rows] = -math.log(self.size)
        log_weights[rows, (rows + 1) % batch] = math.log(rest)
        return log_weights

    def _cycle_batches(self) -> Iterator[Tensor]:
        while True:
            for (x,) in self.loader:
                yield x
