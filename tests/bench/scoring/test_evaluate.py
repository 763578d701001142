import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import distributions

from priorbench import priors
from priorbench.bench.models.architectures import MLP
from priorbench.bench.models.likelihoods import Bernoulli
from priorbench.bench.models.vae import VAE
from priorbench.bench.scoring import evaluate
from priorbench.bench.scoring.evaluate import Subject, score_model
from priorbench.bench.scoring.importance import estimate_log_likelihood
from priorbench.bench.study.scores import ScoreRequest
from priorbench.bench.training import encode
from priorbench.bench.training.pixels import Pixels
from priorbench.datasets import ImageDataset
from priorbench.metrics.base import register, registry
from tests.bench.training.untrained_models import (
    COUNT,
    LATENTS,
    SHAPE,
    encode_alone,
    make_dataset,
    make_vae,
)


@pytest.fixture(scope="module")
def data():
    return make_dataset()


@pytest.fixture(scope="module")
def pixels(data):
    return Pixels(data, torch.device("cpu"))


def evaluate_model(model, data, pixels, seed, chosen, samples=0, images=1000):
    """Score a model by metrics, and join what they gave; an error ends the test."""
    requests = [ScoreRequest("elbo"), ScoreRequest("pictures")]
    if samples:
        arguments = {"samples": samples, "images": images}
        requests.append(ScoreRequest("log_likelihood", arguments))
    requests += [ScoreRequest(name, given) for name, given in chosen.items()]
    scores = list(score_model(Subject(model, data, pixels, seed), requests))
    assert [score.request for score in scores] == requests
    assert [score.reason for score in scores] == [None] * len(scores)
    assert all(score.seconds > 0 for score in scores)
    return SimpleNamespace(
        scores={name: v for score in scores for name, v in score.values.items()},
        artefacts={name: a for score in scores for name, a in score.arrays.items()},
        headlines=[s.headline for s in scores if s.headline is not None],
    )


def score_once(model, data, pixels, name, **arguments):
    """Return one score."""
    request = ScoreRequest(name, arguments)
    (score,) = score_model(Subject(model, data, pixels, 0), [request])
    return score


@pytest.mark.parametrize("chunk", [4096, 60, 7])
def test_scores_against_an_independent_computation(data, pixels, monkeypatch, chunk):
    monkeypatch.setattr(encode, "CHUNK_SIZE", chunk)
    monkeypatch.setattr(evaluate, "FIRST_IMAGES", 11)
    model = make_vae()
    scores = evaluate_model(model, data, pixels, 5, {}).scores
    q, _, log_likelihood = encode_alone(model, data, 5, chunk)
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
    model = make_vae(prior)
    scores = evaluate_model(model, data, pixels, 5, {}).scores
    q, z, log_likelihood = encode_alone(model, data, 5, 4096)
    variance = prior.variance().double()
    normal = distributions.Normal(0.0, variance.sqrt())
    kl = (distributions.kl_divergence(q, normal) + normal.log_prob(z)).sum(
        1
    ) - prior.log_prob(z)
    assert scores["kl"] == pytest.approx(kl.mean().item(), rel=1e-5)
    assert scores["elbo"] == pytest.approx(
        (log_likelihood - kl).mean().item(), rel=1e-5
    )


def make_own_vae(prior):
    """Return a model with as many outputs of the encoder as the posterior needs."""
    torch.manual_seed(1)
    network = MLP(SHAPE, LATENTS, prior.posterior.num_params(LATENTS), hidden=16)
    return VAE(network, prior, Bernoulli()).eval()


@pytest.mark.parametrize(
    "prior",
    [
        priors.HypersphereProduct([1, 1]),
        priors.ISA([2, 2], scale=0.7),
        priors.ISA([3, 1], learn_exponents=True),
    ],
)
def test_the_kl_of_groups_adds_up_to_the_kl(data, pixels, prior):
    model = make_own_vae(prior)
    parts = score_once(model, data, pixels, "group_kl").values
    assert list(parts) == ["kl_0", "kl_1"]
    whole = score_once(model, data, pixels, "elbo").values["kl"]
    assert sum(parts.values()) == pytest.approx(whole, rel=1e-5)


def test_a_sphere_that_is_ignored_has_no_kl(data, pixels):
    """Its concentration is 0, and that of the other as it was."""
    model = make_own_vae(priors.HypersphereProduct([1, 1]))
    before = score_once(model, data, pixels, "group_kl").values
    last = model.architecture.encoder[-1]
    with torch.no_grad():
        last.weight[-1] = 0
        last.bias[-1] = -60
    after = score_once(model, data, pixels, "group_kl").values
    assert before["kl_1"] > 1e-3
    assert after["kl_1"] == pytest.approx(0, abs=1e-9)
    assert after["kl_0"] == pytest.approx(before["kl_0"], rel=1e-6)


