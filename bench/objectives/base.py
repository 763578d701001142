"""What a training objective is: a function of one batch of one seed."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from priorbench.bench.models.vae import Draw
from priorbench.registry import Registry
from priorbench.priors import Prior

registry = Registry("objective", "priorbench.objectives")
register = registry.register


class Objective(nn.Module):
    """A loss to be minimised, in nats per image.

    Args:
        beta: strength β of the regularisation, >= 0; where ``per_group`` is true, one number or
            one for each of the prior's groups.
    Raises:
        ValueError: ``beta`` is negative or not finite, or a list where one number is needed.
    """

    per_group: bool = False
    """Whether ``beta`` may have a number for each of the prior's groups."""

    def __init__(self, beta: float | Sequence[float]) -> None:
        super().__init__()
        several = isinstance(beta, Sequence)
        if several and not self.per_group:
            raise ValueError(
                f"'beta' of {type(self).__name__} must be one number, its "
                f"regularisation is no sum over groups; got {list(beta)!r}; use "
                "one number, or the objective 'beta_vae'"
            )
        numbers = tuple(beta) if several else (beta,)
        if not numbers or not all(0 <= number < math.inf for number in numbers):
            raise ValueError(
                f"'beta' must be a finite number >= 0"
                f"{', or several' if self.per_group else ''}; got {beta!r}"
            )
        self.beta = tuple(map(float, numbers)) if several else float(beta)

    def check(self, prior: Prior) -> None:
        """See that ``beta``, where it is a list, has a number for each of the prior's groups.

        Raises:
            ValueError: it has not.
        """
        if isinstance(self.beta, tuple) and len(self.beta) != len(prior.groups):
            raise ValueError(
                f"'beta' must have one number for each of the prior's "
                f"{len(prior.groups)} groups; got {len(self.beta)}: "
                f"{list(self.beta)!r}"
            )

    def adapt(self, prior: Prior) -> None:
        """Fit the objective to the prior: called once, before training, under the seed's generator.

        Here a subclass makes networks of its own, which are trained with the model; it calls this
        one too, which is :meth:`check`.

        Raises:
            ValueError: the objective does not go with the prior.
        """
        self.check(prior)

    def optimizer_options(self) -> dict[str, dict[str, Any]]:
        """Adam's own settings for each of the objective's parameters, by its name.

        ``{"net.weight": {"lr": 1e-4, "betas": (0.5, 0.9)}}``, for example; what is not there is
        as for the model. Adam works element by element: this is an Adam of their own.
        """
        return {}

    @abstractmethod
    def forward(
        self, draw: Draw, dataset_size: int, progress: float | Tensor
    ) -> Tensor:
        """Loss of a batch.

        Args:
            draw: posteriors, latents and log-likelihoods of the batch.
            dataset_size: number of images that the batch was drawn from.
            progress: share of the training that is done, from 0 to 1: a number, or on a GPU, where
                the step is recorded, a float64 tensor of no dimension; do not branch on it.
        Returns:
            A scalar, in nats per image.
        """


def check_choice(name: str, value: str, known: tuple[str, str]) -> None:
    """See that the argument ``name`` has one of two values.

    Raises:
        ValueError: it has another.
    """
    if value not in known:
        raise ValueError(
            f"{name!r} must be {known[0]!r} or {known[1]!r}; got {value!r}"
        )
