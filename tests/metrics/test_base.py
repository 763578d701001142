import inspect
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from priorbench import metrics
from priorbench.metrics.base import Metric, MetricRegistry

REGISTERED = {
    "active_latents": (None, (), 1),
    "elbo_decomposition": (None, ("densities", "prior"), 1),
    "infoc": ("infoc", ("factors", "densities"), 1),
    "infom": ("infom", ("factors", "densities"), 1),
    "mi_completeness": ("mi_completeness", ("factors", "densities"), 1),
    "mi_disentanglement": ("mi_disentanglement", ("factors", "densities"), 1),
    "mig": ("mig", ("factors", "densities"), 2),
    "mig_groups": ("mig_groups", ("factors", "densities"), 2),
    "mig_histogram": ("mig_histogram", ("factors",), 2),
    "mig_sampled": (None, ("factors", "densities"), 2),
    "mig_sup": ("mig_sup", ("factors", "densities"), 1),
    "modularity": ("modularity", ("factors", "densities"), 1),
}
"""Headline, needs and version of metrics of mutual information and of the bound."""

NAMES = list(REGISTERED)


def test_every_metric_is_registered():
    assert set(NAMES) <= set(metrics.registry.names())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_registered(toy, name):
    metric = metrics.registry.get(name)
    function = getattr(metrics, name)
    assert inspect.isfunction(function)
    assert metric.function is function
    assert inspect.signature(metric) == inspect.signature(function)
    assert metric.__doc__ == function.__doc__
    assert metrics.registry.describe(name) == function.__doc__.splitlines()[0]
    assert (metric.headline, metric.needs, metric.version) == REGISTERED[name]
    if metric.headline is not None:
        assert math.isfinite(metric(toy())[metric.headline])


def test_arguments_are_those_of_the_function(toy):
    metric = metrics.registry.get("mig")
    metrics.registry.check_arguments("mig", None, step=0.25)
    with pytest.raises(ValueError, match="no argument 'stpe'; did you mean 'step'"):
        metrics.registry.check_arguments("mig", None, stpe=0.25)
    assert metric(toy(), step=1.5)["mig_error"] > metric(toy(), 0.5)["mig_error"]


def test_metrics_that_need_factors_are_refused_without(make_codes):
    loc = torch.tensor([[0.5, -1.0], [1.0, 2.0]])
    codes = make_codes(loc, 1.0, torch.zeros(2, 0, dtype=torch.int64), ())
    for name in NAMES:
        metric = metrics.registry.get(name)
        if "factors" not in metric.needs:
            assert metric(codes)
        else:
            with pytest.raises(
                ValueError,
                match=f"metric '{name}' needs factors, and the dataset has none: leave",
            ):
                metric(codes)


@pytest.fixture
def shelf():
    """An empty registry of metrics."""
    return MetricRegistry("metric", "tests.metrics")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"headline": "my score"}, "'headline' of metric 'mine' .* got 'my score'"),
        ({"headline": ""}, "an identifier, or None; got ''"),
        (
            {"needs": ("labels",)},
            r"names among 'factors', 'densities', .*; got \('labels',\)",
        ),
        ({"needs": "factors"}, "must be a tuple .* got 'factors'"),
        ({"version": 0}, "'version' of metric 'mine' .* at least 1; got 0"),
        ({"version": "2"}, "a whole number of at least 1; got '2'"),
    ],
)
def test_what_cannot_be_registered(shelf, arguments, message):
    with pytest.raises(ValueError, match=message):

        @shelf.register("mine", **arguments)
        def mine(codes):
            return {}

    assert shelf.names() == []


