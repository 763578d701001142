"""What the scores are, in words: the dictionary of the tables' columns."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

COLUMNS = {
    "mig": "mutual information gap (Chen et al. 2018) between single latents, by "
    "deterministic quadrature or, for coordinates of spheres, harmonic expansion; "
    "without the factors that the paper leaves out (shape)",
    "mig_all_factors": "the same with them",
    "mig_error": "bound on the error of mig (standard error where latents had to be "
    "sampled)",
    "mig_quadrature_latents": "how many latents the quadrature did",
    "mig_harmonic_latents": "how many latents the harmonic expansion did",
    "mig_monte_carlo_latents": "how many latents had to be sampled",
    "mig_sampled*": "the published estimator from 10,000 samples, the check on mig; "
    "slow on all of dSprites, so only the demo asks for it",
    "mig_histogram*": "MIG by 20 bins on posterior means (Locatello et al. 2019)",
    "mig_groups*": "MIG between the prior's groups of latents (subspaces, spheres), by "
    "their joint densities: exact for single latents and circles, else sampled; with "
    "one group only, its normalised mutual information. Few groups have larger gaps "
    "than many: it compares methods of as many groups",
    "mig_sup": "how much more a latent knows of its first factor than of its second "
    "(Li et al. 2020)",
    "mig_*": "the gap of one factor",
    "reconstruction": "E[log p(x|z)] per image, over the whole data set, or its test "
    "split if it has no factors",
    "reconstruction_first_10k": "over the first 10,000 images, which the ISA-VAE "
    "authors' code reports (of dSprites the smallest squares only)",
    "kl": "E[KL(q(z|x) ‖ p)] per image",
    "kl_*": "of one of the prior's groups, from 0, in their order: about 0 where a "
    "sphere or a subspace is ignored; together they are kl",
    "elbo": "reconstruction − kl",
    "log_likelihood": "importance-weighted with importance_samples draws, mean over "
    "importance_images random images, the same for every method and seed",
    "log_likelihood_se": "its standard error over images",
    "valid_elbo": "best ELBO of the validation images, of a seed that could stop early",
    "best_epoch": "when that was",
    "epochs": "how long such a seed trained",
    "active_latents": "latents whose posterior mean varies over the data (variance "
    "above 0.01)",
    "index_code_mi": "part of the KL: mutual information of image and code",
    "total_correlation": "part of the KL: dependence between the prior's groups",
    "dimension_wise_kl": "part of the KL: of each group from its prior",
    "udr": "how far the latents of a run pair with those of the other seeds of its "
    "setting (Duan et al. 2020)",
    "sorted_*": "the i-th smallest, from 1, of what a prior learned",
    "*_groups": "the same score of the prior's groups of latents",
}
"""What a score is, by its name or a pattern; the first that fits counts."""

OTHER = "see its metric: priorbench list metrics, or docs/metrics.md"


def describe_columns(names: Iterable[str]) -> dict[str, str]:
    """Return what each of these scores is.

    Example:
        >>> describe_columns(["mig_posX", "mine"])["mig_posX"]
        'the gap of one factor'
    """
    return {name: _describe(name) for name in names}


def _describe(name: str) -> str:
    fitting = (words for key, words in COLUMNS.items() if fnmatchcase(name, key))
    return next(fitting, OTHER)
