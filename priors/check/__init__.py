"""A check of any prior: every property that the harness counts on, and where to look.

Example:
    >>> from priorbench import priors
    >>> report = check_prior(priors.build_prior("normal", latent_dim=3))
    >>> report.passed, report["density normalises"].bound < 0.05
    (True, True)
"""

from priorbench.priors.base import Prior
from priorbench.priors.check import density, interface, numerics, posterior, recording
from priorbench.priors.check.properties import Property
from priorbench.priors.check.report import Report, Result
from priorbench.priors.check.subject import Subject

__all__ = ["PROPERTIES", "Property", "Report", "Result", "Subject", "check_prior"]

PROPERTIES = (
    *interface.PROPERTIES,
    *recording.PROPERTIES,
    *density.PROPERTIES,
    *posterior.PROPERTIES,
    *numerics.PROPERTIES,
)


def check_prior(
    prior: Prior,
    seed: int = 0,
    name: str | None = None,
) -> Report:
    """Check every property that a prior and its posterior must have.

    The prior is left as it is, and so are the global random numbers; the same seed
    gives the same report. A property that raises an error fails, and the others are
    still checked.

    Args:
        prior: of one seed.
        seed: of all that is drawn.
        name: what the report calls the prior; by default its class.
    """
    subject = Subject(prior, seed)
    title = name
    if title is None:
        title = f"{type(prior).__name__}, {prior.latent_dim} latents"
    results = tuple(each.check(subject) for each in PROPERTIES)
    return Report(title, results)
