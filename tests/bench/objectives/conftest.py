"""Fixtures for the tests of objectives."""

import pytest

from priorbench import priors
from tests.bench.objectives.draws import LATENTS
from tests.bench.training.small_ensembles import pixels  # noqa: F401

PRIORS = {
    "normal": {},
    "generalized_gaussian": {"p": 1.5},
    "isa": {"subspaces": [3, 1]},
}


@pytest.fixture(params=PRIORS.items(), ids=PRIORS)
def prior(request):
    """Return each of three priors of four latents."""
    name, arguments = request.param
    return priors.build_prior(name, latent_dim=LATENTS, **arguments)
