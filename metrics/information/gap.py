"""From mutual information to the mutual information gap."""

from collections.abc import Sequence

import torch
from torch import Tensor

from priorbench.metrics.base import Codes


def list_counted_factors(
    codes: Codes,
    excluded: Sequence[str] = (),
) -> list[int]:
    """Return the indices of the factors that a metric counts.

    They have more than one value among the data points, are not a nuisance, and are not
    among ``excluded``.

    Raises:
        ValueError: there is no such factor.
    """
    left_out = {*excluded, *codes.nuisance}
    varied = list_varied_factors(codes)
    counted = [f for f in varied if codes.factor_names[f] not in left_out]
    if not counted:
        used = [len(values.unique()) for values in codes.factors.T]
        found = dict(zip(codes.factor_names, used, strict=True))
        raise ValueError(
            "no factor can be counted: expected a factor of more than one value in the "
            f"data that is not left out; got {found} values, and {sorted(left_out)} "
            "left out"
        )
    return counted


def list_varied_factors(codes: Codes) -> list[int]:
    """Return the indices of the factors of more than one value among the data points.

    There may be none.
    """
    varied = (codes.factors != codes.factors[:1]).any(0)
    return varied.nonzero().flatten().tolist()


def gap_contrasts(information: Tensor, units: Tensor) -> Tensor:
    r"""Return weights that turn mutual informations into gaps, (K, F).

    .. math:: g_f = \frac{I_{(1)f} - I_{(2)f}}{u_f} = \sum_k c_{kf} I_{kf}

    Args:
        information: mutual informations (K, F) of K latents or groups, in nats.
        units: u_f > 0, (F,), the entropy of each factor in nats.

    Returns:
        c_{kf}: 1 / u_f at the most informative latent, -1 / u_f at the second,
        otherwise 0. With one latent there is no second: the gap is then the normalised
        information itself.
    """
    count = min(2, len(information))
    top = information.topk(count, dim=0).indices
    signs = information.new_tensor([1.0, -1.0])[:count, None]
    contrasts = torch.zeros_like(information)
    return contrasts.scatter_(0, top, signs / units)


def compute_gaps(information: Tensor, units: Tensor) -> Tensor:
    """Return the gap of each factor, (F,), from 0 to 1.

    Arguments are those of :func:`gap_contrasts`.

    Example:
        >>> information = torch.tensor([[0.0, 3.0], [2.0, 2.0]])
        >>> compute_gaps(information, torch.tensor([4.0, 4.0]))
        tensor([0.5000, 0.2500])
    """
    return (gap_contrasts(information, units) * information).sum(0)


def bound_gap_errors(information: Tensor, error: Tensor, units: Tensor) -> Tensor:
    """Return how far each factor's gap may be off, (F,).

    The largest and the second largest information move no further than to those of the
    lower ends or of the upper ends, whichever latents they belong to.

    Args:
        information: mutual informations (K, F), in nats.
        error: how far each may be off, (K, F), in nats.
        units: what each gap is divided by, (F,).

    Example:
        >>> information = torch.tensor([[1.0], [0.5], [0.2]])
        >>> error = torch.tensor([[0.01], [0.02], [0.2]])
        >>> bound_gap_errors(information, error, torch.ones(1))
        tensor([0.0300])
    """
    count = min(2, len(information))
    lower, middle, upper = (
        values.clamp(min=0).topk(count, dim=0).values
        for values in (information - error, information, information + error)
    )
    if count == 1:
        return torch.maximum(upper - middle, middle - lower)[0] / units
    gap = middle[0] - middle[1]
    largest = upper[0] - lower[1]
    smallest = (lower[0] - upper[1]).clamp(min=0)
    error_of_gap = torch.maximum(largest - gap, gap - smallest)
    return error_of_gap / units
