import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import distributions

from priorbench import metrics
from priorbench import priors
from priorbench.bench.scoring import evaluate as module
from priorbench.bench.training import random_streams
from priorbench.bench.models.architectures import MLP
from priorbench.bench.scoring.evaluate import encode_images, evaluate_model
from priorbench.bench.scoring.importance import estimate_log_likelihood
from priorbench.bench.models.likelihoods import Bernoulli
from priorbench.bench.models.vae import VAE
from priorbench.bench.training.pixels import Pixels
from priorbench.datasets import FactorDataset, ImageDataset

SHAPE, LATENTS, COUNT = (1, 6, 5), 4, 60
EXCLUDED = ("shape",)


@pytest.fixture(scope="module")
def data():
    bits = np.random.default_rng(0).integers(0, 2, (COUNT, 30), dtype=np.uint8)
    return FactorDataset(
        "bits",
        ("shape", "x", "y"),
        (3, 4, 5),
        SHAPE,
        packed=np.packbits(bits, axis=1),
        excluded_factors=EXCLUDED,
    )


@pytest.fixture(scope="module")
def pixels(data):
    return Pixels(data, torch.device("cpu"))


def vae(prior=None, autocast=None):
    torch.manual_seed(1)
    prior = prior or priors.Normal(LATENTS)
    model = VAE(
        MLP(SHAPE, LATENTS, 2 * LATENTS, hidden=16), prior, Bernoulli(), autocast
    )
    with torch.no_grad():
        # away from the initialisation, at which all posteriors are nearly the same
        for parameter in model.architecture.parameters():
            parameter.mul_(3)
    return model.eval()


def draws(model, data, seed, chunk):
    """Independently: q, z and log p(x|z) of every image, float64."""
    images = data.images(range(COUNT)).flatten(1)
    noise = torch.cat(
        [
            random_streams.draw_normal(
                torch.tensor([seed]),
                random_streams.EVALUATION,
                number,
                (len(rows), LATENTS),
            )[0]
            for number, rows in enumerate(torch.arange(COUNT).split(chunk))
        ]
    )
    loc, log_scale = model.architecture.encoder(images).detach().chunk(2, 1)
    q = distributions.Normal(loc.double(), log_scale.double().exp())
    z = q.loc + q.scale * noise
    logits = model.architecture.decoder(z.float()).detach().double()
    log_likelihood = (
        distributions.Bernoulli(logits=logits).log_prob(images.double()).sum(1)
    )
    return q, z, log_likelihood


@pytest.mark.parametrize("chunk", [4096, 60, 7])
def test_scores_against_an_independent_computation(data, pixels, monkeypatch, chunk):
    monkeypatch.setattr(module, "CHUNK", chunk)
    monkeypatch.setattr(module, "FIRST", 11)
    model = vae()
    scores = evaluate_model(model, data, pixels, 5, {}).scores
    q, _, log_likelihood = draws(model, data, 5, chunk)
    kl = distributions.kl_divergence(q, distributions.Normal(0.0, 1.0)).sum(1)
    assert scores == pytest.approx(
        {
            "reconstruction": log_likelihood.mean().item(),
            "reconstruction_first_10k": log_likelihood[:11].mean().item(),
            "kl": kl.mean().item(),
            "elbo": (log_likelihood - kl).mean().item(),
        },
        rel=1e-5,
    )
    assert abs(scores["reconstruction"] - scores["reconstruction_first_10k"]) > 1e-3


def test_kl_of_another_prior(data, pixels):
    prior = priors.ISA([2, 2], scale=0.7)
    model = vae(prior)
    scores = evaluate_model(model, data, pixels, 5, {}).scores
    q, z, log_likelihood = draws(model, data, 5, 4096)
    variance = prior.variance().double()
    normal = distributions.Normal(0.0, variance.sqrt())
    kl = (distributions.kl_divergence(q, normal) + normal.log_prob(z)).sum(
        1
    ) - prior.log_prob(z)
    assert scores["kl"] == pytest.approx(kl.mean().item(), rel=1e-5)
    assert scores["elbo"] == pytest.approx(
        (log_likelihood - kl).mean().item(), rel=1e-5
    )


def test_images_without_factors(data, pixels, spy):
    """The same scores but that of the ISA-VAE authors; metrics are given no factors."""
    split = ImageDataset("bits", SHAPE, {"train": COUNT}, packed=data.packed)
    model = vae()
    scores = evaluate_model(model, split, pixels, 5, {"spy": {}}).scores
    expected = evaluate_model(model, data, pixels, 5, {"spy": {}}).scores
    assert expected.keys() - scores.keys() == {"reconstruction_first_10k"}
    assert all(scores[name] == expected[name] for name in scores)
    evaluate_model(model, split, pixels, 5, {"spy": {}})
    assert seen_factors(spy) == ((COUNT, 0), (), ())
    with pytest.raises(ValueError, match="there is no mutual information gap"):
        evaluate_model(model, split, pixels, 5, {"mig": {}})


