import itertools
import math

import pytest
import torch
from torch import nn

from priorbench import priors
from priorbench.bench.execution import dry_run, plan
from priorbench.bench.models.architectures import MLP
from priorbench.bench.models.likelihoods import Bernoulli
from priorbench.bench.models.vae import VAE, Draw
from priorbench.bench.objectives import BetaVAE, registry
from priorbench.bench.objectives.factor_vae import (
    Discriminator,
    FactorVAE,
    exchange_groups,
)
from priorbench.bench.study.grid import load_grid
from priorbench.bench.study.job import list_jobs, list_settings
from priorbench.bench.training.ensemble import Ensemble, Loss
from priorbench.bench.training.experiment import Experiment
from tests.bench.objectives.draws import make_draw
from tests.bench.training.recorded_ensemble import RecordedEnsemble
from tests.bench.training.small_ensembles import (
    BATCH,
    COUNT,
    CPU,
    HIDDEN,
    LATENTS,
    SHAPE,
    run_steps,
)

WIDTH = 24


def make_prior(name):
    arguments = {"subspaces": [2, 2]} if name == "isa" else {}
    return priors.build_prior(name, latent_dim=LATENTS, **arguments)


def make_adapted(prior, beta=3.0, seed=0, **arguments):
    objective = registry.build("factor_vae", beta=beta, hidden=WIDTH, **arguments)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        objective.adapt(prior)
    return objective


def make_loss(prior="normal", **arguments):
    """One seed's model, its objective last."""
    own = make_prior(prior)
    network = MLP(SHAPE, LATENTS, 2 * LATENTS, hidden=HIDDEN)
    objective = FactorVAE(**{"beta": 3.0, "hidden": WIDTH, **arguments})
    objective.adapt(own)
    return Loss(VAE(network, own, Bernoulli()), objective)


def make_ensemble(seeds, learning_rate=1e-2, kind=Ensemble, **arguments):
    return kind(lambda: make_loss(**arguments), seeds, learning_rate, CPU)


def test_discriminator_of_the_paper():
    """Six linear layers: d 1000 + 1000, four of 1000² + 1000, 2000 + 2."""
    network = Discriminator(20)
    linear = [m for m in network.modules() if isinstance(m, nn.Linear)]
    sizes = [(layer.in_features, layer.out_features) for layer in linear]
    assert sizes == [(20, 1000), *[(1000, 1000)] * 4, (1000, 2)]
    between = [m for m in network.net if not isinstance(m, nn.Linear)]
    assert [type(m) for m in between] == [nn.LeakyReLU] * 5
    assert {m.negative_slope for m in between} == {0.2}
    assert list(network.net)[::2] == linear
    assert sum(p.numel() for p in network.parameters()) == 4_027_002
    objective = FactorVAE(1.0)
    objective.adapt(priors.Normal(20))
    assert objective.discriminator.net[0].out_features == 1000


def test_registered_with_the_other_objectives():
    assert registry.get("factor_vae") is FactorVAE


def test_the_grid_of_the_paper():
    """Stühmer et al. 2019, Table 1; the quick profile's runs are some of the paper's."""
    grid = load_grid("dsprites_factorvae")
    assert (grid.seeds, grid.latent_dim) == (50, 20)
    assert (grid.training.epochs, grid.training.batch_size) == (20, 2048)
    assert {m.name: grid.betas(m) for m in grid.methods} == {
        "FactorVAE": tuple(range(1, 11)),
        "ISA-FactorVAE": tuple(range(1, 11)),
        "β-TCVAE": (1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6),
    }
    paper, quick = (
        {j.id for j in list_jobs(load_grid("dsprites_factorvae", p))}
        for p in ("paper", "quick")
    )
    assert quick < paper
    assert len(quick) == 3 * 4 * 5


def test_ratio_is_the_first_logit_over_the_second():
    network, z = Discriminator(3, 8), torch.randn(5, 3)
    logits = network.net(z).softmax(-1)
    torch.testing.assert_close(network(z), (logits[:, 0] / logits[:, 1]).log())
    assert network(z).shape == (5,)


