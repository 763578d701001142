"""Fixtures for the tests of the check."""

import pytest

from priorbench.priors.check import posterior, subject


@pytest.fixture
def fewer_draws(monkeypatch):
    """A fifth of the draws: the faults are planted large enough."""
    monkeypatch.setattr(subject, "DRAWS", 20_000)
    monkeypatch.setattr(posterior, "DRAWS", 10_000)
    monkeypatch.setattr(posterior, "COUNT", 2)
