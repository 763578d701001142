import math
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from priorbench import priors
from priorbench.bench.models.architectures import MLP, Architecture, Convolutional
from priorbench.bench.models.likelihoods import Bernoulli
from priorbench.bench.models.vae import VAE
from priorbench.bench.objectives import BetaVAE, Capacity
from priorbench.bench.training import random_streams
from priorbench.bench.training.ensemble import Ensemble, Loss
from priorbench.bench.training.pixels import Pixels
from priorbench.datasets import FactorDataset
from priorbench.priors.product import Product
from tests.bench.training.small_ensembles import (
    BATCH,
    COUNT,
    CPU,
    HIDDEN,
    LATENTS,
    OBJECTIVES,
    PRIORS,
    SHAPE,
    make_ensemble,
    make_loss,
    run_steps,
)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_alone_or_among_others_the_same_run(pixels, prior, objective):
    """56 steps in float32, large seeds among them."""
    seeds = [5, 0, 2**33 + 1]
    together = run_steps(make_ensemble(seeds, prior=prior, objective=objective), pixels)
    assert together.shape == (56, 2, 3)
    for i, seed in enumerate(seeds):
        alone = run_steps(
            make_ensemble([seed], prior=prior, objective=objective), pixels
        )
        torch.testing.assert_close(
            together[..., i], alone[..., 0], rtol=1e-4, atol=1e-5
        )
    assert not torch.allclose(together[..., 0], together[..., 1], rtol=1e-2)
    assert (together[-8:, 0].mean(0) < together[:8, 0].mean(0) - 1).all()


def train_in_plain_loop(pixels, seed, prior, objective, beta, learning_rate, epochs):
    """Train one seed's modules in a plain loop."""
    torch.manual_seed(seed)
    encoder = nn.Sequential(
        nn.Linear(36, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, 2 * LATENTS),
    )
    decoder = nn.Sequential(
        nn.Linear(LATENTS, HIDDEN),
        nn.Tanh(),
        nn.Linear(HIDDEN, HIDDEN),
        nn.Tanh(),
        nn.Linear(HIDDEN, HIDDEN),
        nn.Tanh(),
        nn.Linear(HIDDEN, 36),
    )
    density = priors.build_prior(prior, latent_dim=LATENTS, **PRIORS[prior])
    groups = [{"params": [*encoder.parameters(), *decoder.parameters()]}]
    if prior == "isa":
        groups.append({"params": list(density.parameters()), "lr": 5e-4})
    optimizer = torch.optim.Adam(groups, lr=learning_rate)
    curve, own = [], torch.tensor([seed])
    for step in range(epochs * 8):
        epoch, position = divmod(step, 8)
        rows = random_streams.draw_permutation(own, epoch, COUNT)[0][
            8 * position : 8 * (position + 1)
        ]
        x = pixels[rows]
        loc, log_scale = encoder(x).split(LATENTS, dim=1)
        noise = random_streams.draw_normal(
            own, random_streams.NOISE, step, (8, LATENTS)
        )[0]
        z = loc + log_scale.exp() * noise
        nll = functional.binary_cross_entropy_with_logits(
            decoder(z), x, reduction="none"
        ).sum(1)
        normal = torch.distributions.Normal(loc, log_scale.exp())
        if objective == "beta_tcvae":
            pairs = normal.log_prob(z[:, None])
            weight = torch.full((8, 8), 1 / 7)
            for i in range(8):
                weight[i, i] = 1 / COUNT
                weight[i, (i + 1) % 8] = (COUNT - 7) / (COUNT * 7)
            joint = torch.logsumexp(pairs.sum(2) + weight.log(), 1)
            parts = sum(
                torch.logsumexp(pairs[..., list(g)].sum(2) + weight.log(), 1)
                for g in density.coordinates
            )
            regular = (
                normal.log_prob(z).sum(1)
                - density.log_prob(z)
                + (beta - 1) * (joint - parts)
            )
        elif prior == "normal":
            regular = beta * torch.distributions.kl_divergence(
                normal, torch.distributions.Normal(0.0, 1.0)
            ).sum(1)
        else:
            wide = torch.distributions.Normal(
                0.0, density.variance().detach().float().sqrt()
            )
            regular = beta * (
                torch.distributions.kl_divergence(normal, wide).sum(1)
                + wide.log_prob(z).sum(1)
                - density.log_prob(z)
            )
        loss = (nll + regular).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append([loss.item(), -nll.mean().item()])
    return torch.tensor(curve), encoder, decoder, density


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_stacked_adam_equals_a_plain_loop(pixels, prior, objective):
    ensemble = make_ensemble([3, 8], prior=prior, objective=objective)
    curves = run_steps(ensemble, pixels, epochs=5)
    for i, seed in enumerate((3, 8)):
        curve, encoder, decoder, density = train_in_plain_loop(
            pixels, seed, prior, objective, 2.0, 1e-2, epochs=5
        )
        torch.testing.assert_close(curves[..., i], curve, rtol=1e-4, atol=1e-5)
        model = ensemble.member(i)
        for got, expected in (
            (model.architecture.encoder, encoder),
            (model.architecture.decoder, decoder),
            (model.prior, density),
        ):
            for name, value in expected.state_dict().items():
                torch.testing.assert_close(
                    got.state_dict()[name], value, rtol=2e-3, atol=2e-4
                )


