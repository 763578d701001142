"""A model from the names and arguments of its parts."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from priorbench.bench.models.architectures import Architecture
from priorbench.bench.models.architectures import registry as architectures
from priorbench.bench.models.likelihoods import registry as likelihoods
from priorbench.bench.models.vae import VAE
from priorbench.priors.base import build_prior


def build_model(
    prior: Mapping[str, Any],
    architecture: Mapping[str, Any],
    likelihood: Mapping[str, Any],
    latent_dim: int,
    image_shape: Sequence[int],
    precision: str = "fp32",
) -> VAE:
    """Build a model of one seed; its initialisation is drawn from the global generator.

    Args:
        prior: name and arguments.
        architecture: name and arguments.
        likelihood: name and arguments.
        latent_dim: number of latents, of a prior that does not give it.
        image_shape: (channels, height, width).
        precision: "bf16" for networks that compute in bfloat16.

    Raises:
        ValueError: a name is unknown, or a part does not take its arguments.
    """
    made = build_prior(**{"latent_dim": latent_dim, **prior})
    num_params = made.posterior.num_params(made.latent_dim)
    networks = build_networks(architecture, image_shape, made.latent_dim, num_params)
    autocast = torch.bfloat16 if precision == "bf16" else None
    return VAE(networks, made, likelihoods.build(**likelihood), autocast)


def build_networks(
    architecture: Mapping[str, Any],
    image_shape: Sequence[int],
    latent_dim: int,
    num_params: int,
) -> Architecture:
    """Build encoder and decoder.

    Args:
        architecture: name and arguments.
        image_shape: (channels, height, width).
        latent_dim: number of latents.
        num_params: length of the posterior's raw parameters.

    Raises:
        ValueError: the name is unknown, or an argument is refused.
    """
    return architectures.build(
        **architecture,
        image_shape=tuple(image_shape),
        latent_dim=latent_dim,
        num_params=num_params,
    )
