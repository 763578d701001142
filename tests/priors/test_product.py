"""Products of priors: sums of their parts, side by side."""

import math

import pytest
import torch
from scipy import stats
from torch.func import functional_call, stack_module_state, vmap

from priorbench import priors
from priorbench.priors import Gaussian, GaussianPosterior, SphericalPosterior
from priorbench.priors.posteriors.base import Posterior
from priorbench.priors.posteriors.product import ProductFamily, ProductPosterior
from priorbench.priors.product import Product, list_part_names

PARTS = [
    {"name": "isa", "subspaces": [2, 1], "learn_exponents": True},
    {"name": "hypersphere", "dims": [1, 2]},
    {"name": "normal", "latent_dim": 2},
]
GROUPS = ((0, 1), (2,), (3, 4), (5, 6, 7), (8,), (9,))
CUTS = (3, 5, 2)


@pytest.fixture
def prior():
    return Product(PARTS)


def raw(prior, *batch, seed=0):
    generator = torch.Generator().manual_seed(seed)
    family, d = prior.posterior, prior.latent_dim
    params = torch.randn(*batch, family.num_params(d), generator=generator)
    return params, torch.randn(*batch, family.noise_dim(d), generator=generator)


def drawn(prior, *batch, seed=0):
    params, noise = raw(prior, *batch, seed=seed)
    q = prior.posterior(params)
    return q, q.rsample(noise)


def alone():
    """The same priors, built by themselves."""
    return [
        priors.build_prior("isa", 3, subspaces=[2, 1], learn_exponents=True),
        priors.build_prior("hypersphere", 5, dims=[1, 2]),
        priors.build_prior("normal", 2),
    ]


def test_density_of_the_parts_in_high_precision():
    """Standard normal at (0.3, -1.2), a circle, a sphere: log 1/2π and log 1/4π."""
    product = Product(
        [{"name": "hypersphere", "dims": [1, 2]}, "normal"], latent_dim=7
    ).double()
    z = torch.tensor([0.6, 0.8, 0.0, 1.0, 0.0, 0.3, -1.2], dtype=torch.float64)
    normal = stats.norm.logpdf([0.3, -1.2])
    circle, sphere = -math.log(2 * math.pi), -math.log(4 * math.pi)
    assert product.log_prob(z).item() == pytest.approx(
        circle + sphere + normal.sum(), rel=1e-14
    )
    assert product.log_prob_groups(z).tolist() == pytest.approx(
        [circle, sphere, *normal], rel=1e-14
    )


def test_groups_stand_side_by_side(prior):
    assert prior.latent_dim == 10
    assert prior.coordinates == GROUPS
    kinds = [group.on for group in prior.groups]
    assert kinds == ["real", "real", "sphere", "sphere", "real", "real"]


def test_each_value_is_that_of_the_parts_alone(prior):
    q, z = drawn(prior, 6)
    parts, points = alone(), z.split(CUTS, dim=-1)
    sizes = [p.posterior.num_params(p.latent_dim) for p in parts]
    assert sum(sizes) == prior.posterior.num_params(10) == 6 + 7 + 4
    own = [
        p.posterior(r)
        for p, r in zip(parts, q.params.split(sizes, dim=-1), strict=True)
    ]
    for joined, of_part in (
        (prior.log_prob(z), lambda p, q, x: p.log_prob(x)),
        (prior.kl(q, z), lambda p, q, x: p.kl(q, x)),
        (q.log_prob(z), lambda p, q, x: q.log_prob(x)),
        (q.entropy(), lambda p, q, x: q.entropy()),
    ):
        expected = sum(map(of_part, parts, own, points))
        assert joined.shape == (6,)
        torch.testing.assert_close(joined, expected, rtol=1e-6, atol=1e-5)
    for joined, of_part in (
        (prior.log_prob_groups(z), lambda p, q, x: p.log_prob_groups(x)),
        (prior.kl_groups(q, z), lambda p, q, x: p.kl_groups(q, x)),
        (
            q.log_prob_groups(z, GROUPS),
            lambda p, q, x: q.log_prob_groups(x, p.coordinates),
        ),
        (q.representation, lambda p, q, x: q.representation),
    ):
        expected = torch.cat(list(map(of_part, parts, own, points)), dim=-1)
        torch.testing.assert_close(joined, expected, rtol=1e-6, atol=1e-6)


