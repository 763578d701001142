"""What is wrong with a value, in the words of the user's file."""

import json
from collections.abc import Mapping
from datetime import date, time
from typing import Any

WORDS = {
    "bool_type": "must be true or false",
    "finite_number": "must be finite",
    "float_type": "must be a number",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "missing": "is missing",
    "model_type": "must be a table",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "string_type": "must be text in quotes",
    "too_short": "must not be empty",
    "tuple_type": "must be a list, in brackets",
}
"""Words for Pydantic's types of errors; others keep Pydantic's own."""

LONGEST = 100
"""Characters of a value that are shown."""


def explain_invalid(error: Mapping[str, Any]) -> str:
    """Return one of the errors of Pydantic in words.

    Args:
        error: an entry of ``ValidationError.errors()``.

    Example:
        >>> explain_invalid({"type": "int_type", "input": 1.5, "ctx": {}})
        'must be a whole number; got 1.5'
    """
    if error["type"] == "value_error":
        return error["msg"].removeprefix("Value error, ")
    words = WORDS.get(error["type"])
    if words is None:
        message = error["msg"].replace("Input should be", "must be")
    else:
        message = words.format_map(error.get("ctx", {}))
    if error["type"] == "missing":
        return message
    value = format_value(error["input"])
    if len(value) > LONGEST:
        value = f"{value[: LONGEST - 1]}…"
    return f"{message}; got {value}"


def format_value(value: Any) -> str:
    """Return a value as a TOML file has it.

    Example:
        >>> format_value(True), format_value(["β", 1.5]), format_value({"a": None})
        ('true', '["β", 1.5]', "{'a': None}")
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(format_value, value))}]"
    return repr(value)
