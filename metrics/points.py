"""Points in place of posteriors: representations whose noise is not known."""

from dataclasses import dataclass

from torch import Tensor

from priorbench.priors.posteriors.base import Groups, Posterior, PosteriorFamily


@dataclass(frozen=True)
class Points(PosteriorFamily):
    """Codes that are known as points only, with no density around them.

    Example:
        >>> import torch
        >>> Points()(torch.zeros(3, 2)).representation.shape
        torch.Size([3, 2])
    """

    def __call__(self, params: Tensor) -> "PointPosterior":
        """Return the points, (..., latent_dim)."""
        return PointPosterior(params, self)

    def num_params(self, latent_dim: int) -> int:
        """Return the number of coordinates."""
        return latent_dim


class PointPosterior(Posterior):
    """Points of the family :class:`Points`."""

    @property
    def representation(self) -> Tensor:
        """The points themselves, (..., latent_dim)."""
        return self.params

    def rsample(self, noise: Tensor) -> Tensor:
        """Return the points, whatever the noise."""
        return self.params

    def log_prob_groups(self, z: Tensor, groups: Groups) -> Tensor:
        """Refuse: points have no density.

        Raises:
            ValueError: always.
        """
        raise ValueError("points have no density; give 'log_scales' with the means")