def test_closed_forms_stay_closed():
    """Of spheres and of the standard normal the KL depends on q alone, not on the draw."""
    prior = Product(PARTS[1:])
    params, noise = raw(prior, 5)
    q = prior.posterior(params)
    first, second = (q.rsample(n) for n in (noise, noise.flip(0)))
    assert not torch.allclose(first, second, atol=0.1)
    assert torch.equal(prior.kl(q, first), prior.kl(q, second))
    assert torch.equal(prior.kl_groups(q, first), prior.kl_groups(q, second))


def test_kl_groups_where_only_some_parts_are_closed(prior):
    """One posterior, many draws: estimates have the draws' shape, closed forms do not."""
    params, _ = raw(prior, 3)
    q = prior.posterior(params[:, None])
    z = q.rsample(torch.randn(3, 8, prior.posterior.noise_dim(10)))
    each = prior.kl_groups(q, z)
    assert each.shape == (3, 8, 6)
    torch.testing.assert_close(each.sum(-1), prior.kl(q, z), rtol=1e-5, atol=1e-5)


def test_another_posterior_is_estimated():
    prior, q = Product(["normal"], latent_dim=4), Gaussian()(torch.randn(5, 8))
    z = q.rsample(torch.randn(5, 4))
    torch.testing.assert_close(prior.kl(q, z), q.log_prob(z) - prior.log_prob(z))
    torch.testing.assert_close(prior.kl_groups(q, z).sum(-1), prior.kl(q, z))


def test_a_posterior_in_other_parts_is_estimated():
    prior = Product([{"name": "normal", "latent_dim": 1}, "normal"], latent_dim=4)
    q = ProductFamily(((Gaussian(), 2), (Gaussian(), 2)))(torch.randn(5, 8))
    z = q.rsample(torch.randn(5, 4))
    torch.testing.assert_close(prior.kl(q, z), q.log_prob(z) - prior.log_prob(z))
    torch.testing.assert_close(prior.kl_groups(q, z).sum(-1), prior.kl(q, z))


def test_noise_is_shared_out(prior):
    """A part's draw depends on its own noise only."""
    params, noise = raw(prior, 4)
    q = prior.posterior(params)
    sizes = [p.posterior.noise_dim(p.latent_dim) for p in alone()]
    first, moved = 0, q.rsample(noise)
    for i, (size, columns) in enumerate(zip(sizes, moved.split(CUTS, -1), strict=True)):
        other = noise.clone()
        other[:, first : first + size] += 1
        first += size
        for j, column in enumerate(q.rsample(other).split(CUTS, -1)):
            assert torch.equal(column, moved.split(CUTS, -1)[j]) == (i != j)
        assert columns.shape == (4, CUTS[i])
    assert first == noise.shape[-1]


class Wasteful(Gaussian):
    """Draws from more noise than there are latents."""

    def __call__(self, params):
        return WastefulPosterior(params, self)

    def noise_dim(self, latent_dim):
        return 3 * latent_dim


class WastefulPosterior(GaussianPosterior):
    def rsample(self, noise):
        return super().rsample(noise.unflatten(-1, (-1, 3)).sum(-1))


def test_parts_may_need_more_noise_than_latents():
    family = ProductFamily(((Wasteful(), 2), (Gaussian(), 1), (Wasteful(), 1)))
    assert family.noise_dim(4) == 10
    z = family(torch.zeros(8)).rsample(torch.arange(10.0))
    assert z.tolist() == [0 + 1 + 2, 3 + 4 + 5, 6, 7 + 8 + 9]


def test_density_of_any_groups_of_whole_spheres(prior):
    """Groups across parts are sums, in whatever order they are asked for."""
    q, z = drawn(prior, 6)
    each = q.log_prob_groups(z, GROUPS)
    groups = [(8,), (3, 4, 0, 1, 9), (2,), (5, 6, 7, 3, 4)]
    expected = torch.stack(
        [each[:, 4], each[:, [2, 0, 5]].sum(-1), each[:, 1], each[:, [3, 2]].sum(-1)],
        dim=-1,
    )
    torch.testing.assert_close(q.log_prob_groups(z, groups), expected)
    pairs = list(q.log_prob_pairs(z[:4], groups))
    assert [p.shape for p in pairs] == [(4, 6)] * 4
    single = torch.stack(
        [q[[n]].log_prob_groups(z[:4], groups) for n in range(6)], dim=1
    )
    torch.testing.assert_close(torch.stack(pairs, -1), single, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ((10,), r"a group must hold coordinates 0 to 9; got \(10,\)"),
        ((-1, 0), r"a group must hold coordinates 0 to 9; got \(-1, 0\)"),
        ((), r"a group must hold coordinates 0 to 9; got \(\)"),
        (
            (5, 6),
            r"part 1 of the product, coordinates 3 to 7 counted from 3: VonMisesFisher has joint "
            r"densities of whole spheres .* got the group \(2, 3\)",
        ),
    ],
)
def test_groups_without_a_density(prior, group, message):
    q, z = drawn(prior, 2)
    with pytest.raises(ValueError, match=message):
        q.log_prob_groups(z, [(0, 1), group])
    with pytest.raises(ValueError, match=message):
        list(q.log_prob_pairs(z, [(0, 1), group]))


