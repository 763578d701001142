"""The mutual information gap of binned posterior means."""

import torch
from torch import Tensor

from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.gap import list_counted_factors


@register("mig_histogram")
def mig_histogram(
    codes: Codes, num_samples: int = 10_000, num_bins: int = 20
) -> Scores:
    r"""Mutual information gap of discretised representations, from 0 to 1.

    .. math:: \frac1F \sum_f \frac{I(b_{(1)}; v_f) - I(b_{(2)}; v_f)}{H(v_f)}

    with b_j the bin of the representation's coordinate j, ``num_bins`` of equal width from its
    smallest to its largest sampled value, and plug-in estimates throughout. It does not see the
    posterior's noise, and for n_f > ``num_bins`` values it stays below about
    log num_bins / log n_f. References: Locatello et al. 2019, appendix B.

    Args:
        codes: of any posterior; its ``representation`` is read: means, directions of spheres.
        num_samples: data points, drawn with replacement; all, once each, if there are no more.
        num_bins: bins for each coordinate.

    Returns:
        ``mig_histogram`` over all factors of more than one value among the samples.
    """
    kept = list_counted_factors(codes)
    index = _draw_points(codes, num_samples)
    points = codes.posterior.representation[index].double()
    bins = [equal_width_bins(column, num_bins) for column in points.T]
    scores = []
    for f in kept:
        values = codes.factors[index, f]
        entropy = discrete_information(values, values)
        information = torch.stack([discrete_information(b, values) for b in bins])
        top = torch.cat([information, torch.zeros_like(information[:1])]).topk(2).values
        if entropy > 0:
            scores.append((top[0] - top[1]) / entropy)
    if not scores:
        raise ValueError("'factors' do not vary among the sampled data points")
    return {"mig_histogram": torch.stack(scores).mean().item()}


def _draw_points(codes: Codes, num_samples: int) -> Tensor:
    if len(codes.z) <= num_samples:
        return torch.arange(len(codes.z), device=codes.z.device)
    index = torch.randint(len(codes.z), (num_samples,), generator=codes.generator())
    return index.to(codes.z.device)


def equal_width_bins(values: Tensor, num_bins: int) -> Tensor:
    """Bin of each value, (S,) -> int64 (S,) from 0 to num_bins - 1; the last bin is closed.

    Example:
        >>> equal_width_bins(torch.tensor([0.0, 0.4, 0.5, 1.0]), 2).tolist()
        [0, 0, 1, 1]
    """
    low, high = values.min().item(), values.max().item()
    edges = torch.linspace(
        low, high, num_bins + 1, dtype=values.dtype, device=values.device
    )
    return torch.bucketize(values.contiguous(), edges[1:-1], right=True)


def discrete_information(first: Tensor, second: Tensor) -> Tensor:
    r"""Plug-in mutual information of two discrete variables, in nats.

    .. math:: I = \sum_{ab} p_{ab} \log \frac{p_{ab}}{p_a p_b}

    Args:
        first: int64 (S,), from 0.
        second: int64 (S,), from 0.

    Returns:
        () float64, from 0; of a variable with itself, its entropy.

    Example:
        >>> coin = torch.tensor([0, 1, 0, 1])
        >>> discrete_information(coin, coin)
        tensor(0.6931, dtype=torch.float64)
    """
    width = int(second.max()) + 1
    height = int(first.max()) + 1
    counts = torch.bincount(first * width + second, minlength=height * width)
    joint = counts.view(height, width).double() / len(first)
    entropies = [
        torch.special.entr(p).sum() for p in (joint.sum(0), joint.sum(1), joint)
    ]
    return (entropies[0] + entropies[1] - entropies[2]).clamp(min=0)