@pytest.mark.parametrize(
    "prior", [priors.Normal(LATENTS), priors.DiffusionSphere(LATENTS - 1)]
)
def test_single_latents_and_one_group_have_no_kl_of_groups(data, pixels, prior):
    assert score_once(make_own_vae(prior), data, pixels, "group_kl").values == {}


def test_images_without_factors(data, pixels, spy):
    """The same scores but that of the ISA-VAE authors; metrics are given no factors."""
    split = ImageDataset("bits", SHAPE, {"train": COUNT}, packed=data.packed)
    model = make_vae()
    scores = evaluate_model(model, split, pixels, 5, {"spy": {}}).scores
    expected = evaluate_model(model, data, pixels, 5, {"spy": {}}).scores
    assert expected.keys() - scores.keys() == {"reconstruction_first_10k"}
    assert all(scores[name] == expected[name] for name in scores)
    evaluate_model(model, split, pixels, 5, {"spy": {}})
    assert seen_factors(spy) == ((COUNT, 0), (), ())
    score = score_once(model, split, pixels, "mig")
    assert "metric 'mig' needs factors, and the dataset has none" in score.reason


def seen_factors(spy):
    codes = spy["codes"]
    return tuple(codes.factors.shape), codes.factor_names, codes.factor_sizes


def test_draws_belong_to_the_seed(data, pixels):
    model = make_vae()
    first, again, other = (
        evaluate_model(model, data, pixels, s, {}).scores for s in (5, 5, 6)
    )
    assert first == again
    assert first["reconstruction"] != other["reconstruction"]
    assert first["kl"] == other["kl"]


@pytest.fixture
def register_metric(monkeypatch):
    """Return a decorator that registers a metric for one test."""
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    return register


@pytest.fixture
def spy(register_metric):
    """Register a metric that keeps what it is given."""
    seen = {}

    @register_metric("spy", headline="spy_number")
    def watch(codes, scale=1.0):
        seen["codes"] = codes
        return {
            "spy_number": 2 * scale,
            "spy_tensor": torch.tensor(3.0),
            "spy_array": torch.arange(6).reshape(2, 3),
        }

    return seen