def test_learned_exponents_move_at_their_own_rate(pixels):
    """Adam's first step is its learning rate, in every parameter with a gradient."""
    ensemble = make_ensemble([0, 1], learning_rate=1e-2, prior="isa")
    before = {name: p.detach().clone() for name, p in ensemble.parameters.items()}
    ensemble.step(pixels, BATCH, 0, 0, 1)
    moved = {
        name: (p.detach() - before[name]).abs()
        for name, p in ensemble.parameters.items()
    }
    exponents = [name for name in moved if name.startswith("model.prior.")]
    assert len(exponents) == 1
    torch.testing.assert_close(
        moved.pop(exponents[0]), torch.full((2, 2), 5e-4), rtol=1e-2, atol=0
    )
    assert math.isclose(max(m.max() for m in moved.values()), 1e-2, rel_tol=1e-2)
    run_steps(ensemble, pixels, epochs=2)
    first, second = (ensemble.member(i).prior.learned()["exponents"] for i in (0, 1))
    assert (first - 2.0).abs().min() > 1e-4
    assert not torch.equal(first, second)


def test_initialised_as_pytorch_does_under_the_seed():
    ensemble = make_ensemble([4, 2**40 + 5])
    for i, seed in enumerate((4, 2**40 + 5)):
        torch.manual_seed(seed)
        expected = make_loss().model.state_dict()
        got = ensemble.member(i).state_dict()
        assert expected.keys() == got.keys()
        assert all(torch.equal(got[name], expected[name]) for name in expected)


