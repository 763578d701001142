from dataclasses import replace

import pytest
import torch

from priorbench import metrics

NAMES = [
    "active_latents",
    "elbo_decomposition",
    "mig",
    "mig_groups",
    "mig_histogram",
    "mig_sampled",
]


def test_every_metric_is_registered():
    assert set(NAMES) <= set(metrics.names())


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_scores_float32_codes(toy, name):
    codes = toy()
    low = replace(
        codes,
        posterior=type(codes.posterior)(codes.posterior.params.float()),
        z=codes.z.float(),
        log_prior=codes.log_prior.float(),
    )
    high = metrics.get(name)(codes)
    for column, value in metrics.get(name)(low).items():
        assert isinstance(value, float | torch.Tensor)
        torch.testing.assert_close(
            torch.as_tensor(value, dtype=torch.float64),
            torch.as_tensor(high[column], dtype=torch.float64),
            atol=1e-5,
            rtol=1e-5,
        )


@pytest.mark.parametrize("name", NAMES)
def test_one_data_point(make_codes, name):
    codes = make_codes([[0.5, -1.0]], 1.0, torch.zeros(1, 1, dtype=torch.int64), (2,))
    if name == "mig_histogram":
        with pytest.raises(ValueError, match="do not vary"):
            metrics.get(name)(codes)
    else:
        assert all(
            torch.isfinite(torch.as_tensor(v)).all()
            for v in metrics.get(name)(codes).values()
        )


def test_points_are_distinct_and_repeatable(toy):
    codes = toy()
    assert codes.points(240).tolist() == list(range(240))
    assert len(set(codes.points(100).tolist())) == 100
    assert codes.points(100).tolist() == codes.points(100).tolist()
    assert codes.points(100).tolist() != toy(seed=1).points(100).tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"log_prior": torch.zeros(3)}, "'log_prior' must have shape"),
        (
            {"factors": torch.zeros(240, 2, dtype=torch.int64)},
            "'factors' must have shape",
        ),
        ({"factor_sizes": (4, 5)}, "one size for each of the 3 names"),
        (
            {"factor_sizes": (4, 5, 11)},
            r"'factors' of 'c' must lie in 0 ... 10; got 0 to 11",
        ),
        ({"factor_names": ("a", "b", "a")}, "'factor_names' must differ"),
        ({"groups": [[0], [1], [2]]}, "must partition the 4 latents"),
        ({"groups": [[0, 1], [1, 2, 3]]}, "must partition the 4 latents"),
        ({"excluded": ("shape",)}, r"names of factors; got \['shape'\]"),
    ],
)
def test_fields_must_fit(toy, change, message):
    with pytest.raises(ValueError, match=message):
        replace(toy(), **change)


def test_posterior_must_fit(toy):
    codes = toy()
    with pytest.raises(ValueError, match="the same data points"):
        replace(codes, posterior=codes.posterior[:5])
    with pytest.raises(ValueError, match="at least 2; got 1"):
        codes.points(1)