def seen_factors(spy):
    codes = spy["codes"]
    return tuple(codes.factors.shape), codes.factor_names, codes.factor_sizes


def test_encoded_is_the_whole_dataset(data, pixels, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 7)
    model = vae()
    with torch.no_grad():
        encoded = encode_images(model, pixels, 2)
    q, z, log_likelihood = draws(model, data, 2, 7)
    torch.testing.assert_close(
        encoded.posterior.loc.double(), q.loc, rtol=1e-5, atol=1e-6
    )
    torch.testing.assert_close(encoded.z.double(), z, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        encoded.log_likelihood, log_likelihood, rtol=1e-5, atol=1e-4
    )
    expected = distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    torch.testing.assert_close(encoded.log_prior, expected, rtol=1e-5, atol=1e-5)
    for column in (encoded.log_likelihood, encoded.log_prior, encoded.kl):
        assert column.shape == (COUNT,)
        assert column.dtype == torch.float64


def test_draws_belong_to_the_seed(data, pixels):
    model = vae()
    first, again, other = (
        evaluate_model(model, data, pixels, s, {}).scores for s in (5, 5, 6)
    )
    assert first == again
    assert first["reconstruction"] != other["reconstruction"]
    assert first["kl"] == other["kl"]


@pytest.fixture
def spy(monkeypatch):
    """A metric that keeps what it is given."""
    seen = {}

    def watch(codes, scale=1.0):
        seen["codes"] = codes
        return {
            "spy_number": 2 * scale,
            "spy_tensor": torch.tensor(3.0),
            "spy_array": torch.arange(6).reshape(2, 3),
        }

    monkeypatch.setitem(metrics.base.registry._entries, "spy", watch)
    return seen