def test_the_global_generator_is_untouched(pixels):
    before = torch.get_rng_state()
    ensemble = make_ensemble([0, 1], prior="isa", objective="beta_tcvae")
    ensemble.step(pixels, BATCH, 0, 0, 1)
    ensemble.member(1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(123)
    other = make_ensemble([0, 1], prior="isa", objective="beta_tcvae")
    other.step(pixels, BATCH, 0, 0, 1)
    assert all(
        torch.equal(p, other.parameters[n]) for n, p in ensemble.parameters.items()
    )


def test_every_image_is_seen_once_an_epoch(pixels):
    """Each seed in its own order, another one in every epoch."""
    seen = []

    class Watched:
        def __len__(self):
            return COUNT

        def __getitem__(self, rows):
            seen.append(rows)
            return pixels[rows]

    run_steps(make_ensemble([0, 1]), Watched(), epochs=2)
    rows = torch.cat(seen, dim=1).reshape(2, 2, COUNT)
    assert torch.equal(rows.sort().values, torch.arange(COUNT).expand(2, 2, -1))
    assert len({tuple(row.tolist()) for row in rows.flatten(0, 1)}) == 4


def test_member_is_a_module_of_its_own(pixels):
    ensemble = make_ensemble([0, 1], prior="isa")
    run_steps(ensemble, pixels, epochs=1)
    model = ensemble.member(1)
    assert not model.training
    assert torch.equal(
        model.architecture.encoder[0].weight,
        ensemble.parameters["model.architecture.encoder.0.weight"][1],
    )
    before = model.architecture.encoder[0].weight.clone()
    run_steps(ensemble, pixels, epochs=1)
    assert torch.equal(model.architecture.encoder[0].weight, before)
    with torch.no_grad():
        model.architecture.encoder[0].weight.zero_()
    assert ensemble.parameters["model.architecture.encoder.0.weight"][1].abs().sum() > 0
    assert not torch.equal(
        ensemble.member(0).architecture.decoder[0].weight,
        ensemble.member(1).architecture.decoder[0].weight,
    )


@pytest.mark.parametrize(
    "alive", [[True, False, True], [False, True, False], [True] * 3]
)
def test_seeds_that_are_kept_go_on_as_if_nothing_had_been(pixels, alive):
    """Adam's moments and the rest of the epoch's order are kept with them."""
    whole, part = (make_ensemble([0, 1, 2], prior="isa") for _ in range(2))
    for ensemble in (whole, part):
        for position in range(3):
            ensemble.step(pixels, BATCH, 0, position, 2)
    part.keep(torch.tensor(alive))
    assert len(part) == sum(alive)
    assert part.seeds.tolist() == [s for s, a in enumerate(alive) if a]
    for epoch, position in [(0, 3), (0, 4), (1, 0), (1, 1)]:
        expected = torch.stack(whole.step(pixels, BATCH, epoch, position, 2))[:, alive]
        got = torch.stack(part.step(pixels, BATCH, epoch, position, 2))
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    if alive == [True] * 3:
        assert all(
            torch.equal(p, whole.parameters[n]) for n, p in part.parameters.items()
        )


def test_buffers_belong_to_their_seed(pixels):
    class Scaled(BetaVAE):
        def __init__(self, beta):
            super().__init__(beta)
            self.register_buffer("scale", torch.tensor(float(torch.initial_seed())))

        def forward(self, draw, dataset_size, progress):
            return self.scale * super().forward(draw, dataset_size, progress)

    def scaled():
        loss = make_loss()
        return Loss(loss.model, Scaled(2.0))

    plain = make_ensemble([1, 2, 3]).step(pixels, BATCH, 0, 0, 1)[0]
    ensemble = Ensemble(scaled, [1, 2, 3], 1e-2, CPU)
    value = ensemble.step(pixels, BATCH, 0, 0, 1)[0]
    torch.testing.assert_close(value, plain * torch.tensor([1.0, 2.0, 3.0]))
    ensemble.keep(torch.tensor([False, True, True]))
    assert ensemble.buffers["objective.scale"].tolist() == [2.0, 3.0]


@pytest.mark.parametrize("size", [1, 3])
def test_a_beta_for_each_group_in_an_ensemble(pixels, size):
    """Equal numbers are one number; other numbers train another model."""

    def first(beta):
        return run_steps(
            make_ensemble(list(range(size)), prior="isa", beta=beta), pixels, 1
        )[:, 0]

    torch.testing.assert_close(first((2.0, 2.0)), first(2.0), rtol=1e-4, atol=1e-4)
    assert (first((2.0, 9.0)) - first(2.0)).abs().max() > 0.1


@pytest.mark.parametrize("size", [1, 3])
def test_capacity_in_an_ensemble(pixels, size):
    """Held at 3 nats, the KL is near 3 at the end, each seed's."""

    def held():
        return Loss(make_loss().model, Capacity(20.0, 3.0, 3.0))

    ensemble = Ensemble(held, list(range(size)), 1e-2, CPU)
    run_steps(ensemble, pixels, 40)
    for i in range(size):
        draw = ensemble.member(i)(
            pixels[torch.arange(COUNT)], torch.zeros(COUNT, LATENTS)
        )
        assert draw.prior.kl(draw.q, draw.z).mean().item() == pytest.approx(3, abs=0.5)


def test_each_part_of_a_product_learns_at_its_own_rate(pixels):
    """Adam's first step is the learning rate, whatever the gradient."""

    class Slow(priors.GeneralizedGaussian):
        learning_rate = 1e-5

    class Models(Slow):
        learning_rate = None

    parts = [
        {"name": name, "latent_dim": 1, "p": 1.5, "learn_exponent": True}
        for name in ("tests_slow", "generalized_gaussian", "tests_models")
    ]
    priors.register("tests_slow")(Slow)
    priors.register("tests_models")(Models)
    try:

        def product():
            prior = Product([*parts, "normal"], latent_dim=LATENTS)
            network = MLP(SHAPE, LATENTS, 2 * LATENTS, hidden=HIDDEN)
            return Loss(VAE(network, prior, Bernoulli()), BetaVAE(1.0))

        ensemble = Ensemble(product, [0, 1], 1e-2, CPU)
    finally:
        del (
            priors.registry._entries["tests_slow"],
            priors.registry._entries["tests_models"],
        )
    before = {name: value.clone() for name, value in ensemble.parameters.items()}
    ensemble.step(pixels, BATCH, 0, 0, 1)
    moved = {
        name: (value - before[name]).abs().flatten().tolist()
        for name, value in ensemble.parameters.items()
        if "prior" in name
    }
    for (_, steps), rate in zip(sorted(moved.items()), (1e-5, 5e-4, 1e-2), strict=True):
        assert steps == pytest.approx([rate, rate], rel=0.02)
    member = ensemble.member(1)
    assert len(member.prior.learned()) == 3


def test_objectives_see_the_size_of_the_data_and_the_progress(pixels):
    seen = []

    class Watching(BetaVAE):
        def forward(self, draw, dataset_size, progress):
            seen.append((dataset_size, progress))
            return super().forward(draw, dataset_size, progress)

    ensemble = Ensemble(lambda: Loss(make_loss().model, Watching(1.0)), [0], 1e-2, CPU)
    run_steps(ensemble, pixels, epochs=2)
    assert seen == [(COUNT, step / 16) for step in range(16)]


class Frozen(MLP):
    """A first layer that is not to be trained."""

    def __init__(self, *args, **arguments):
        super().__init__(*args, **arguments)
        self.encoder[0].weight.requires_grad_(False)


def test_frozen_parameters_stay_frozen_when_a_seed_leaves(pixels):
    ensemble = make_ensemble([0, 1, 2], architecture=Frozen)
    name = "model.architecture.encoder.0.weight"
    before = ensemble.parameters[name].clone()
    ensemble.step(pixels, BATCH, 0, 0, 1)
    assert torch.equal(ensemble.parameters[name], before)
    ensemble.keep(torch.tensor([True, False, True]))
    ensemble.step(pixels, BATCH, 0, 1, 1)
    assert torch.equal(ensemble.parameters[name], before[[0, 2]])


class Tied(Architecture):
    """Encoder and decoder share a layer."""

    def __init__(self, image_shape, latent_dim, num_params, hidden):
        super().__init__()
        shared = nn.Linear(hidden, hidden)
        self.encoder = nn.Sequential(
            nn.Linear(36, hidden), shared, nn.Linear(hidden, num_params)
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, hidden), shared, nn.Linear(hidden, 36)
        )


