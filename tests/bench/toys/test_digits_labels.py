"""M1+M2: its bound where it has a closed form, and which digits have labels."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from priorbench import priors
from priorbench.bench.toys.digits import load_digits
from priorbench.bench.toys.digits_labels import CLASSES, LabelModel, choose_labelled
from priorbench.bench.toys.latent_spaces import make_prior


def make_model(kind):
    """Make a model that ignores its input: all densities are those of the priors."""
    torch.manual_seed(0)
    spaces = [priors.build_prior(**make_prior(kind, 2)) for _ in range(2)]
    model = LabelModel(*spaces)
    for network in (model.classifier, model.encoder, model.decoder):
        torch.nn.init.zeros_(network[-1].weight)
        torch.nn.init.zeros_(network[-1].bias)
    if kind == "S-VAE":  # some direction, and a concentration of nearly zero
        for network in (model.encoder, model.decoder):
            network[-1].bias.data[0], network[-1].bias.data[-1] = 1, -40
    return model, spaces[0].sample((20,))


@pytest.mark.parametrize("kind", ["N-VAE", "S-VAE"])
@torch.no_grad()
def test_the_bound_is_exact_where_nothing_depends_on_anything(kind):
    model, z1 = make_model(kind)
    generator = torch.Generator().manual_seed(0)
    exact = torch.full((20,), -math.log(4 * math.pi))
    if kind == "N-VAE":
        exact = torch.distributions.Normal(0, 1).log_prob(z1).sum(1)
    label = one_hot(torch.arange(20) % CLASSES, CLASSES).float()
    joint = model.bound(z1, label, generator)
    torch.testing.assert_close(joint, exact - math.log(CLASSES), atol=1e-4, rtol=0)
    marginal = model.bound_all(z1, generator)
    torch.testing.assert_close(marginal, exact, atol=1e-4, rtol=0)
    # a classifier that is sure of a class knows one term of ten
    model.classifier[-1].bias.data[3] = 50
    sure = model.bound_all(z1, generator)
    torch.testing.assert_close(sure, exact - math.log(CLASSES), atol=1e-4, rtol=0)


def test_as_many_of_each_digit_have_labels():
    labels = load_digits(None).labels["train"]
    rows = choose_labelled(labels, 100, seed=2)
    assert np.bincount(labels[rows]).tolist() == [10] * 10
    assert len(set(rows)) == 100
    assert set(choose_labelled(labels, 100, seed=3)) != set(rows)
