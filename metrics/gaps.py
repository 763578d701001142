"""From mutual information to the mutual information gap."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from metrics.base import Codes


def counted(codes: Codes, excluded: Sequence[str] = ()) -> list[int]:
    """Indices of the factors that a gap averages: of more than one value and not excluded.

    Raises:
        ValueError: no factor is left.
    """
    sizes = dict(zip(codes.factor_names, codes.factor_sizes, strict=True))
    kept = [i for i, (name, size) in enumerate(sizes.items()) if size > 1 and name not in excluded]
    if not kept:
        raise ValueError("a mutual information gap needs a factor of more than one value that is "
                         f"not excluded; got sizes {sizes} and excluded {tuple(excluded)}")
    return kept


def contrasts(information: Tensor, factor_sizes: Sequence[int]) -> Tensor:
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
    weight = torch.tensor([1 / math.log(n) for n in factor_sizes], dtype=information.dtype,
                          device=information.device)
    sign = information.new_tensor([1.0, -1.0])[:len(top), None]
    return torch.zeros_like(information).scatter_(0, top, sign * weight)


def gaps(information: Tensor, factor_sizes: Sequence[int]) -> Tensor:
    """Gap of each factor, (F,), from 0 to 1; arguments as for :func:`contrasts`.

    Example:
        >>> information = torch.tensor([[0.0, 1.0], [0.5, 0.5]]) * math.log(4)
        >>> gaps(information, [4, 4])
        tensor([0.5000, 0.5000])
    """
    return (contrasts(information, factor_sizes) * information).sum(0)
