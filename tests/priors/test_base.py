"""The prior's interface: what the base class assures of the methods of an author."""

import math
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import vmap

from priorbench import priors
from priorbench.priors import Gaussian, Group, Prior


class Scaled(Prior):
    """Independent normal latents of a learned scale, written as an author does."""

    def __init__(self, latent_dim=3, groups=None):
        super().__init__(latent_dim, groups)
        self.rho = nn.Parameter(torch.tensor(0.3))

    def _log_prob_groups(self, z):
        log_normaliser = self.rho + 0.5 * math.log(2 * math.pi)
        return -0.5 * (z * torch.exp(-self.rho)).square() - log_normaliser

    def _sample(self, shape, generator):
        normal = torch.randn(*shape, self.latent_dim, generator=generator)
        return normal * self.rho.exp()


class Joint(Prior):
    """One group of all latents, with a joint density alone."""

    def __init__(self, latent_dim=3):
        super().__init__(latent_dim, [Group(range(latent_dim))])

    def _log_prob(self, z):
        return -z.norm(dim=-1)


class Old(Prior):
    """The public methods themselves, with a property for the variance."""

    def log_prob(self, z):
        self.check_shape(z)
        return -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)

    def sample(self, shape=(), generator=None):
        return torch.randn(*shape, self.latent_dim, generator=generator)

    def variance(self):
        return 1.0


def define(name="Mine", of=Scaled, **members):
    return type(name, (of,), members)


def make_posterior(count=4, latent_dim=3):
    q = Gaussian()(torch.randn(count, 2 * latent_dim))
    return q, q.rsample(torch.randn(count, latent_dim))


class TestGroup:
    @pytest.mark.parametrize(
        "coordinates", [range(2), [0, 1], iter((0, 1)), np.arange(2), torch.arange(2)]
    )
    def test_coordinates_are_a_tuple_of_integers(self, coordinates):
        group = Group(coordinates, on="sphere")
        assert group.coordinates == (0, 1)
        assert {type(i) for i in group.coordinates} == {int}
        assert hash(group) == hash(Group((0, 1), "sphere"))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (([0], "circle"), "'on' must be 'real' or 'sphere'; got 'circle'"),
            (([0.0],), "'coordinates' must be integers; got"),
            ((3,), "'coordinates' must be integers; got 3"),
            (([],), r"on 'real' must be at least 1; got \(\)"),
            (([2], "sphere"), r"on 'sphere' must be at least 2; got \(2,\)"),
        ],
    )
    def test_wrong_fields(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            Group(*arguments)


@pytest.mark.parametrize("latent_dim", [0, -1, 2.0, "3", True, None])
def test_latent_dim_must_be_a_positive_integer(latent_dim):
    with pytest.raises(ValueError, match="'latent_dim' must be a positive integer"):
        Scaled(latent_dim)


def test_groups_are_single_latents_by_default():
    assert Scaled(2).groups == (Group([0]), Group([1]))
    assert Scaled(2).coordinates == ((0,), (1,))
    given = Scaled(3, (Group(c) for c in ([2], [0, 1])))
    assert given.coordinates == ((2,), (0, 1))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([Group([0, 1])], r"latents 0 to 2 once; got \(\(0, 1\),\)"),
        ([Group([0, 1]), Group([1, 2])], "groups of Scaled must hold each of the"),
        ([Group([0, 1, 2, 3])], "must hold each of the latents 0 to 2 once"),
        ([], "must hold each of the latents 0 to 2 once"),
        ([(0, 1, 2)], r"must be like priors.Group.*; got \(0, 1, 2\)"),
        (["real"], "must be like priors.Group.*; got 'real'"),
    ],
)
def test_groups_must_partition_the_latents(groups, message):
    with pytest.raises(ValueError, match=message):
        Scaled(3, groups)


@pytest.mark.parametrize(
    "groups", [((0, 1, 2),), property(lambda self: (Group(range(3)),))]
)
def test_groups_of_the_class_are_refused(groups):
    """They would be passed over."""
    with pytest.raises(ValueError, match=r"Mine must not define 'groups'.*super"):
        define(groups=groups)(3)


