"""Fixtures for the tests of the training."""

from tests.bench.training.small_ensembles import pixels  # noqa: F401