def test_metrics_get_the_codes_and_their_arguments(data, pixels, spy):
    model = vae(priors.ISA([3, 1]))
    result = evaluate_model(model, data, pixels, 9, {"spy": {"scale": 5.0}})
    codes = spy["codes"]
    _, z, _ = draws(model, data, 9, 4096)
    torch.testing.assert_close(codes.z.double(), z, rtol=1e-4, atol=1e-5)
    assert torch.equal(codes.factors, data.factors())
    assert codes.factor_names == ("shape", "x", "y")
    assert codes.factor_sizes == (3, 4, 5)
    assert codes.groups == ((0, 1, 2), (3,))
    assert (codes.excluded, codes.seed) == (EXCLUDED, 9)
    assert result.scores["spy_number"] == 10.0
    assert result.scores["spy_tensor"] == 3.0
    assert all(type(value) is float for value in result.scores.values())
    assert result.artefacts["spy_array"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert "spy_array" not in result.scores


def test_only_the_chosen_metrics(data, pixels):
    base = {"reconstruction", "reconstruction_first_10k", "kl", "elbo"}
    assert evaluate_model(vae(), data, pixels, 0, {}).scores.keys() == base
    scores = evaluate_model(vae(), data, pixels, 0, {"active_latents": {}}).scores
    assert scores.keys() == {*base, "active_latents"}
    assert scores["active_latents"] == LATENTS
    raised = evaluate_model(
        vae(), data, pixels, 0, {"active_latents": {"threshold": 1e9}}
    ).scores
    assert raised["active_latents"] == 0


def test_log_likelihood_and_its_standard_error(data, pixels):
    model = vae()
    scores = evaluate_model(model, data, pixels, 3, {}, 20, 25).scores
    with torch.no_grad():
        each = estimate_log_likelihood(model, pixels, 3, 20, 25).numpy()
    assert len(each) == 25
    assert scores["log_likelihood"] == pytest.approx(each.mean())
    assert scores["log_likelihood_se"] == pytest.approx(each.std(ddof=1) / 5)
    assert scores["elbo"] < scores["log_likelihood"] < 0
    of_all = evaluate_model(model, data, pixels, 3, {}, 20, 1000).scores
    assert of_all["log_likelihood"] != scores["log_likelihood"]
    assert evaluate_model(model, data, pixels, 3, {}, 20).scores == of_all
    assert (
        evaluate_model(model, data, pixels, 3, {}, 20, 1).scores["log_likelihood_se"]
        == 0
    )


def test_the_parts_of_the_kl_add_up(data, pixels):
    """On all the data: log q(z|x) - log p(z), one draw each."""
    model = vae(priors.ISA([2, 2]))
    scores = evaluate_model(
        model, data, pixels, 0, {"elbo_decomposition": {}, "mig": {}}
    ).scores
    q, z, _ = draws(model, data, 0, 4096)
    total = (q.log_prob(z).sum(1) - model.prior.log_prob(z)).mean().item()
    parts = [
        scores[n] for n in ("index_code_mi", "total_correlation", "dimension_wise_kl")
    ]
    assert sum(parts) == pytest.approx(total, rel=1e-4)
    assert 0 <= scores["mig"] <= 1
    assert "mig_shape" in scores


def test_learned_exponents_are_recorded(data, pixels):
    prior = priors.ISA([2, 2], p=[1.5, 3.0], learn_exponents=True)
    learned = evaluate_model(vae(prior), data, pixels, 0, {}).learned
    assert learned == {"exponents": pytest.approx([1.5, 3.0])}
    assert all(type(value) is float for value in learned["exponents"])
    one = priors.GeneralizedGaussian(LATENTS, p=1.7, learn_exponent=True)
    assert evaluate_model(vae(one), data, pixels, 0, {}).learned == {
        "exponent": [pytest.approx(1.7)]
    }
    assert evaluate_model(vae(), data, pixels, 0, {}).learned == {}


def test_pictures(data, pixels):
    model = vae()
    artefacts = evaluate_model(model, data, pixels, 4, {}).artefacts
    assert artefacts.keys() == {"images", "reconstructions"}
    for values in artefacts.values():
        assert values.shape == (8, *SHAPE)
        assert values.dtype == np.uint8
    rows = [math.floor(i * 59 / 7) for i in range(8)]
    assert (rows[0], rows[-1]) == (0, 59)
    np.testing.assert_array_equal(artefacts["images"], 255 * data.images(rows).numpy())
    _, z, _ = draws(model, data, 4, 4096)
    means = torch.sigmoid(model.architecture.decoder(z[rows].float())).detach() * 255
    got = torch.from_numpy(artefacts["reconstructions"]).flatten(1)
    assert (got - means).abs().max() <= 0.51
    assert got.float().std() > 1


def test_artefacts_of_metrics(data, pixels):
    chosen = {"mig": {}, "active_latents": {}}
    artefacts = evaluate_model(vae(), data, pixels, 0, chosen).artefacts
    assert artefacts["mutual_information"].shape == (LATENTS, 3)
    assert artefacts["latent_variance"].shape == (LATENTS,)
    q, _, _ = draws(vae(), data, 0, 4096)
    np.testing.assert_allclose(
        artefacts["latent_variance"], q.loc.numpy().var(0), rtol=1e-4
    )


def test_a_dataset_smaller_than_the_pictures():
    packed = np.packbits(np.eye(4, dtype=np.uint8), axis=1)
    data = FactorDataset("four", ("a", "b"), (2, 2), (1, 2, 2), packed=packed)
    model = VAE(MLP((1, 2, 2), 2, 4, hidden=4), priors.Normal(2), Bernoulli())
    artefacts = evaluate_model(
        model, data, Pixels(data, torch.device("cpu")), 0, {}
    ).artefacts
    assert artefacts["images"].shape == (8, 1, 2, 2)


def test_bf16(data, pixels):
    exact = evaluate_model(vae(), data, pixels, 0, {"mig": {}})
    rounded = evaluate_model(vae(autocast=torch.bfloat16), data, pixels, 0, {"mig": {}})
    for name in ("reconstruction", "kl", "elbo"):
        assert rounded.scores[name] == pytest.approx(exact.scores[name], rel=0.05)
        assert rounded.scores[name] != exact.scores[name]


def test_no_gradients_and_no_draws_of_the_global_generator(data, pixels):
    model = vae(priors.ISA([2, 2], learn_exponents=True))
    before = torch.get_rng_state()
    chosen = {
        "mig": {},
        "mig_histogram": {},
        "elbo_decomposition": {},
        "mig_sampled": {},
    }
    result = evaluate_model(model, data, pixels, 0, chosen)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(p.grad is None for p in model.parameters())
    assert all(math.isfinite(value) for value in result.scores.values())


def test_two_metrics_may_not_give_the_same_score(data, pixels, monkeypatch):
    """A plug-in's column named like another would silently replace it."""
    monkeypatch.setitem(
        metrics.base.registry._entries, "mine", lambda codes: {"kl": 0.0}
    )
    with pytest.raises(ValueError, match="'kl'"):
        evaluate_model(vae(), data, pixels, 0, {"mine": {}})


def test_evaluations_do_not_share_their_fields():
    first, second = module.Evaluation(), module.Evaluation()
    for field in dataclasses.fields(module.Evaluation):
        assert getattr(first, field.name) is not getattr(second, field.name)


def test_a_score_of_the_training_does_not_replace_a_metrics():
    result = module.Evaluation({"epochs": 3.0})
    with pytest.raises(
        ValueError, match="early stopping gives 'epochs', which is there already"
    ):
        result.add("early stopping", {"best_epoch": 1.0, "epochs": 2.0})
    assert result.scores["epochs"] == 3.0