@pytest.mark.parametrize(
    ("over", "groups"),
    [
        ("groups", ((0, 3), (1,), (2, 4, 5))),
        ("latents", tuple((i,) for i in range(6))),
    ],
)
@pytest.mark.parametrize("batch", [7, 32])
def test_exchanged_codes_have_each_group_from_another_image(over, groups, batch):
    prior = priors.Prior(6, [priors.Group(g) for g in ((0, 3), (1,), (2, 4, 5))])
    objective = make_adapted(prior, over=over)
    # each code is the number of its image
    z = torch.arange(batch)[:, None].expand(-1, 6).contiguous()
    got = exchange_groups(z, objective._shifts)
    assert torch.equal(got.sort(0).values, z)
    for group in groups:
        assert all(torch.equal(got[:, i], got[:, group[0]]) for i in group)
    for first, second in itertools.combinations(groups, 2):
        assert (got[:, first[0]] != got[:, second[0]]).all()


def test_codes_that_are_exchanged_keep_their_values():
    """Not only their images: latent j stays in column j."""
    objective, z = make_adapted(make_prior("isa")), torch.randn(9, LATENTS)
    got = exchange_groups(z, objective._shifts)
    for j, shift in enumerate((0, 0, 1, 1)):
        assert torch.equal(got[:, j], z[:, j].roll(-shift))


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_batch_smaller_than_the_latents(batch):
    objective, z = make_adapted(make_prior("normal")), torch.randn(batch, LATENTS)
    got = exchange_groups(z, objective._shifts)
    assert torch.equal(got.sort(0).values, z.sort(0).values)
    assert torch.isfinite(objective.discriminator_loss(z))


def test_loss_of_the_discriminator_is_the_mean_cross_entropy():
    """Halves of each kind's, the codes' class first."""
    objective, z = make_adapted(make_prior("normal")), torch.randn(16, LATENTS)
    logits = objective.discriminator.net
    kinds = torch.arange(2).repeat_interleave(16)
    expected = nn.functional.cross_entropy(
        logits(torch.cat([z, exchange_groups(z, objective._shifts)])), kinds
    )
    torch.testing.assert_close(objective.discriminator_loss(z), expected)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 6.5])
@pytest.mark.parametrize("prior", ["normal", "isa"])
def test_value_is_the_vaes_loss_alone(prior, gamma):
    d = make_draw(make_prior(prior), dtype=torch.float32)
    objective = make_adapted(d.prior, gamma)
    with torch.no_grad():
        expected = (
            d.prior.kl(d.q, d.z) - d.log_likelihood
        ).mean() + gamma * objective.discriminator(d.z).mean()
    loss = objective(d, 50, 0.0)
    assert loss.shape == ()
    torch.testing.assert_close(loss.detach(), expected)


def make_draw_of(prior, raw, noise):
    q = priors.Gaussian()(raw)
    z = q.rsample(noise)
    return Draw(q, z, -z.square().sum(-1), prior)


def test_gradients_are_kept_apart():
    """The discriminator has its own loss's alone, the VAE those of a frozen discriminator."""
    prior, noise = make_prior("isa"), torch.randn(16, LATENTS)
    raw = (0.5 * torch.randn(16, 2 * LATENTS)).requires_grad_()
    objective = make_adapted(prior)
    own = dict(objective.named_parameters())
    objective(make_draw_of(prior, raw, noise), 50, 0.0).backward()
    alone = torch.autograd.grad(
        objective.discriminator_loss(make_draw_of(prior, raw, noise).z.detach()),
        list(own.values()),
    )
    for (name, parameter), expected in zip(own.items(), alone, strict=True):
        torch.testing.assert_close(parameter.grad, expected, msg=name)
        assert parameter.grad.abs().sum() > 0
    objective.requires_grad_(False)
    d = make_draw_of(prior, raw, noise)
    bound = (prior.kl(d.q, d.z) - d.log_likelihood).mean()
    frozen = bound + 3.0 * objective.discriminator(d.z).mean()
    torch.testing.assert_close(
        raw.grad, torch.autograd.grad(frozen, raw, retain_graph=True)[0]
    )
    assert not torch.allclose(raw.grad, torch.autograd.grad(bound, raw)[0], rtol=1e-3)


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_total_correlation_of_a_gaussian(rho):
    """-½ log(1 - ρ²) nats, by a discriminator trained on draws."""
    generator = torch.Generator().manual_seed(0)
    factor = torch.linalg.cholesky(torch.tensor([[1, rho], [rho, 1]]))

    def codes(count):
        return torch.randn(count, 2, generator=generator) @ factor.T

    objective = make_adapted(priors.Normal(2))
    optimizer = torch.optim.Adam(objective.parameters(), lr=3e-3)
    for _ in range(600):
        optimizer.zero_grad()
        objective.discriminator_loss(codes(512)).backward()
        optimizer.step()
    estimate = objective.total_correlation(codes(50_000)).item()
    assert estimate == pytest.approx(-0.5 * math.log(1 - rho**2), abs=0.06)


