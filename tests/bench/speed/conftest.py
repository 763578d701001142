"""Fixtures for the tests of the speed."""

from tests.bench.training.small_ensembles import pixels  # noqa: F401