def test_an_architecture_that_shares_a_layer_gives_its_model_back(pixels):
    """Or is refused at the start, not after the training."""
    ensemble = make_ensemble([0, 1], architecture=Tied)
    ensemble.step(pixels, BATCH, 0, 0, 1)
    model = ensemble.member(1)
    assert torch.equal(
        model.architecture.encoder[1].weight, model.architecture.decoder[1].weight
    )


def test_convolutions_keep_the_batch_statistics_of_each_seed():
    """Alone or among others the same losses; each seed uses its own running means."""
    grey = np.random.default_rng(0).integers(0, 256, (16, 4096), dtype=np.uint8)
    grey[:8] //= 3
    data = FactorDataset("grey", ("a", "b"), (4, 4), (1, 64, 64), pixels=grey)
    own = Pixels(data, CPU)

    def convolutional():
        network = Convolutional((1, 64, 64), LATENTS, 2 * LATENTS)
        return Loss(VAE(network, priors.Normal(LATENTS), Bernoulli()), BetaVAE(1.0))

    def trained(seeds):
        # slowly: Adam's first steps are full ones even where a gradient is rounding noise
        ensemble = Ensemble(convolutional, seeds, 1e-5, CPU)
        return ensemble, torch.stack(
            [ensemble.step(own, 4, 0, i, 1)[0] for i in range(4)]
        )

    ensemble, together = trained([3, 5])
    for i, seed in enumerate((3, 5)):
        alone, curve = trained([seed])
        torch.testing.assert_close(together[:, i], curve[:, 0], rtol=1e-4, atol=1e-2)
        buffers = dict(ensemble.member(i).named_buffers())
        for name, value in alone.member(0).named_buffers():
            torch.testing.assert_close(buffers[name], value, rtol=1e-3, atol=1e-4)
        assert buffers["architecture.encoder.2.num_batches_tracked"] == 4
    first, second = (
        ensemble.member(i).architecture.encoder[2].running_mean for i in (0, 1)
    )
    assert (first - second).abs().max() > 1e-3
    x, model = own[torch.arange(2)], ensemble.member(0)
    torch.testing.assert_close(model.encode(x).params[:1], model.encode(x[:1]).params)


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_bfloat16_networks_train_as_float32_ones(pixels, objective, size):
    """The same steps: losses within a hundredth; parameters and losses stay float32."""

    def narrow():
        loss = make_loss(objective=objective)
        loss.model.autocast = torch.bfloat16
        return loss

    ensembles = [
        Ensemble(make, list(range(size)), 1e-3, CPU)
        for make in (lambda: make_loss(objective=objective), narrow)
    ]
    expected, got = (run_steps(ensemble, pixels, epochs=3) for ensemble in ensembles)
    assert got.dtype == torch.float32
    assert {p.dtype for p in ensembles[1].parameters.values()} == {torch.float32}
    torch.testing.assert_close(got, expected, rtol=1e-2, atol=0)
    assert not torch.equal(got, expected)