def test_metrics_get_the_codes_and_their_arguments(data, pixels, spy):
    model = make_vae(priors.ISA([3, 1]))
    result = evaluate_model(model, data, pixels, 9, {"spy": {"scale": 5.0}})
    codes = spy["codes"]
    _, z, _ = encode_alone(model, data, 9, 4096)
    torch.testing.assert_close(codes.z.double(), z, rtol=1e-4, atol=1e-5)
    assert torch.equal(codes.factors, data.factors())
    assert codes.factor_names == ("shape", "x", "y")
    assert codes.factor_sizes == (3, 4, 5)
    assert codes.groups == ((0, 1, 2), (3,))
    assert (codes.excluded, codes.seed) == (("shape",), 9)
    assert result.scores["spy_number"] == 10.0
    assert result.scores["spy_tensor"] == 3.0
    assert all(type(value) is float for value in result.scores.values())
    assert result.artefacts["spy_array"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert "spy_array" not in result.scores


def test_only_the_chosen_metrics(data, pixels):
    base = {"reconstruction", "reconstruction_first_10k", "kl", "elbo"}
    assert evaluate_model(make_vae(), data, pixels, 0, {}).scores.keys() == base
    scores = evaluate_model(make_vae(), data, pixels, 0, {"active_latents": {}}).scores
    assert scores.keys() == {*base, "active_latents"}
    assert scores["active_latents"] == LATENTS
    raised = evaluate_model(
        make_vae(), data, pixels, 0, {"active_latents": {"threshold": 1e9}}
    ).scores
    assert raised["active_latents"] == 0


def test_log_likelihood_and_its_standard_error(data, pixels):
    model = make_vae()
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
    model = make_vae(priors.ISA([2, 2]))
    scores = evaluate_model(
        model, data, pixels, 0, {"elbo_decomposition": {}, "mig": {}}
    ).scores
    q, z, _ = encode_alone(model, data, 0, 4096)
    total = (q.log_prob(z).sum(1) - model.prior.log_prob(z)).mean().item()
    parts = [
        scores[n] for n in ("index_code_mi", "total_correlation", "dimension_wise_kl")
    ]
    assert sum(parts) == pytest.approx(total, rel=1e-4)
    assert 0 <= scores["mig"] <= 1
    assert "mig_shape" in scores


def test_a_representation_to_compare_models_by(data, pixels, monkeypatch):
    model = make_vae(priors.ISA([3, 1]))
    monkeypatch.setattr(evaluate, "KEPT_IMAGES", 7)
    arrays = score_once(model, data, pixels, "representation").arrays
    q, _, _ = encode_alone(model, data, 0, 4096)
    rows = [math.floor(i * 59 / 6) for i in range(7)]
    np.testing.assert_allclose(arrays["representation"], q.loc[rows], rtol=1e-4)
    assert arrays["representation"].dtype == np.float32
    np.testing.assert_allclose(
        arrays["latent_variance"], q.loc.var(0, correction=0), rtol=1e-4
    )
    # a latent has the KL of its group
    assert len(set(arrays["latent_kl"][:3])) == 1
    assert arrays["latent_kl"][0] != arrays["latent_kl"][3]


def test_the_kl_of_a_prior_that_does_not_factorise_is_that_of_all(data, pixels):
    class Whole(priors.Prior):
        def _log_prob(self, z):
            return -z.square().sum(-1) / 2 - LATENTS / 2 * math.log(2 * math.pi)

        def _sample(self, shape, generator):
            return torch.randn(*shape, LATENTS, generator=generator)

    kl = score_once(make_vae(Whole(LATENTS)), data, pixels, "elbo").values["kl"]
    arrays = score_once(make_vae(Whole(LATENTS)), data, pixels, "representation").arrays
    np.testing.assert_allclose(arrays["latent_kl"], kl, rtol=1e-6)


def test_artefacts_of_metrics(data, pixels):
    chosen = {"mig": {}, "active_latents": {}}
    artefacts = evaluate_model(make_vae(), data, pixels, 0, chosen).artefacts
    assert artefacts["mutual_information"].shape == (LATENTS, 3)
    assert artefacts["latent_variance"].shape == (LATENTS,)
    q, _, _ = encode_alone(make_vae(), data, 0, 4096)
    np.testing.assert_allclose(
        artefacts["latent_variance"], q.loc.numpy().var(0), rtol=1e-4
    )


def test_bf16(data, pixels):
    exact = evaluate_model(make_vae(), data, pixels, 0, {"mig": {}})
    rounded = evaluate_model(
        make_vae(autocast=torch.bfloat16), data, pixels, 0, {"mig": {}}
    )
    for name in ("reconstruction", "kl", "elbo"):
        assert rounded.scores[name] == pytest.approx(exact.scores[name], rel=0.05)
        assert rounded.scores[name] != exact.scores[name]


def test_no_gradients_and_no_draws_of_the_global_generator(data, pixels):
    model = make_vae(priors.ISA([2, 2], learn_exponents=True))
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


def test_headlines_are_in_the_order_of_the_metrics(data, pixels, spy):
    chosen = {"spy": {}, "active_latents": {}, "mig": {}}
    result = evaluate_model(make_vae(), data, pixels, 0, chosen, 5)
    assert result.headlines == ["spy_number", "mig"]


@pytest.mark.parametrize(("samples", "expected"), [(5, ["log_likelihood"]), (0, [])])
def test_the_log_likelihood_leads_without_factors(data, pixels, spy, samples, expected):
    split = ImageDataset("bits", SHAPE, {"train": COUNT}, packed=data.packed)
    result = evaluate_model(make_vae(), split, pixels, 0, {"spy": {}}, samples)
    assert result.headlines == [*expected, "spy_number"]


def test_an_error_of_a_metric_is_its_own_and_the_others_go_on(
    data, pixels, register_metric
):
    @register_metric("mine")
    def fail(codes):
        raise KeyError("shape")

    requests = [ScoreRequest("mine"), ScoreRequest("active_latents")]
    first, second = score_model(Subject(make_vae(), data, pixels, 0), requests)
    assert first.reason.startswith("KeyError: 'shape' (test_evaluate.py, line ")
    assert (first.values, first.headline) == ({}, None)
    assert second.reason is None
    assert second.values["active_latents"] == LATENTS


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_an_error(data, pixels, register_metric, value):
    register_metric("mine")(lambda codes: {"one": 1.0, "two": value})
    score = score_once(make_vae(), data, pixels, "mine")
    assert score.reason.startswith(f"ValueError: two is {value}")
    assert score.values == {}


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
def test_no_memory_is_not_blamed_on_the_metric(data, pixels, register_metric, error):
    @register_metric("mine")
    def fail(codes):
        raise error("full")

    with pytest.raises(error, match="full"):
        score_once(make_vae(), data, pixels, "mine")
