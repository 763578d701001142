"""From mutual information to the mutual information gap."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from priorbench.metrics.base import Codes


def list_counted_factors(codes: Codes, excluded: Sequence[str] = ()) -> list[int]:
    """Indices of the factors that a gap averages: of more than one value and not excluded.

    Raises:
        ValueError: the dataset has no factors, or none is left.
    """
    if not codes.factor_names:
        raise ValueError(
            "there is no mutual information gap (mig) without factors, and the "
            "dataset has none: leave the metric out"
        )
    sizes = dict(zip(codes.factor_names, codes.factor_sizes, strict=True))
    kept = [
        i
        for i, (name, size) in enumerate(sizes.items())
        if size > 1 and name not in excluded
    ]
    if not kept:
        raise ValueError(
            "a mutual information gap needs a factor of more than one value that is "
            f"not excluded; got sizes {sizes} and excluded {tuple(excluded)}"
        )
    return kept


def gap_contrasts(information: Tensor, factor_sizes: Sequence[int]) -> Tensor:
    r"""Weights that turn mutual informations into gaps, one column for each factor.

    .. math:: g_f = \frac{I_{(1)f} - I_{(2)f}}{\log n_f} = \sum_k c_{kf} I_{kf}

    Args:
        information: mutual informations (K, F) of K latents or groups, in nats.
        factor_sizes: F sizes n_f > 1.

    Returns:
        c (K, F): 1 / log n_f at the most informative latent, -1 / log n_f at the second. With
        one latent there is no second: the gap is then the normalised information itself.
    """
    top = information.topk(min(2, len(information)), dim=0).indices
    weight = torch.tensor(
        [1 / math.log(n) for n in factor_sizes],
        dtype=information.dtype,
        device=information.device,
    )
    sign = information.new_tensor([1.0, -1.0])[: len(top), None]
    return torch.zeros_like(information).scatter_(0, top, sign * weight)


def compute_gaps(information: Tensor, factor_sizes: Sequence[int]) -> Tensor:
    """Gap of each factor, (F,), from 0 to 1; arguments as for :func:`gap_contrasts`.

    Example:
        >>> information = torch.tensor([[0.0, 1.0], [0.5, 0.5]]) * math.log(4)
        >>> compute_gaps(information, [4, 4])
        tensor([0.5000, 0.5000])
    """
    return (gap_contrasts(information, factor_sizes) * information).sum(0)


def gap_error(
    information: Tensor, error: Tensor, factor_sizes: Sequence[int]
) -> Tensor:
    """How far each factor's gap may be off, (F,), with informations within ``error`` (K, F).

    The largest and the second largest move no further than between those of the lower ends
    and those of the upper ends, whichever latents they belong to.

    Example:
        >>> information = torch.tensor([[1.0], [0.5], [0.2]])
        >>> error = torch.tensor([[0.01], [0.02], [0.2]])
        >>> gap_error(information, error, [2]) * math.log(2)
        tensor([0.0300])
    """
    lower, middle, upper = (
        (information + sign * error)
        .clamp(min=0)
        .topk(min(2, len(information)), dim=0)
        .values
        for sign in (-1, 0, 1)
    )
    weight = information.new_tensor([1 / math.log(n) for n in factor_sizes])
    if len(middle) == 1:
        return torch.maximum(upper - middle, middle - lower)[0] * weight
    gap = middle[0] - middle[1]
    most, least = upper[0] - lower[1], (lower[0] - upper[1]).clamp(min=0)
    return torch.maximum(most - gap, gap - least) * weight
