import math

import pytest
import torch

from priorbench import priors
from priorbench.bench.objectives import BetaVAE, Capacity, registry
from tests.bench.objectives.draws import LATENTS, make_draw


@pytest.mark.parametrize("over", ["image", "batch"])
@pytest.mark.parametrize(
    ("progress", "capacity"), [(0.0, 2.0), (0.25, 2.75), (1.0, 5.0)]
)
def test_capacity_against_numpy(prior, over, progress, capacity):
    d = make_draw(prior)
    kl, log_likelihood = prior.kl(d.q, d.z).numpy(), d.log_likelihood.numpy()
    gap = abs(kl - capacity).mean() if over == "image" else abs(kl.mean() - capacity)
    objective = registry.build("capacity", beta=10.0, c_min=2.0, c_max=5.0, over=over)
    loss = objective(d, 50, progress)
    assert loss.shape == ()
    assert math.isclose(loss, 10 * gap - log_likelihood.mean(), rel_tol=1e-12)


def test_capacity_of_images_on_both_sides():
    """Images above and below C cancel in the batch's mean, not image by image."""
    d = make_draw(priors.Normal(LATENTS))
    kl = d.prior.kl(d.q, d.z)
    middle = float(kl.mean())
    image, batch = (
        Capacity(1.0, middle, middle, over)(d, 50, 0.5) + d.log_likelihood.mean()
        for over in ("image", "batch")
    )
    assert image > 0.1
    assert abs(batch) < 1e-12


@pytest.mark.parametrize(("arguments", "beta"), [({}, 4.0), ({"c_max": 0.0}, 4.0)])
def test_capacity_at_zero_is_the_beta_vae(arguments, beta):
    """While C = 0 and the KL is not negative: the standard normal's, in closed form."""
    d = make_draw(priors.Normal(LATENTS))
    torch.testing.assert_close(
        Capacity(beta, **arguments)(d, 50, 0.0),
        BetaVAE(beta)(d, 50, 0.0),
    )


def test_capacity_by_default_ends_at_the_papers():
    objective = registry.build("capacity", beta=1.0)
    assert (objective.c_min, objective.c_max, objective.over) == (0.0, 15.0, "image")


@pytest.mark.parametrize(
    "arguments",
    [
        {"c_min": -1.0},
        {"c_min": 16.0},
        {"c_max": math.inf},
        {"c_max": math.nan},
        {"c_min": math.nan},
    ],
)
def test_wrong_capacities(arguments):
    with pytest.raises(
        ValueError, match="must be finite with 0 <= c_min <= c_max; got"
    ):
        registry.build("capacity", beta=1.0, **arguments)


def test_wrong_share_of_the_capacity():
    with pytest.raises(
        ValueError, match="'over' must be 'image' or 'batch'; got 'images'"
    ):
        registry.build("capacity", beta=1.0, over="images")