def test_independent_parts_are_the_parts_own(prior):
    q, z = drawn(prior, 4)
    parts = q.independent_parts()
    assert [columns for _, columns in parts] == [(0, 1, 2), (3, 4), (5, 6, 7), (8, 9)]
    assert [type(part) for part, _ in parts] == [
        GaussianPosterior,
        SphericalPosterior,
        SphericalPosterior,
        GaussianPosterior,
    ]
    total = sum(part.log_prob(z[:, list(columns)]) for part, columns in parts)
    torch.testing.assert_close(total, q.log_prob(z))


def test_rows_of_a_posterior(prior):
    q, z = drawn(prior, 4)
    assert isinstance(q[1:3], ProductPosterior)
    torch.testing.assert_close(q[1:3].log_prob(z[1:3]), q.log_prob(z)[1:3])


def test_an_entropy_without_a_closed_form_is_refused(prior):
    class NoEntropy(Gaussian):
        def __call__(self, params):
            return WithoutEntropy(params, self)

    class WithoutEntropy(GaussianPosterior):
        entropy = Posterior.entropy

    q = ProductFamily(((Gaussian(), 2), (NoEntropy(), 1)))(torch.zeros(2, 6))
    with pytest.raises(
        NotImplementedError, match="NoEntropy has no closed-form entropy"
    ):
        q.entropy()


def test_samples_are_the_parts(prior):
    z = prior.sample((20_000,), torch.Generator().manual_seed(1))
    assert z.shape == (20_000, 10)
    assert torch.equal(z, prior.sample((20_000,), torch.Generator().manual_seed(1)))
    for columns in ([3, 4], [5, 6, 7]):
        torch.testing.assert_close(z[:, columns].norm(dim=1), torch.ones(20_000))
    for column in (8, 9):
        assert stats.kstest(z[:, column].numpy(), stats.norm.cdf).pvalue > 1e-4
    correlation = torch.corrcoef(z.T) - torch.eye(10)
    assert correlation.abs().max() < 0.035


def test_products_of_products():
    inner = {
        "name": "product",
        "parts": [
            {"name": "hypersphere", "dims": [1]},
            {"name": "normal", "latent_dim": 1},
        ],
    }
    prior = Product([{"name": "isa", "subspaces": [2]}, inner, "normal"], latent_dim=6)
    assert prior.coordinates == ((0, 1), (2, 3), (4,), (5,))
    q, z = drawn(prior, 5)
    assert [columns for _, columns in q.independent_parts()] == [
        (0, 1),
        (2, 3),
        (4,),
        (5,),
    ]
    torch.testing.assert_close(prior.kl_groups(q, z).sum(-1), prior.kl(q, z))
    torch.testing.assert_close(
        q.log_prob_groups(z, [(4, 0, 1), (2, 3, 5)]).sum(-1), q.log_prob(z)
    )


