import torch

from priorbench.metrics import active_latents


def test_counts_latents_that_vary(make_codes):
    loc = torch.tensor([[-1.0, 0.05, 3.0], [1.0, -0.05, 3.0]])
    scores = active_latents(make_codes(loc, 1.0, torch.arange(2)[:, None], (2,)))
    assert scores["active_latents"] == 1.0
    expected = torch.tensor([1.0, 0.0025, 0.0]).double()
    torch.testing.assert_close(scores["latent_variance"], expected, atol=1e-8, rtol=0)


def test_threshold_is_exceeded_not_met(make_codes):
    codes = make_codes([[-1.0], [1.0]], 1.0, torch.arange(2)[:, None], (2,))
    assert active_latents(codes, threshold=1.0)["active_latents"] == 0
    assert active_latents(codes, threshold=0.99)["active_latents"] == 1
