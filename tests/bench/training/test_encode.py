import pytest
import torch
from torch import distributions

from priorbench.bench.training import encode
from priorbench.bench.training.encode import encode_images
from priorbench.bench.training.pixels import Pixels
from tests.bench.training.untrained_models import (
    COUNT,
    encode_alone,
    make_dataset,
    make_vae,
)


@torch.no_grad()
def test_encoded_is_the_whole_dataset(monkeypatch):
    monkeypatch.setattr(encode, "CHUNK_SIZE", 7)
    model, data = make_vae(), make_dataset()
    encoded = encode_images(model, Pixels(data, torch.device("cpu")), 2)
    q, z, log_likelihood = encode_alone(model, data, 2, 7)
    torch.testing.assert_close(
        encoded.posterior.loc.double(), q.loc, rtol=1e-5, atol=1e-6
    )
    torch.testing.assert_close(encoded.z.double(), z, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        encoded.log_likelihood, log_likelihood, rtol=1e-5, atol=1e-4
    )
    normal = distributions.Normal(0.0, 1.0)
    log_prior = normal.log_prob(z).sum(1)
    torch.testing.assert_close(encoded.log_prior, log_prior, rtol=1e-5, atol=1e-5)
    kl = distributions.kl_divergence(q, normal).sum(1)
    torch.testing.assert_close(encoded.kl, kl, rtol=1e-4, atol=1e-4)
    for column in (encoded.log_likelihood, encoded.log_prior, encoded.kl):
        assert column.shape == (COUNT,)
        assert column.dtype == torch.float64


@pytest.mark.parametrize("other", [3, 2**33 + 2])
@torch.no_grad()
def test_draws_belong_to_the_seed(other):
    model, pixels = make_vae(), Pixels(make_dataset(), torch.device("cpu"))
    first, again = (encode_images(model, pixels, 2).z for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, encode_images(model, pixels, other).z)