def test_a_block_of_seeds_equals_its_members():
    members = [Product(PARTS) for _ in range(3)]
    with torch.no_grad():
        for shift, member in enumerate(members):
            for parameter in member.parameters():
                parameter.add_(0.2 * shift)
    parameters, buffers = stack_module_state(members)
    params, noise = raw(members[0], 3, 5)

    class Kl(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.prior = members[0]

        def forward(self, params, noise):
            q = self.prior.posterior(params)
            z = q.rsample(noise)
            return self.prior.kl(q, z), self.prior.kl_groups(q, z).sum(-1)

    def of_one(parameters, buffers, *inputs):
        state = {f"prior.{k}": v for k, v in (parameters | buffers).items()}
        return functional_call(Kl(), state, inputs)

    block = vmap(of_one)(parameters, buffers, params, noise)
    for i, member in enumerate(members):
        q = member.posterior(params[i])
        expected = member.kl(q, q.rsample(noise[i]))
        for values in block:
            torch.testing.assert_close(values[i], expected, rtol=1e-5, atol=1e-5)


def test_what_was_learned_is_named_by_part():
    learning = {
        "name": "generalized_gaussian",
        "latent_dim": 1,
        "p": 1.5,
        "learn_exponent": True,
    }
    learned = Product([*PARTS, learning, learning]).learned()
    assert {name: value.flatten().tolist() for name, value in learned.items()} == {
        "0_isa_exponents": [2.0, 2.0],
        "3_generalized_gaussian_exponent": [pytest.approx(1.5)],
        "4_generalized_gaussian_exponent": [pytest.approx(1.5)],
    }


def test_learning_rates_are_the_parts():
    inner = {"name": "product", "parts": [PARTS[0]]}
    prior = Product(["normal", inner], latent_dim=5)
    prior.parts[0].extra = torch.nn.Parameter(torch.zeros(1))
    rates = prior.learning_rates()
    assert rates.keys() == dict(prior.named_parameters()).keys()
    assert rates["parts.0.extra"] is None
    assert rates["parts.1.parts.0.inner_exponents.rho"] == 5e-4


def test_the_part_without_latents_takes_what_is_left():
    prior = priors.build_prior("product", 12, parts=[PARTS[1], "normal"])
    assert [part.latent_dim for part in prior.parts] == [5, 7]
    assert priors.build_prior("product", 5, parts=[PARTS[1]]).latent_dim == 5


@pytest.mark.parametrize(
    "parts",
    [
        [],
        "normal",
        3,
        None,
        [3],
        [{"latent_dim": 2}],
        [None],
        {"name": "normal"},
        [{"name": 3}],
    ],
)
def test_parts_that_are_none(parts):
    with pytest.raises(
        ValueError, match="'parts' must be a list of priors, each a name or a tab"
    ):
        Product(parts, latent_dim=4)


@pytest.mark.parametrize(
    ("parts", "latent_dim", "message"),
    [
        (
            ["normal"],
            None,
            r"part 0 \('normal'\) must have a 'latent_dim', .*latent_dim = 4 }",
        ),
        (
            ["normal", "generalized_gaussian"],
            8,
            "part 0 .* and part 1 .*generalized_gaussian.* must",
        ),
        (
            [PARTS[1], "normal"],
            5,
            r"have 5 of the 5 latents and leave none to part 1 \('normal'\)",
        ),
        (PARTS, 20, r"'parts' have 3 \+ 5 \+ 2 = 10 latents, but 'latent_dim' is 20"),
        (
            ["nrmal"],
            4,
            r"part 0 \('nrmal'\) of the product: unknown prior 'nrmal'; did you mean 'norm",
        ),
        (
            [PARTS[2], {"name": "isa", "p0": -1}],
            None,
            r"part 1 \('isa'\) of .*'p0' must be a positive",
        ),
        (
            [{"name": "isa", "subspace": [1]}],
            None,
            r"part 0 \('isa'\) .*'subspace'; did you mean",
        ),
        (
            [{"name": "product", "parts": ["normal"]}],
            None,
            r"part 0 \('product'\) of the product: par",
        ),
        (
            [{"name": "normal", "latent_dim": 0}],
            None,
            "'latent_dim' must be a positive integer; got 0",
        ),
    ],
)
def test_wrong_parts(parts, latent_dim, message):
    with pytest.raises(ValueError, match=message):
        Product(parts, latent_dim=latent_dim)


def test_wrong_shapes(prior):
    with pytest.raises(
        ValueError, match=r"'z' must have shape \(\.\.\., 10\); got \(3, 9\)"
    ):
        prior.log_prob(torch.zeros(3, 9))


@pytest.fixture
def user():
    """A prior of a user's own, and something that is none."""

    @priors.register("tests_product_ring")
    class Ring(priors.HypersphereProduct):
        def __init__(self):
            super().__init__([1])

    priors.register("tests_product_none")(lambda: 3)
    yield Ring
    for name in ("tests_product_ring", "tests_product_none"):
        del priors.registry._entries[name]


def test_a_users_prior_is_a_part(user):
    prior = Product(["tests_product_ring", "normal"], latent_dim=3)
    assert isinstance(prior.parts[0], user)
    assert [group.on for group in prior.groups] == ["sphere", "real"]
    with pytest.raises(
        ValueError, match=r"part 0 .*must be a subclass of priors\.Prior.*got int"
    ):
        Product(["tests_product_none"])


def test_names_of_parts():
    inner = {"name": "product", "parts": [{"name": "isa"}, 5, "hypersphere"]}
    assert list_part_names("product", {"parts": ["normal", inner]}) == [
        "product",
        "normal",
        "product",
        "isa",
        "hypersphere",
    ]
    assert list_part_names("normal", {"parts": ["isa"]}) == ["normal"]
    assert list_part_names("product", {"parts": "isa"}) == ["product"]
    with pytest.raises(ValueError, match="unknown prior 'is'"):
        list_part_names("product", {"parts": ["is"]})