class OwnAdam(BetaVAE):
    """An objective with a parameter and given settings for it."""

    options = None

    def __init__(self, beta):
        super().__init__(beta)
        self.net = nn.Linear(1, 1)

    def optimizer_options(self):
        return self.options or {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"net.weigth": {"lr": 1.0}},
            "OwnAdam.optimizer_options() has no parameter 'net.weigth'; did "
            "you mean 'net.weight'?",
        ),
        (
            {"net.bias": {"bettas": (0.5, 0.9)}},
            "of 'net.bias': Adam takes lr, betas, eps, weight_decay; got 'bettas'",
        ),
    ],
)
def test_unknown_settings_of_adam_are_named(options, message, monkeypatch):
    monkeypatch.setattr(OwnAdam, "options", options)
    monkeypatch.setitem(OBJECTIVES, "own", OwnAdam)
    with pytest.raises(ValueError, match=re.escape(message)):
        make_ensemble([0], objective="own")


def test_settings_of_adam_may_be_lists(monkeypatch):
    """As a grid's file has them."""
    monkeypatch.setattr(OwnAdam, "options", {"net.bias": {"betas": [0.1, 0.2]}})
    monkeypatch.setitem(OBJECTIVES, "own", OwnAdam)
    groups = make_ensemble([0], objective="own").optimizer.param_groups
    assert {group["betas"] for group in groups} == {(0.9, 0.999), (0.1, 0.2)}


@pytest.mark.parametrize(
    ("progress", "weight"), [(0.0, 0.0), (0.1, 0.25), (0.4, 1.0), (0.9, 1.0)]
)
@pytest.mark.parametrize("recorded", [False, True])
def test_warm_up_weighs_all_but_the_reconstruction(pixels, progress, weight, recorded):
    """Linear, and then over; a step that is recorded has its progress in a tensor."""
    warm = make_loss(beta=3.0)
    warm.warm_up = 0.4
    x, noise = pixels[torch.arange(BATCH)], torch.randn(BATCH, LATENTS)
    draw = warm.model(x, noise)
    expected = 3.0 * weight * warm.model.prior.kl(draw.q, draw.z) - draw.log_likelihood
    at = torch.tensor(progress, dtype=torch.float64) if recorded else progress
    loss, log_likelihood = warm(x, noise, COUNT, at)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected.mean())
    torch.testing.assert_close(log_likelihood, draw.log_likelihood.mean())


def test_warm_up_in_an_ensemble(pixels):
    """The first step is the reconstruction alone; the bound is trained from the middle on."""

    def warm():
        loss = make_loss()
        loss.warm_up = 0.5
        return loss

    curve = run_steps(Ensemble(warm, [0, 1], 1e-12, CPU), pixels, epochs=4)
    torch.testing.assert_close(curve[0, 0], -curve[0, 1])
    plain = run_steps(Ensemble(make_loss, [0, 1], 1e-12, CPU), pixels, epochs=4)
    torch.testing.assert_close(curve[16:], plain[16:])
    assert (curve[1:16, 0] < plain[1:16, 0]).all()
