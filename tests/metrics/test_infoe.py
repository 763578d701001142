import numpy as np
import pytest
import torch

from priorbench.metrics import Codes, infoe
from tests.metrics.published_cases import list_values, load_values, make_case

SMALL = [p for p in list_values("infoe", "discrete_latents=False") if "small" in p.id]
LARGE = [p for p in list_values("infoe", "discrete_latents=False") if "large" in p.id]


@pytest.mark.parametrize("published", SMALL)
def test_published_values(published):
    published.check(infoe(make_case(published.case).make_codes())["infoe"])


@pytest.mark.slow
@pytest.mark.parametrize("published", LARGE)
def test_published_values_of_the_large_grid(published):
    published.check(infoe(make_case(published.case).make_codes())["infoe"])


@pytest.mark.parametrize(
    "published",
    [
        pytest.param(
            p.values[0], id=p.id, marks=[pytest.mark.slow] if "large" in p.id else []
        )
        for p in list_values("infoe", "discrete_latents=True")
    ],
)
def test_discrete_latents_are_indicators_of_their_values(published):
    """The authors' code regresses on one column for each value of a latent."""
    case = make_case(published.case)
    columns = [(z[:, None] == np.unique(z)).astype(float) for z in case.z.T]
    codes = Codes.from_arrays(np.concatenate(columns, axis=1), case.factors)
    published.check(infoe(codes)["infoe"])


def test_where_the_authors_code_fails():
    failed = list_values("infoe", failed=True)
    for published in (p.values[0] for p in failed):
        codes = make_case(published.case).make_codes()
        assert infoe(codes) == {"infoe": 0.0, "infoe_se": 0.0}
    assert {p.values[0].case for p in failed} == {
        p.case for p in load_values("infoe") if p.value is None
    }


@pytest.mark.parametrize("name", ["small/noisy", "small/vae_like"])
def test_linear_maps_change_nothing(name):
    case = make_case(name)
    count = case.z.shape[1]
    mix = np.random.default_rng(0).standard_normal((count, count)) + 2 * np.eye(count)
    scores = infoe(case.make_codes())
    mixed = infoe(Codes.from_arrays(case.z @ mix + 7, case.factors))
    assert mixed["infoe"] == pytest.approx(scores["infoe"], abs=1e-5)


def test_rare_values_weigh_as_much_as_others(make_codes):
    rng = np.random.default_rng(0)
    v = torch.from_numpy((rng.random(2_000) < 0.1).astype(np.int64))[:, None]
    noise = torch.from_numpy(rng.standard_normal((2_000, 2)))
    assert infoe(make_codes(noise, 1.0, v, (2,)))["infoe"] < 0.01
    perfect = infoe(make_codes(v + 0.01 * noise, 1.0, v, (2,)))
    assert perfect["infoe"] == pytest.approx(1, abs=1e-5)


def test_a_sphere_may_be_turned():
    first, second = (
        infoe(make_case(f"small/{name}").make_codes(grouped=True))
        for name in ("circle", "circle_turned")
    )
    assert set(first) == {"infoe", "infoe_se"}
    assert first["infoe"] == pytest.approx(second["infoe"], abs=1e-6)


def test_a_factor_that_does_not_vary_among_the_samples(make_codes):
    v = torch.zeros(1_000, 1, dtype=torch.int64)
    v[0] = 1
    with pytest.raises(ValueError, match="do not vary among the sampled"):
        infoe(make_codes(torch.randn(1_000, 2), 1.0, v, (2,)), num_samples=10)