class TestLogProb:
    @pytest.mark.parametrize("kind", [Scaled, Joint, Old])
    @pytest.mark.parametrize("shape", [(), (4,), (3, 2), (0, 3, 4)])
    def test_z_of_another_shape_is_refused(self, kind, shape):
        message = rf"'z' must have shape \(\.\.\., 3\); got {re.escape(str(shape))}"
        with pytest.raises(ValueError, match=message):
            kind(3).log_prob(torch.zeros(shape))
        if kind is not Old:
            with pytest.raises(ValueError, match=message):
                kind(3).log_prob_groups(torch.zeros(shape))

    @pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
    def test_z_that_is_not_floating_point_is_refused(self, dtype):
        with pytest.raises(ValueError, match="'z' must be floating-point; got torch"):
            Scaled(3).log_prob(torch.zeros(3).to(dtype))

    def test_groups_sum_to_the_whole(self):
        prior, z = Scaled(3), torch.randn(5, 3)
        assert prior.log_prob_groups(z).shape == (5, 3)
        torch.testing.assert_close(
            prior.log_prob(z), prior.log_prob_groups(z).sum(-1), rtol=0, atol=0
        )

    @pytest.mark.parametrize("kind", [Joint, define(of=Old)])
    def test_one_group_is_the_whole(self, kind):
        prior = kind(1)
        z = torch.randn(5, 1)
        assert torch.equal(prior.log_prob_groups(z)[:, 0], prior.log_prob(z))

    def test_several_groups_need_their_densities(self):
        q, z = make_posterior()
        for call in (Old(3).log_prob_groups, lambda z: Old(3).kl_groups(q, z)):
            with pytest.raises(
                NotImplementedError,
                match=r"Old does not define _log_prob_groups\(z\), the log density",
            ):
                call(z)

    @pytest.mark.parametrize("groups", [None, [Group(range(3))]])
    def test_a_density_must_be_defined(self, groups):
        class Empty(Prior):
            pass

        prior = Empty(3, groups)
        with pytest.raises(NotImplementedError, match=r"Empty must define _log_prob\("):
            prior.log_prob(torch.zeros(3))
        with pytest.raises(NotImplementedError, match=r"define _sample\(shape, gen"):
            prior.sample()

    @pytest.mark.parametrize(
        ("method", "given"),
        [
            (lambda self, z: -z.square().sum(-1, keepdim=True), "(4, 2, 1)"),
            (lambda self, z: -z.square(), "(4, 2, 3)"),
            (lambda self, z: -z.square().sum(), "()"),
            (lambda self, z: 0.0, "float"),
            (lambda self, z: None, "NoneType"),
        ],
    )
    def test_another_shape_is_named(self, method, given):
        message = (
            "Mine._log_prob must map z of shape (..., 3) to (...), here (4, 2); it "
            f"gave {given}"
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            define(_log_prob=method)(3).log_prob(torch.zeros(4, 2, 3))

    def test_another_shape_of_groups_is_named(self):
        message = (
            "Mine._log_prob_groups must map z of shape (..., 3) to (..., 3), here "
            "(4, 3); it gave (4,)"
        )
        prior = define(_log_prob_groups=lambda self, z: z.sum(-1))(3)
        for call in (prior.log_prob, prior.log_prob_groups):
            with pytest.raises(ValueError, match=re.escape(message)):
                call(torch.zeros(4, 3))

    def test_many_seeds_at_once(self):
        z = torch.randn(4, 5, 3)
        for prior in (Scaled(3), Joint(3), Old(3)):
            torch.testing.assert_close(vmap(prior.log_prob)(z), prior.log_prob(z))


class TestSample:
    def test_a_generator_on_the_cpu_is_used_as_it_is(self):
        prior = Scaled(3)
        z = prior.sample((4, 2), torch.Generator().manual_seed(3))
        expected = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(3))
        torch.testing.assert_close(z, expected * math.exp(0.3))

    def test_without_one_draws_follow_the_global_generator(self):
        prior = Scaled(3)
        torch.manual_seed(5)
        first, second = prior.sample((4,)), prior.sample((4,))
        torch.manual_seed(5)
        assert torch.equal(first, prior.sample((4,)))
        assert not torch.equal(first, second)

    def test_draws_are_constants_of_the_default_dtype(self):
        prior = Scaled(3).double()
        assert prior.sample().shape == (3,)
        assert prior.sample([2]).dtype == torch.float32
        assert not prior.sample([2]).requires_grad

    @pytest.mark.usefixtures("float64")
    def test_the_default_dtype_may_be_another(self):
        prior = define(_sample=lambda self, shape, _: torch.zeros(*shape, 3).float())(3)
        assert prior.sample((2,)).dtype == torch.float64

    @pytest.mark.parametrize(
        ("method", "given"),
        [
            (lambda self, shape, generator: torch.zeros(shape), "(4, 2)"),
            (lambda self, shape, generator: [0.0] * 3, "list"),
        ],
    )
    def test_another_shape_is_named(self, method, given):
        message = (
            "Mine._sample must give draws of shape (*shape, 3), here (4, 2, 3); it "
            f"gave {given}"
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            define(_sample=method)(3).sample((4, 2))

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
    def test_a_prior_and_a_generator_on_a_gpu(self):
        prior = Scaled(3).cuda()
        z = prior.sample((4,), torch.Generator("cuda").manual_seed(3))
        assert z.device.type == "cuda"
        again = prior.sample((4,), torch.Generator("cuda").manual_seed(3))
        assert torch.equal(z, again)
        assert prior.sample((4,)).device.type == "cpu"
        assert prior.rho.device.type == "cuda"


class TestKl:
    def test_by_default_it_is_the_difference_of_log_densities(self):
        q, z = make_posterior()
        prior = Scaled(3)
        expected = q.log_prob(z) - prior.log_prob(z)
        torch.testing.assert_close(prior.kl(q, z), expected)
        torch.testing.assert_close(prior.kl_groups(q, z).sum(-1), expected)

    def test_with_a_variance_the_gaussian_part_is_closed(self):
        q, z = make_posterior()
        torch.testing.assert_close(Old(3).kl(q, z), q.kl_normal())
        variance = torch.tensor([1.0, 2.0, 3.0])
        prior = define(variance=lambda self: variance)(3)
        log_normal = torch.distributions.Normal(0.0, variance.sqrt()).log_prob(z)
        expected = q.kl_normal(variance) + log_normal.sum(-1) - prior.log_prob(z)
        torch.testing.assert_close(prior.kl(q, z), expected)
        torch.testing.assert_close(prior.kl_groups(q, z).sum(-1), expected)

    def test_a_closed_form_may_have_the_shape_of_q_alone(self):
        q = Gaussian()(torch.randn(4, 1, 6))
        z = q.rsample(torch.randn(4, 5, 3))
        closed = define(_kl=lambda self, q, z: q.kl_normal())(3)
        assert closed.kl(q, z).shape == (4, 1)
        assert Scaled(3).kl(q, z).shape == (4, 5)

    @pytest.mark.parametrize(
        ("method", "given"),
        [
            (lambda self, q, z: q.kl_normal().mean(), "()"),
            (lambda self, q, z: q.kl_normal_coordinates(), "(4, 3)"),
            (lambda self, q, z: 0.0, "float"),
        ],
    )
    def test_another_shape_is_named(self, method, given):
        q, z = make_posterior()
        message = f"Mine._kl must give one value for each posterior, here (4,); it gave {given}"
        with pytest.raises(ValueError, match=re.escape(message)):
            define(_kl=method)(3).kl(q, z)

    def test_another_shape_of_groups_is_named(self):
        q, z = make_posterior()
        prior = define(_kl_groups=lambda self, q, z: q.kl_normal())(3)
        message = (
            "_kl_groups must give one value for each posterior and each of 3 groups"
        )
        with pytest.raises(ValueError, match=f"{message}, here .*; it gave"):
            prior.kl_groups(q, z)


def test_public_methods_of_an_older_prior_go_on_working():
    prior = Old(3)
    q, z = make_posterior()
    normal = priors.Normal(3)
    assert torch.equal(prior.log_prob(z), normal.log_prob(z))
    torch.testing.assert_close(prior.kl(q, z), normal.kl(q, z))
    assert prior.sample((2,), torch.Generator()).shape == (2, 3)
    product = priors.Product([{"name": "normal", "latent_dim": 1}])
    product.parts[0] = Old(1)
    assert product.sample((2,)).shape == (2, 1)
    assert product.log_prob(z[:, :1]).shape == (4,)


def test_learned_and_learning_rates():
    prior = Scaled(3)
    assert prior.learned()["rho"].item() == pytest.approx(0.3)
    assert not prior.learned()["rho"].requires_grad
    assert prior.learning_rates() == {"rho": None}
    assert define(learning_rate=1e-2)(3).learning_rates() == {"rho": 1e-2}


class TestBuildPrior:
    @pytest.fixture
    def register(self):
        yield lambda entry: priors.register("tests_base")(entry)
        del priors.registry._entries["tests_base"]

    def test_latent_dim_is_passed_on(self, register):
        register(Scaled)
        assert priors.build_prior("tests_base", 5).latent_dim == 5

    def test_what_is_not_a_prior(self, register):
        register(lambda latent_dim: 3)
        with pytest.raises(
            ValueError, match=r"must be a subclass of priors\.Prior.*int"
        ):
            priors.build_prior("tests_base", 5)

    def test_the_base_must_be_initialised(self, register):
        register(define(__init__=lambda self, latent_dim: None))
        with pytest.raises(ValueError, match=r"Mine.__init__ must call super\(\)"):
            priors.build_prior("tests_base", 5)

    def test_another_number_of_latents(self, register):
        register(define(__init__=lambda self: Scaled.__init__(self, 3)))
        with pytest.raises(ValueError, match="has 3 latents, but 'latent_dim' is 5"):
            priors.build_prior("tests_base", 5)
