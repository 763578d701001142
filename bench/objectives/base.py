"""The interface of training objectives, and their registry."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from priorbench.bench.models.vae import Draw
from priorbench.priors.base import Prior
from priorbench.registry import Registry, suggest_names

registry = Registry("objective", "priorbench.objectives")
register = registry.register

ADAM_OPTIONS = ("lr", "betas", "eps", "weight_decay")
"""Settings of Adam that an objective may have for its own parameters."""


class Objective(nn.Module):
    """A loss to be minimised, in nats per image.

    Args:
        beta: strength β of the regularisation, >= 0; where ``per_group`` is true, one
            number or one for each of the prior's groups.

    Raises:
        ValueError: ``beta`` is negative or not finite, or a list where one number is
            needed.
    """

    per_group: bool = False
    """Whether ``beta`` may have a number for each of the prior's groups."""

    def __init__(self, beta: float | Sequence[float]) -> None:
        super().__init__()
        several = isinstance(beta, Sequence)
        if several and not self.per_group:
            raise ValueError(
                f"'beta' of {type(self).__name__} must be one number, since its "
                f"regularisation is not a sum over groups; got {list(beta)!r}; use one "
                "number, or the objective 'beta_vae'"
            )
        numbers = tuple(beta) if several else (beta,)
        if not numbers or not all(0 <= number < math.inf for number in numbers):
            expected = "a finite number >= 0"
            if self.per_group:
                expected += ", or a list of these"
            raise ValueError(f"'beta' must be {expected}; got {beta!r}")
        self.beta = tuple(map(float, numbers)) if several else float(beta)

    def check_beta(self, prior: Prior) -> None:
        """Check that ``beta``, if it is a list, has a number for each group.

        Raises:
            ValueError: the list has another length.
        """
        if isinstance(self.beta, tuple) and len(self.beta) != len(prior.groups):
            raise ValueError(
                f"'beta' must have one number for each of the prior's "
                f"{len(prior.groups)} groups; got {len(self.beta)}: "
                f"{list(self.beta)!r}"
            )

    def adapt(self, prior: Prior) -> None:
        """Fit the objective to the prior.

        This is called once, before training, under the seed's generator. A subclass may
        make networks of its own here, which are trained with the model; it calls this
        method too, which is :meth:`check_beta`.

        Raises:
            ValueError: the objective does not go with the prior.
        """
        self.check_beta(prior)

    def optimizer_options(self) -> dict[str, dict[str, Any]]:
        """Return Adam's settings for each of the objective's parameters, by its name.

        For example ``{"net.weight": {"lr": 1e-4, "betas": (0.5, 0.9)}}``; what is left
        out is as for the model. Adam works element by element, so that these parameters
        have in effect an Adam of their own.
        """
        return {}

    @abstractmethod
    def forward(
        self, draw: Draw, dataset_size: int, progress: float | Tensor
    ) -> Tensor:
        """Return the loss of a batch, a scalar in nats per image.

        Args:
            draw: posteriors, latents and log-likelihoods of the batch.
            dataset_size: number of images that the batch was drawn from.
            progress: share of the training that is done, from 0 to 1: a number, or, on
                a GPU, where the step is recorded, a float64 tensor of no dimension; do
                not branch on it.
        """


def check_choice(name: str, value: str, known: tuple[str, str]) -> None:
    """Check that the argument ``name`` has one of two values.

    Raises:
        ValueError: it has another value.
    """
    if value not in known:
        raise ValueError(
            f"{name!r} must be {known[0]!r} or {known[1]!r}; got {value!r}"
        )


def list_coordinates(prior: Prior, over: str) -> tuple[tuple[int, ...], ...]:
    """Return the coordinates between which a total correlation is taken.

    Args:
        prior: p(z).
        over: "groups" for the prior's groups, "latents" for single latents.
    """
    if over == "latents":
        return tuple((i,) for i in range(prior.latent_dim))
    return prior.coordinates


def list_adam_options(objective: Objective) -> dict[str, dict[str, Any]]:
    """Return the objective's own settings of Adam, by its parameters' names.

    Raises:
        ValueError: a name that is none of its parameters, or a setting that Adam does
            not have.
    """
    method = f"{type(objective).__name__}.optimizer_options()"
    names = [name for name, _ in objective.named_parameters()]
    checked = {}
    for name, options in objective.optimizer_options().items():
        if name not in names:
            raise ValueError(
                f"{method} has no parameter {name!r}; {suggest_names(name, names)}"
            )
        for key in options:
            if key not in ADAM_OPTIONS:
                raise ValueError(
                    f"{method} of {name!r}: Adam takes {', '.join(ADAM_OPTIONS)}; "
                    f"got {key!r}"
                )
        checked[name] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in options.items()
        }
    return checked
