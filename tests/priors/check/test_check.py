"""Planted faults: each is found, by the properties that it breaks and by no other."""

import math

import pytest
import torch

from priorbench import priors
from priorbench.priors.check import PROPERTIES, Subject, check_prior
from tests.priors.check.planted_faults import (
    DEVICE,
    FAULTS,
    NORMALISES,
    STATIONARY,
    Scaled,
    change,
)


def find_property(name):
    return next(each for each in PROPERTIES if each.name == name)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_fails_its_own_properties(name, fewer_draws, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    kind, expected = FAULTS[name]
    report = check_prior(kind(3))
    assert {r.name for r in report.failed} == expected, str(report)
    assert report.passed == (not expected)
    assert all(r.look for r in report.failed)


def test_every_property_has_a_fault():
    found = set().union(*(expected for _, expected in FAULTS.values()))
    assert {each.name for each in PROPERTIES} == found


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_values_on_a_gpu():
    device = find_property(DEVICE)
    assert device.check(Subject(priors.Normal(3))).passed
    for name in ("a tensor as plain attribute", "a tensor made on the CPU"):
        assert device.check(Subject(FAULTS[name][0](3))).passed is False


def test_the_report_is_the_same_again_and_nothing_else_moves(fewer_draws):
    prior = Scaled(1)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    state = {k: v.clone() for k, v in prior.state_dict().items()}
    first, again = check_prior(prior), check_prior(prior)
    other = check_prior(prior, seed=1)
    assert first == again
    assert first[STATIONARY] != other[STATIONARY]
    assert torch.equal(before, torch.get_rng_state())
    assert prior.rho.grad is None
    assert all(torch.equal(state[k], v) for k, v in prior.state_dict().items())


def test_a_shape_that_the_base_refuses_fails(fewer_draws):
    prior = change(_log_prob=lambda self, z: z)(3)
    result = find_property("shapes").check(Subject(prior))
    assert not result.passed
    assert result.note.startswith(
        "ValueError: Faulty._log_prob must map z of shape (..., 3) to (...)"
    )


def test_an_error_names_its_line_and_the_others_are_checked(fewer_draws):
    def fails(self):
        raise KeyError("no such thing")

    report = check_prior(change(learned=fails)(2))
    (result,) = report.failed
    assert result.name == "learned() gives tensors"
    assert result.note.startswith("KeyError: 'no such thing' (test_check.py, line ")
    assert len(report.results) == len(PROPERTIES)


def test_an_error_of_a_class_without_a_file_is_reported(fewer_draws):
    """As of a notebook's cell."""
    kind = change(learned=lambda self: {}["scale"], __module__="of_no_file")
    (result,) = check_prior(kind(2)).failed
    assert result.note.startswith("KeyError: 'scale'")


def test_a_fault_of_copying_fails_and_does_not_stop_the_check():
    """A tensor of the graph, kept as an attribute, cannot be copied."""
    prior = Scaled(2)
    prior.kept = prior.rho * 2
    report = check_prior(prior)
    assert "'kept'" in report["tensors are registered"].note
    assert report["shapes"].note.startswith("RuntimeError")


@pytest.mark.parametrize(("latent_dim", "p"), [(1, 0.7), (1, 6.0), (2, 1.0), (2, 2.4)])
def test_quadrature_in_low_dimension(latent_dim, p, fewer_draws):
    normalises = find_property(NORMALISES)
    prior = priors.build_prior("generalized_gaussian", latent_dim, p=p)
    result = normalises.check(Subject(prior))
    assert result.passed
    assert result.bound < 0.012

    def shift_log_prob(self, z):
        return type(prior)._log_prob(self, z) + 0.02

    faulty = change(type(prior), _log_prob=shift_log_prob)
    result = normalises.check(Subject(faulty(latent_dim, p=p)))
    assert result.figure == pytest.approx(math.expm1(0.02), rel=0.3)
    assert not result.passed
