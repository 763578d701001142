"""Types of the arguments of metrics: what a value must be is in the signature."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

from priorbench.validation import explain_invalid

Count = Annotated[int, Field(ge=1)]
"""A whole number of at least 1."""

Sample = Annotated[int, Field(ge=2)]
"""How many are drawn, a whole number of at least 2."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A finite number above 0."""

GridStep = Annotated[float, Field(gt=0, le=2)]
"""The distance of grid points, in units of the narrowest posterior's scale.

Above 2 no bound on the error is known."""

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A finite number of at least 0."""

Share = Annotated[float, Field(gt=0, le=1)]
"""A number above 0 and at most 1."""


def check_values(function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Check arguments against the annotations of a function.

    An argument without an annotation may be anything.

    Raises:
        ValueError: a value is not what its annotation says; the message names it.

    Example:
        >>> def count(codes, num_bins: Count = 20): ...
        >>> check_values(count, {"num_bins": 0})
        Traceback (most recent call last):
        ValueError: 'num_bins' must be at least 1; got 0
    """
    adapters = _make_adapters(function)
    for name, value in arguments.items():
        if name not in adapters:
            continue
        try:
            adapters[name].validate_python(value, strict=True)
        except ValidationError as error:
            message = explain_invalid(error.errors()[0])
            raise ValueError(f"{name!r} {message}") from None


@cache
def _make_adapters(function: Callable[..., Any]) -> dict[str, TypeAdapter]:
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError:  # a name of the author's that is only there for type checkers
        return {}
    adapters = {}
    for name in function.__code__.co_varnames if hasattr(function, "__code__") else ():
        if name in hints and name != "codes":
            adapters[name] = TypeAdapter(
                hints[name], config={"arbitrary_types_allowed": True}
            )
    return adapters
