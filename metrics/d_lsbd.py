"""D_LSBD: whether a plane of the code turns as a cyclic factor does."""

from math import prod

import numpy as np
import torch

from priorbench.metrics.arguments import Count
from priorbench.metrics.base import Codes, Scores, register


@register("d_lsbd", headline="d_lsbd", needs=("factors", "cyclic"))
def d_lsbd(codes: Codes, max_frequency: Count = 3) -> Scores:
    r"""Return how far cyclic factors are from turning planes of the code; 0 is best.

    A cyclic factor k has the angles :math:`\theta = 2 \pi v_k / n_k`. The mean over its
    values, all other factors fixed, is taken from the code; the plane in which the rest
    varies most, whitened, is a complex number p:

    .. math:: D_k = E|p|^2 - \max_{0 < |\omega| \le \Omega}
        \left| E\, p\, e^{-i \omega \theta} \right|^2

    with :math:`E|p|^2 = 1 - 1/N`, as the variances are the unbiased ones. The score is
    the mean of :math:`D_k` over the cyclic factors: 0 where each turns a plane of its
    own, however the whole code is turned and whatever else it holds; about 1 for noise
    and for a code that does not depend on the factor. A latent that follows the index
    of a cyclic factor scores about 0.85. Constant latents, and the sign and order of
    latents, change nothing, copies of all data points no more than 1/N; the order of a
    factor's values matters. A plane that two factors turn is not marked down.

    The last of dSprites' orientations repeats the first, so that a perfect code of it
    scores 0.001. Its square looks the same after a quarter turn and its ellipse after
    half a turn: there no model can tell the orientation, and the score cannot reach 0.

    References: Tonnaer, Pérez Rey et al. 2022, whose code searches the frequencies of
    all factors together, which gives the same.

    Args:
        codes: of any posterior; its ``representation`` is read. Their factors must be a
            complete grid: every combination of values occurs, equally often.
        max_frequency: :math:`\Omega \ge 1`, the turns of the plane for a turn of the
            factor, at most.

    Returns:
        ``d_lsbd``, and ``d_lsbd_<factor>``, the :math:`D_k`.

    Raises:
        ValueError: the factors are not a complete grid, a cyclic one has fewer than
            three values, or ``max_frequency`` is below 1.
    """
    if max_frequency < 1:
        raise ValueError(f"'max_frequency' must be at least 1; got {max_frequency}")
    sizes = codes.factor_sizes
    copies, remainder = divmod(len(codes.factors), prod(sizes))
    complete = copies > 0 and not remainder
    if complete:
        rank = torch.zeros_like(codes.factors[:, 0])
        for size, values in zip(sizes, codes.factors.T, strict=True):
            rank = rank * size + values
        complete = bool((rank.bincount(minlength=prod(sizes)) == copies).all())
    if not complete:
        raise ValueError(
            "'factors' must be a complete grid, every combination of their values "
            "equally often; they are not: leave the metric out"
        )
    z = codes.representation[rank.argsort(stable=True)].cpu().numpy()
    scores: Scores = {}
    for name in codes.cyclic:
        k = codes.factor_names.index(name)
        if sizes[k] < 3:
            raise ValueError(
                f"a cyclic factor must have at least three values; {name!r} has "
                f"{sizes[k]}"
            )
        # other factors before, the factor, others after (and copies), the latents
        grid = z.reshape(prod(sizes[:k]), sizes[k], -1, z.shape[1])
        scores[f"d_lsbd_{name}"] = measure_turning(grid, max_frequency)
    return {"d_lsbd": float(np.mean(list(scores.values()))), **scores}


def measure_turning(z: np.ndarray, max_frequency: int) -> float:
    """Return D of one factor, see :func:`d_lsbd`.

    Args:
        z: codes, float64 (A, n, B, d), with the n values of the factor in order.
        max_frequency: the largest frequency that is tried.

    Example:
        >>> angle = np.arange(5) * 2 * np.pi / 5
        >>> circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        >>> round(measure_turning(circle.reshape(1, 5, 1, 2), 1), 9)
        0.0
    """
    turning = z - z.mean(axis=1, keepdims=True)
    flat = turning.reshape(-1, z.shape[-1])
    variance, axes = np.linalg.eigh(flat.T @ flat / len(flat))
    # components that are rounding are left out; the whole plane is for constant codes
    floor = np.square(1e-9 * np.abs(z).max())
    kept = np.arange(len(variance))[-2:][variance[-2:] > floor]
    whitened = turning.mean(axis=(0, 2)) @ axes[:, kept]
    whitened /= np.sqrt(2 * variance[kept])
    plane = whitened @ np.array([1.0, 1.0j])[: len(kept)]
    angle = 2 * np.pi * np.arange(len(plane)) / len(plane)
    frequencies = np.arange(1, max_frequency + 1)[:, None]
    waves = np.exp(1j * frequencies * angle)
    coherence = np.abs(np.concatenate([waves, waves.conj()]) @ plane) / len(plane)
    incoherent = 1 - float(coherence.max()) ** 2
    return max(0.0, incoherent * (len(flat) - 1) / len(flat))
