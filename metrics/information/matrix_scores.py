"""Scores of a matrix of mutual informations: of latents, and of the prior's groups."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from priorbench.metrics.base import Codes, Scores
from priorbench.metrics.information.gap import list_counted_factors
from priorbench.metrics.information.latent_information import estimate_information
from priorbench.priors.posteriors.base import Groups

ACTIVE = 0.01
"""Share of some factor's entropy that a code must know more of to be active."""

Formula = Callable[["InformationMatrix"], float | None]
"""From a matrix to a score; None where the score does not exist for its shape."""


@dataclass(frozen=True)
class InformationMatrix:
    """The mutual information of codes, latents or groups, with the counted factors.

    Attributes:
        nats: I_jk of K codes and F factors, (K, F), float64, on the CPU; less than
            twice its error is taken as 0, or what is left of nothing would look like a
            code of its own.
        error: how far each may be off, (K, F): a bound, or a standard error where a
            code is sampled.
        entropies: H_k of the factors, (F,), > 0, in nats.
    """

    nats: Tensor
    error: Tensor
    entropies: Tensor

    @classmethod
    def from_codes(
        cls, codes: Codes, groups: Groups, step: float, num_samples: int
    ) -> Self:
        """Estimate the information of some groups of latents.

        Arguments and errors are those of
        :func:`priorbench.metrics.information.latent_information.estimate_information`.
        """
        counted = list_counted_factors(codes)
        found = estimate_information(codes, groups, step, num_samples)
        nats = found.nats[:, counted].cpu()
        error = found.error[:, counted].cpu()
        known = torch.where(nats > 2 * error, nats, 0.0)
        return cls(known, error, codes.factor_entropies[counted].cpu())

    @property
    def normalised(self) -> Tensor:
        """Return the share of each factor's entropy that each code knows, (K, F)."""
        return self.nats / self.entropies

    @property
    def importances(self) -> Tensor:
        r"""Return :math:`R_{jk} = I_{jk} / \sum_l I_{lk}`, (K, F).

        They are 0 for a factor of which no code knows.
        """
        total = self.nats.sum(0)
        return torch.where(total > 0, self.nats / total, 0.0)

    @property
    def active(self) -> Tensor:
        r"""Return which codes are active, :math:`\max_k I_{jk} / H_k > 0.01`, (K,)."""
        return self.normalised.amax(1) > ACTIVE

    def keep_active(self) -> Self:
        """Return the matrix of the active codes."""
        active = self.active
        return type(self)(self.nats[active], self.error[active], self.entropies)

    def bound_error(self, formula: Formula) -> float:
        """Return how far a score may be off, to the first order in the errors.

        It is the sum over the entries of how far the score moves when one of them
        moves by its error. Standard errors of sampled codes are carried as if they were
        bounds.
        """
        score = formula(self)
        total = 0.0
        for j, k in self.error.nonzero().tolist():
            shifts = []
            for sign in (1, -1):
                moved = self.nats.clone()
                moved[j, k] = (moved[j, k] + sign * self.error[j, k]).clamp(min=0)
                other = formula(type(self)(moved, self.error, self.entropies))
                shifts.append(abs(other - score))
            total += max(shifts)
        return total


def score_latents_and_groups(
    codes: Codes,
    name: str,
    formula: Formula,
    step: float,
    num_samples: int,
    num_group_samples: int,
    only_active: bool = True,
) -> Scores:
    """Return a score of the matrices of latents and of groups, with error bounds.

    Args:
        codes: of any posterior with densities.
        name: of the column.
        formula: of the score.
        step: distance of grid points, in units of each Gaussian latent's smallest
            standard deviation.
        num_samples: draws for latents that have no exact method.
        num_group_samples: draws for groups that have none.
        only_active: whether the formula is for the active codes alone.

    Returns:
        ``<name>`` and ``<name>_error``; where there are at least two groups, and one of
        more than one coordinate, ``<name>_groups`` and ``<name>_groups_error``. A score
        that does not exist, because no code is active for example, is left out.

    Raises:
        ValueError: no factor can be counted, or the posterior lacks a density that a
            latent or a group needs.
    """
    latents = [[j] for j in range(codes.z.shape[1])]
    asked = {name: (latents, num_samples)}
    if len(codes.groups) > 1 and any(len(group) > 1 for group in codes.groups):
        asked[f"{name}_groups"] = codes.groups, num_group_samples
    scores: Scores = {}
    for column, (groups, count) in asked.items():
        matrix = InformationMatrix.from_codes(codes, groups, step, count)
        if not matrix.active.any():
            continue
        if only_active:
            matrix = matrix.keep_active()
        score = formula(matrix)
        if score is not None:
            scores[column] = score
            scores[f"{column}_error"] = matrix.bound_error(formula)
    return scores