@pytest.mark.parametrize("prior", ["normal", "isa"])
def test_alone_or_among_others_the_same_run(pixels, prior):
    ensemble = make_ensemble([4, 0, 2**33 + 1], prior=prior)
    together = run_steps(ensemble, pixels)
    for i, seed in enumerate(ensemble.seeds.tolist()):
        single = make_ensemble([seed], prior=prior)
        alone = run_steps(single, pixels)
        torch.testing.assert_close(
            together[..., i], alone[..., 0], rtol=1e-4, atol=1e-4
        )
        for name, value in single.parameters.items():
            torch.testing.assert_close(
                ensemble.parameters[name][i], value[0], rtol=5e-3, atol=5e-4
            )
    assert not torch.allclose(together[..., 0], together[..., 1], rtol=1e-2)
    assert (together[-8:, 0].mean(0) < together[:8, 0].mean(0) - 1).all()


def test_the_run_is_that_of_two_optimisers_in_a_plain_loop(pixels):
    """Two losses, differentiated one by one, and an Adam for each network."""
    ensemble = make_ensemble([7], prior="isa", beta=20.0, discriminator_lr=3e-3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        plain = make_loss("isa", beta=20.0)
    vae, net = plain.model, plain.objective.discriminator.net
    ours, theirs = list(vae.parameters()), list(net.parameters())
    updates = [
        torch.optim.Adam(ours, lr=1e-2),
        torch.optim.Adam(theirs, lr=3e-3, betas=(0.5, 0.9)),
    ]
    seen = []
    original = ensemble.losses
    ensemble.losses = lambda x, noise, *rest: (
        seen.append((x[0], noise[0])) or original(x, noise, *rest)
    )
    curve = run_steps(ensemble, pixels, epochs=4)[:, 0, 0]
    for (x, noise), got in zip(seen, curve, strict=True):
        d = vae(x, noise)
        z = d.z.detach()
        moved = torch.cat([z[:, :2], torch.cat([z[1:, 2:], z[:1, 2:]])], dim=1)
        loss = (d.prior.kl(d.q, d.z) - d.log_likelihood).mean() + 20 * (
            net(d.z)[:, 0] - net(d.z)[:, 1]
        ).mean()
        other = -0.5 * (
            net(z).log_softmax(1)[:, 0].mean() + net(moved).log_softmax(1)[:, 1].mean()
        )
        for parameters, value in ((ours, loss), (theirs, other)):
            for parameter, gradient in zip(
                parameters,
                torch.autograd.grad(value, parameters, retain_graph=True),
                strict=True,
            ):
                parameter.grad = gradient
        for update in updates:
            update.step()
        torch.testing.assert_close(got, loss.detach(), rtol=1e-3, atol=1e-3)
    for name, value in plain.named_parameters():
        torch.testing.assert_close(
            ensemble.parameters[name][0], value, rtol=1e-2, atol=1e-3
        )


def test_the_discriminator_has_an_adam_of_its_own(pixels):
    """Adam's first step is its learning rate; the other settings are the groups'."""
    ensemble = make_ensemble([0, 1])
    before = {
        name: value.detach().clone() for name, value in ensemble.parameters.items()
    }
    ensemble.step(pixels, BATCH, 0, 0, 1)
    moved = {"objective": 0.0, "model": 0.0}
    for name, value in ensemble.parameters.items():
        kind = name.partition(".")[0]
        moved[kind] = max(moved[kind], (value - before[name]).abs().max().item())
    assert moved == pytest.approx({"objective": 1e-4, "model": 1e-2}, rel=0.02)
    of = {id(p): name.partition(".")[0] for name, p in ensemble.parameters.items()}
    settings = {
        (of[id(p)], group["lr"], group["betas"])
        for group in ensemble.optimizer.param_groups
        for p in group["params"]
    }
    assert settings == {("model", 1e-2, (0.9, 0.999)), ("objective", 1e-4, (0.5, 0.9))}
    assert len(ensemble.optimizer.param_groups) == 2


def test_its_adam_as_the_grid_says():
    ensemble = make_ensemble([0], discriminator_lr=2e-5, discriminator_betas=[0.1, 0.2])
    groups = {group["lr"]: group["betas"] for group in ensemble.optimizer.param_groups}
    assert groups == {1e-2: (0.9, 0.999), 2e-5: (0.1, 0.2)}


def test_without_strength_the_vae_takes_the_beta_vaes_steps(pixels):
    """To the last bit, from the same initialisation."""

    def bare():
        loss = make_loss()
        return Loss(loss.model, BetaVAE(1.0))

    with_it, without = (
        make_ensemble([3, 5], beta=0.0),
        Ensemble(bare, [3, 5], 1e-2, CPU),
    )
    expected, got = run_steps(without, pixels, 2), run_steps(with_it, pixels, 2)
    assert torch.equal(got, expected)
    assert without.parameters.keys() == {
        n for n in with_it.parameters if n.startswith("model.")
    }
    assert all(
        torch.equal(with_it.parameters[n], p) for n, p in without.parameters.items()
    )


def test_another_strength_trains_another_model(pixels):
    weak, strong = (
        run_steps(make_ensemble([0, 1], beta=beta), pixels, 2) for beta in (0.0, 50.0)
    )
    assert (weak[-1, 1] - strong[-1, 1]).abs().min() > 1e-3


def test_initialised_under_the_seed():
    """Each seed's discriminator is its own, and the same again."""
    first, again = make_ensemble([4, 9]), make_ensemble([9, 4])
    for name, value in first.parameters.items():
        assert torch.equal(value, again.parameters[name].flip(0))
    weights = first.parameters["objective.discriminator.net.2.weight"]
    assert weights.shape == (2, WIDTH, WIDTH)
    assert not torch.equal(weights[0], weights[1])


@pytest.mark.parametrize("alive", [[True, False, True], [False, True, False]])
def test_seeds_that_are_kept_go_on_as_if_nothing_had_been(pixels, alive):
    whole, part = (make_ensemble([0, 1, 2], prior="isa") for _ in range(2))
    for ensemble in (whole, part):
        for position in range(3):
            ensemble.step(pixels, BATCH, 0, position, 2)
    part.keep(torch.tensor(alive))
    for position in range(3, 8):
        whole.step(pixels, BATCH, 0, position, 2)
        part.step(pixels, BATCH, 0, position, 2)
    for name, value in part.parameters.items():
        torch.testing.assert_close(
            value, whole.parameters[name][alive], rtol=1e-3, atol=1e-5
        )
    assert [g["betas"] for g in part.optimizer.param_groups] == [
        g["betas"] for g in whole.optimizer.param_groups
    ]


def test_a_recorded_training_is_the_training(pixels):
    plain, recorded = (
        make_ensemble([0, 4], kind=kind) for kind in (Ensemble, RecordedEnsemble)
    )
    expected, got = run_steps(plain, pixels, 2), run_steps(recorded, pixels, 2)
    assert recorded._recorder.log.count("replay") == 13
    torch.testing.assert_close(got.to(expected), expected)


def test_nothing_in_a_step_needs_a_value_or_a_tensor_of_the_cpu():
    """On a device that has no values, each would be an error."""
    loss = make_loss("isa").to("meta")
    x, noise = torch.empty(8, 36, device="meta"), torch.empty(8, LATENTS, device="meta")
    value, _ = loss(
        x, noise, COUNT, torch.empty((), dtype=torch.float64, device="meta")
    )
    value.backward()
    assert all(
        p.grad is not None and p.grad.device.type == "meta"
        for p in loss.objective.parameters()
    )


def test_the_trained_model_is_the_vae(pixels):
    ensemble = make_ensemble([0, 1])
    run_steps(ensemble, pixels, 1)
    got = ensemble.member(1).state_dict()
    assert got.keys() == make_loss().model.state_dict().keys()
    assert all(
        torch.equal(value, ensemble.parameters[f"model.{name}"][1])
        for name, value in got.items()
    )


GRID = """
seeds = 2
beta = [2.0]
latent_dim = {latents}
metrics = ["active_latents"]
dataset = {{ name = "dsprites", factors = {{ shape = ["heart"], scale = [5], orientation = [0], \
posX = [0, 10, 20, 30], posY = [0, 20] }} }}
architecture = {{ name = "mlp", hidden = 16 }}
[[methods]]
name = "A"
prior = "normal"
objective = "beta_vae"
[[methods]]
name = "B"
prior = "normal"
objective = {{ name = "factor_vae", hidden = 12 }}
"""


@pytest.fixture
def load_methods(tmp_path, monkeypatch):
    """Return a function that gives the grid and its two methods' settings."""
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path))

    def load(latents):
        path = tmp_path / "tiny.toml"
        path.write_text(GRID.format(latents=latents), encoding="utf-8")
        grid = load_grid(str(path))
        return grid, list_settings(grid)

    return load


