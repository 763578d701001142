import pytest
import torch

from priorbench.metrics import beta_vae
from tests.metrics.published_cases import list_values, make_case


def list_by_speed(metric):
    """Values as parameters; those of codes that score 1 are slow in all."""
    marked = []
    for value in list_values(metric):
        fast = value.values[0].value < 1 and "small" in value.id
        slow = () if fast else pytest.mark.slow
        marked.append(pytest.param(*value.values, id=value.id, marks=slow))
    return marked


@pytest.mark.parametrize("published", list_by_speed("beta_vae_score"))
def test_published_values(published):
    codes = make_case(published.case).make_codes()
    published.check(beta_vae(codes)["beta_vae"])


@pytest.mark.parametrize("published", list_by_speed("ubisoft_z_diff"))
def test_published_values_above_chance(published):
    # 200 pairs, and the score is scaled so that chance is 0
    codes = make_case(published.case).make_codes()
    scores = beta_vae(codes, num_pairs=200, num_train=5_000, num_test=2_500)
    published.check((scores["beta_vae"] - 1 / 4) / (1 - 1 / 4))


def test_mixed_codes_are_told_apart():
    codes = make_case("small/shared").make_codes()
    scores = beta_vae(codes, num_train=1_000, num_test=1_000)
    assert scores["beta_vae"] == pytest.approx(1, abs=0.01)


def test_scale_matters():
    case = make_case("small/mixed")

    def score(factor):
        codes = case.make_codes().from_arrays(factor * case.z, case.factors)
        return beta_vae(codes, num_train=2_000, num_test=2_000)["beta_vae"]

    assert score(0.01) < 0.6 < 0.9 < score(1)


def test_turned_groups_score_the_same(make_codes, grid):
    v = grid(5, 6)
    found = []
    for turn in (0.0, 0.4, 2.0):
        angle = 2 * torch.pi * v[:, 1] / 6 + turn
        loc = torch.stack([v[:, 0] / 10, angle.cos(), angle.sin()], dim=1)
        codes = make_codes(loc, 1.0, v, (5, 6), groups=[[0], [1, 2]])
        found.append(beta_vae(codes, num_pairs=2, num_train=1_000, num_test=1_000))
    scores = [scores["beta_vae_groups"] for scores in found]
    assert 0.5 < scores[0] < 1
    assert scores == pytest.approx([scores[0]] * 3, abs=1e-3)
    assert 0 < found[0]["beta_vae_groups_se"] < 0.02


def test_one_group_has_no_second(make_codes, grid):
    v = grid(3, 4)
    codes = make_codes(v, 1.0, v, (3, 4), groups=[[0, 1]])
    scores = beta_vae(codes, num_train=50, num_test=50)
    assert set(scores) == {"beta_vae", "beta_vae_se"}


def test_a_single_training_draw(make_codes, grid):
    v = grid(3, 4)
    scores = beta_vae(make_codes(v, 1.0, v, (3, 4)), num_train=1, num_test=400)
    assert scores["beta_vae"] == pytest.approx(0.5, abs=0.1)


def test_numbers_that_cannot_be(make_codes, grid):
    v = grid(3, 4)
    codes = make_codes(v, 1.0, v, (3, 4))
    for name in ("num_pairs", "num_train", "num_test"):
        with pytest.raises(ValueError, match=f"'{name}' must be at least 1; got 0"):
            beta_vae(codes, **{name: 0})
