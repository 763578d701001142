"""Training as published code does it: one seed, one step at a time, as one would write it first.

What it does is what ``vae_quant.py`` of the authors of β-TCVAE (Chen et al. 2018), which ISA-VAE's
code goes on from, does: all images as float32, a shuffling ``DataLoader``, the estimator of
the aggregate posterior from a (batch, batch, latents) tensor, Adam with PyTorch's defaults, and
the loss read by the host after every step.
"""

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

OBJECTIVES = ("beta_vae", "beta_vae_estimator", "beta_tcvae")
"""The second is the β-VAE as published: at every β but 1 the code computes the estimator of
β-TCVAE too, and leaves it out of the loss."""


class PlainLoop:
    """β-VAE or β-TCVAE with a standard normal prior and binary pixels.

    Args:
        networks: encoder, (batch, pixels) -> (batch, 2 latents), and decoder, its inverse's shape.
        images: float32 (N, pixels), on the CPU.
        batch_size: images of a batch.
        objective: one of :data:`OBJECTIVES`.
        beta: strength.
        learning_rate: of Adam.
        device: where the networks are.
        order: rows of the images, epoch by epoch; None to shuffle.
        noise: standard normal noise of a shape; ``torch.randn`` unless given.
        dataset_size: N of the estimator's weights; the number of images unless given.
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
        self.objective, self.beta, self.device, self.noise = (
            objective,
            beta,
            device,
            noise,
        )
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
        self._batches = self._endless()

    def step(self) -> tuple[float, float]:
        """One step: its loss and mean log-likelihood, in nats per image."""
        x = next(self._batches).to(self.device, non_blocking=True)
        self.optimizer.zero_grad()
        loss, log_likelihood = self.losses(x)
        loss.backward()
        self.optimizer.step()
        return loss.item(), log_likelihood.item()

    def losses(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and mean log-likelihood of a batch x (batch, pixels), two scalars."""
        loc, log_scale = self.encoder(x).chunk(2, dim=1)
        q = Normal(loc, log_scale.exp())
        z = loc + q.scale * self.noise(loc.shape).to(loc)
        log_likelihood = -functional.binary_cross_entropy_with_logits(
            self.decoder(z), x, reduction="none"
        ).sum(1)
        if self.objective == "beta_tcvae":
            joint, product = self.estimate(q, z)
            log_prior = Normal(0.0, 1.0).log_prob(z).sum(1)
            regularisation = (
                q.log_prob(z).sum(1)
                - joint
                + self.beta * (joint - product)
                + product
                - log_prior
            )
        else:
            if self.objective == "beta_vae_estimator":
                self.estimate(q, z)
            regularisation = self.beta * kl_divergence(q, Normal(0.0, 1.0)).sum(1)
        return (regularisation - log_likelihood).mean(), log_likelihood.detach().mean()

    def estimate(self, q: Normal, z: Tensor) -> tuple[Tensor, Tensor]:
        """Log q(z) and the log of the product of its marginals from the batch, each (batch,)."""
        pairs = Normal(q.loc[None], q.scale[None]).log_prob(z[:, None])
        weights = self.log_weights(len(z)).to(z)
        joint = torch.logsumexp(pairs.sum(2) + weights, dim=1)
        return joint, torch.logsumexp(pairs + weights[..., None], dim=1).sum(1)

    def log_weights(self, batch: int) -> Tensor:
        """Of minibatch stratified sampling, (batch, batch)."""
        others = batch - 1
        weights = torch.full((batch, batch), -math.log(others))
        rows = torch.arange(batch)
        weights[rows, rows] = -math.log(self.size)
        weights[rows, (rows + 1) % batch] = math.log(
            (self.size - others) / (self.size * others)
        )
        return weights

    def _endless(self) -> Iterator[Tensor]:
        while True:
            for (x,) in self.loader:
                yield x