@pytest.mark.parametrize("latents", [2, 20])
def test_a_dry_run_with_any_number_of_latents(load_methods, latents):
    dry_run.check_study(*load_methods(latents))


def test_the_model_starts_as_under_another_objective(load_methods):
    _, settings = load_methods(4)
    plain, own = (Experiment(s).make_ensemble([1, 2], "cpu") for s in settings)
    assert all(
        torch.equal(own.parameters[name], value)
        for name, value in plain.parameters.items()
    )


def test_operations_count_the_discriminator(load_methods):
    """Count a frozen pass, forward and back to the codes, and the training on two codes.

    The latter goes back to the weights and, but for the first layer, to the inputs. The
    discriminator is not there when a model is scored.
    """
    _, settings = load_methods(4)
    (once, both), (own_once, own_both) = (
        plan.count_image_flops(Experiment(s)) for s in settings
    )
    first, rest = 2 * 4 * 12, 2 * (4 * 12 * 12 + 12 * 2)
    assert own_once == once
    assert own_both - both == 2 * (first + rest) + 2 * (3 * (first + rest) - first)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"over": "subspaces"},
            "'over' must be 'groups' or 'latents'; got 'subspaces'",
        ),
        ({"hidden": 0}, "'hidden' must be a positive integer; got 0"),
        ({"hidden": 2.5}, "'hidden' must be a positive integer; got 2.5"),
        ({"hidden": True}, "'hidden' must be a positive integer; got True"),
        (
            {"discriminator_lr": "x"},
            "'discriminator_lr' must be a positive number; got 'x'",
        ),
        ({"discriminator_betas": "ab"}, "two numbers from 0 to below 1; got 'ab'"),
        (
            {"discriminator_lr": 0.0},
            "'discriminator_lr' must be a positive number; got 0.0",
        ),
        (
            {"discriminator_lr": math.inf},
            "'discriminator_lr' must be a positive number; got inf",
        ),
        (
            {"discriminator_betas": [0.5]},
            "'discriminator_betas' must be two numbers from 0 to below 1",
        ),
        ({"discriminator_betas": [0.5, 1.0]}, r"to below 1; got \[0.5, 1.0\]"),
        ({"discriminator_betas": [-0.1, 0.9]}, r"to below 1; got \[-0.1, 0.9\]"),
        ({"discriminator_betas": 0.5}, "two numbers from 0 to below 1; got 0.5"),
        ({"hiden": 5}, "no argument 'hiden'; did you mean 'hidden'"),
        ({"beta": -1.0}, "'beta' must be a finite number >= 0"),
        ({"beta": (1.0, 2.0)}, "'beta' of FactorVAE must be one number"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        registry.build("factor_vae", **{"beta": 1.0, **arguments})


def test_one_group_has_no_total_correlation():
    with pytest.raises(
        ValueError, match=r"over='groups' needs at least two groups.*ISA has 1"
    ):
        make_adapted(priors.ISA([4]))
    with pytest.raises(
        ValueError, match=r"over='latents' needs at least two latents.*has 1"
    ):
        make_adapted(priors.Normal(1), over="latents")
    assert make_adapted(priors.ISA([4]), over="latents")._shifts.tolist() == [
        0,
        1,
        2,
        3,
    ]
