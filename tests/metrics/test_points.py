import pytest
import torch

from priorbench import metrics
from priorbench.metrics.points import Points


def test_points_are_their_own_draws():
    values = torch.randn(5, 3)
    q = Points()(values)
    assert torch.equal(q.representation, values)
    assert torch.equal(q.rsample(torch.randn(5, 3)), values)
    assert torch.equal(q[1:3].representation, values[1:3])
    assert q.independent_parts() == [(q, (0, 1, 2))]
    assert Points().num_params(3) == 3


def test_points_have_no_density():
    with pytest.raises(ValueError, match="no density; give 'log_scales'"):
        Points()(torch.zeros(2, 1)).log_prob(torch.zeros(2, 1))


def test_metrics_say_that_they_need_densities(toy):
    arrays = toy().representation.numpy(), toy().factors.numpy()
    codes = metrics.Codes.from_arrays(*arrays)
    for name in ("mig", "mig_sup", "mig_groups", "elbo_decomposition"):
        with pytest.raises(
            ValueError,
            match=f"metric '{name}' needs densities of .* points: give 'log_scales'",
        ):
            metrics.registry.get(name)(codes)
    for name in ("mig_histogram", "active_latents"):
        scores = metrics.registry.get(name)(codes)
        assert scores[name] == metrics.registry.get(name)(toy())[name]
    # as a plain function, which does not look at what it needs
    with pytest.raises(ValueError, match="Points cannot be sampled there"):
        metrics.mig(codes)
