"""What counts as one code: a latent, or a group of the prior."""

from priorbench.metrics.base import Codes
from priorbench.priors.posteriors.base import Groups


def list_partitions(
    codes: Codes,
    least_groups: int = 2,
) -> dict[str, Groups]:
    """Return the partitions of the latents that are scored, by the column's ending.

    Args:
        codes: of any posterior.
        least_groups: number of groups that the score needs.

    Returns:
        Single latents under "", and the prior's groups under "_groups" if one of them
        has more than one coordinate and there are enough of them.
    """
    latents = [[j] for j in range(codes.z.shape[1])]
    partitions: dict[str, Groups] = {"": latents}
    largest = max(map(len, codes.groups))
    if largest > 1 and len(codes.groups) >= least_groups:
        partitions["_groups"] = codes.groups
    return partitions
