from datetime import date
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from priorbench.validation import explain_invalid, format_value


class Part(BaseModel):
    model_config = ConfigDict(strict=True)
    a: int = 1


class Whole(BaseModel):
    model_config = ConfigDict(strict=True)
    whole: int = 1
    number: Annotated[float, Field(gt=0, le=2, allow_inf_nan=False)] = 1.0
    least: Annotated[int, Field(ge=2, lt=9)] = 2
    yes: bool = True
    text: Annotated[str, Field(min_length=1, max_length=3)] = "a"
    listed: tuple[float, ...] = (1.0,)
    part: Part = Part()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"whole": 1.5}, "must be a whole number; got 1.5"),
        ({"whole": True}, "must be a whole number; got true"),
        ({"number": "x"}, 'must be a number; got "x"'),
        ({"number": 0}, "must be greater than 0; got 0"),
        ({"number": 3}, "must be at most 2; got 3"),
        ({"number": float("nan")}, "must be finite; got nan"),
        ({"least": 1}, "must be at least 2; got 1"),
        ({"least": 9}, "must be less than 9; got 9"),
        ({"yes": 1}, "must be true or false; got 1"),
        ({"text": 5}, "must be text in quotes; got 5"),
        ({"text": ""}, 'must not be empty; got ""'),
        ({"text": "four"}, 'must have at most 3 characters; got "four"'),
        ({"listed": 1.0}, "must be a list, in brackets; got 1.0"),
        ({"part": [1, "a"]}, 'must be a table; got [1, "a"]'),
        ({"whole": date(1979, 5, 27)}, "must be a whole number; got 1979-05-27"),
    ],
)
def test_errors_are_in_the_words_of_a_file(values, message):
    with pytest.raises(ValidationError) as error:
        Whole.model_validate(values)
    assert explain_invalid(error.value.errors()[0]) == message


def test_a_long_value_is_cut():
    with pytest.raises(ValidationError) as error:
        Whole.model_validate({"text": "x" * 999})
    told = explain_invalid(error.value.errors()[0])
    assert told.endswith('got "' + 98 * "x" + "…")


def test_values_are_as_in_a_file():
    assert format_value([True, 'a"b', [1, 2.5]]) == r'[true, "a\"b", [1, 2.5]]'
