"""Values that an argument of a metric cannot have are refused by its name."""

import inspect

import pytest

from priorbench import metrics
from priorbench.validation import format_value

ARGUMENTS = [
    (name, key)
    for name in metrics.registry.names()
    for key in list(inspect.signature(metrics.registry.get(name)).parameters)[1:]
]


@pytest.mark.parametrize("value", [-1, float("nan"), "many"])
@pytest.mark.parametrize(("name", "key"), ARGUMENTS)
def test_what_no_argument_can_be(name, key, value):
    codes = metrics.synthetic_codes("perfect", sizes=(2, 3))
    with pytest.raises(ValueError, match=f"'{key}' .*; got {format_value(value)}"):
        metrics.registry.get(name)(codes, **{key: value})


def test_a_plain_function_takes_anything():
    metric = metrics.Metric("tests_plain", lambda codes, how: {"tests_plain": 1.0})
    codes = metrics.synthetic_codes("perfect", sizes=(2, 3))
    assert metric(codes, how=object()) == {"tests_plain": 1.0}


def test_a_forward_reference_of_the_authors_is_no_fault():
    def function(codes, how: "Nowhere" = None):  # noqa: F821
        return {"tests_forward": 1.0}

    metric = metrics.Metric("tests_forward", function)
    codes = metrics.synthetic_codes("perfect", sizes=(2, 3))
    assert metric(codes, how=3) == {"tests_forward": 1.0}