def test_a_metric_of_ones_own(shelf, toy):
    @shelf.register("mine", headline="mine", needs=("factors",), version=3)
    def mine(codes, order=1, *, scale=2.0):
        """Return a number."""
        return {"mine": scale * order, "count": 3, "array": torch.zeros(2)}

    assert inspect.isfunction(mine)
    metric = shelf.get("mine")
    fields = metric.name, metric.headline, metric.needs, metric.version
    assert fields == ("mine", "mine", ("factors",), 3)
    assert metric.__module__ == mine.__module__
    assert inspect.unwrap(metric) is mine
    assert metric(toy(), 2, scale=3.0)["mine"] == 6.0
    with pytest.raises(ValueError, match="already registered"):
        shelf.register("mine")(mine)


RETURNED = [
    (None, "it returned None"),
    ("text", "it returned a value of type 'str'"),
    (0.5, "it returned a value of type 'float'"),
    ({1: 0.5}, "it returned the name 1"),
    ({"a": None}, "'a' is None"),
    ({"a": "text"}, "'a' is a value of type 'str'"),
    ({"a": [0.5]}, "'a' is a value of type 'list'"),
    ({"a": np.zeros(3)}, "'a' is a value of type 'ndarray'"),
    ({"a": 1j}, "'a' is a value of type 'complex'"),
    ({"a": torch.zeros(3, dtype=torch.complex64)}, "'Tensor', torch.complex64"),
]


@pytest.mark.parametrize(("scores", "message"), RETURNED)
def test_what_is_returned_must_be_scores(toy, scores, message):
    metric = Metric("mine", lambda codes: scores)
    with pytest.raises(ValueError, match="metric 'mine' must return a dict") as error:
        metric(toy())
    assert message in str(error.value)


def test_numbers_and_tensors_are_scores(toy):
    scores = {
        "float": 0.5,
        "int": 3,
        "bool": True,
        "numpy": np.float32(0.5),
        "nan": math.nan,
        "scalar": torch.tensor(0.5),
        "array": torch.arange(6).view(2, 3),
    }
    assert Metric("mine", lambda codes: scores)(toy()) is scores


class EntryPoint:
    """An entry point of an installed package."""

    def __init__(self, load):
        self.value = "package:function"
        self.load = load


def test_a_function_of_an_installed_package(shelf, toy, monkeypatch):
    def plain(codes):
        return {"plain": 1.0}

    def load_decorated():
        @shelf.register("decorated", headline="decorated")
        def decorated(codes):
            return {"decorated": 1.0}

        return decorated

    points = {
        "plain": EntryPoint(lambda: plain),
        "decorated": EntryPoint(load_decorated),
    }
    monkeypatch.setattr(shelf, "_find_installed", lambda: points)
    assert shelf.get("plain").headline is None
    assert shelf.get("plain")(toy()) == {"plain": 1.0}
    assert shelf.get("decorated").headline == "decorated"
    assert shelf.get("decorated")(toy()) == {"decorated": 1.0}


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_scores_float32_codes(toy, name):
    codes = toy()
    low = replace(
        codes,
        posterior=codes.posterior.family(codes.posterior.params.float()),
        z=codes.z.float(),
        log_prior=codes.log_prior.float(),
    )
    metric = metrics.registry.get(name)
    high = metric(codes)
    for column, value in metric(low).items():
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
    metric = metrics.registry.get(name)
    if "factors" in metric.needs:
        with pytest.raises(
            ValueError, match=r"no factor can be .* got {'a': 1} values"
        ):
            metric(codes)
    else:
        values = [torch.as_tensor(value) for value in metric(codes).values()]
        assert all(torch.isfinite(value).all() for value in values)


def test_points_are_distinct_and_repeatable(toy):
    codes = toy()
    assert codes.draw_points(240).tolist() == list(range(240))
    assert len(set(codes.draw_points(100).tolist())) == 100
    assert codes.draw_points(100).tolist() == codes.draw_points(100).tolist()
    assert codes.draw_points(100).tolist() != toy(seed=1).draw_points(100).tolist()


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
        ({"excluded": ("shape",)}, r"'excluded' .* names of factors; got \['shape'\]"),
        ({"nuisance": ("shape",)}, r"'nuisance' .* names of factors; got \['shape'\]"),
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
        codes.draw_points(1)
