"""All scores of codes as a table: a row for each column of each metric."""

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from priorbench.metrics.base import Codes, Metric, Scores, registry
from priorbench.metrics.presets import Entry, expand_presets

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("metric", "column", "value", "error", "seconds", "note")
ERROR_ENDINGS = ("_se", "_error")
"""What is behind a column's name in that of its standard error or error bound."""


def score_all(
    codes: Codes,
    names: str | Sequence[Entry] | None = None,
) -> "pd.DataFrame":
    """Return the scores of several metrics as a table.

    A metric that refuses the codes, or fails, has a row with the reason, and the others
    have their scores.

    Args:
        codes: of one model.
        names: of metrics or presets, or one of them; a metric with arguments is a
            table such as ``{"name": "irs", "num_bins": 20}``. None for the preset
            "default", those that cost little, see
            :data:`priorbench.metrics.presets.PRESETS`.

    Returns:
        A row for each number that a metric gives: ``metric``; ``column``; ``value``;
        ``error``, the standard error or error bound of the value, NaN where there is
        none; ``seconds``, of the whole metric; ``note``, why there is no value, or "".
        Arrays are not listed.

    Raises:
        ValueError: there is no metric of a name, or it does not take an argument.

    Example:
        >>> codes = Codes.from_arrays([[0.0], [1.0]], ["box", "disc"])
        >>> score_all(codes, ["mig_histogram"]).column.tolist()
        ['mig_histogram']
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for metric, arguments in choose_metrics("default" if names is None else names):
        start = time.perf_counter()
        note = ""
        scores: Scores = {}
        try:
            scores = metric(codes, **arguments)
        except ValueError as error:
            note = str(error)
        except Exception as error:  # the others stand, whatever a plug-in does
            note = f"{type(error).__name__}: {error}"
        seconds = time.perf_counter() - start
        listed = list_numbers(scores)
        if not listed:
            note = note or "there is no score for these codes"
            listed = [(metric.headline or metric.name, math.nan, math.nan)]
        for column, value, error in listed:
            row = (metric.name, column, value, error, seconds, note)
            rows.append(dict(zip(COLUMNS, row, strict=True)))
    return pd.DataFrame(rows, columns=COLUMNS)


def list_numbers(scores: Scores) -> list[tuple[str, float, float]]:
    """Return the column, the value and its error of each number among scores.

    Example:
        >>> list_numbers({"mig": 0.5, "mig_error": 0.01, "mig_a": 0.25})
        [('mig', 0.5, 0.01), ('mig_a', 0.25, nan)]
    """
    numbers = {
        column: float(value)
        for column, value in scores.items()
        if not isinstance(value, Tensor) or value.ndim == 0
    }
    errors = {
        column: f"{column}{ending}"
        for column in numbers
        for ending in ERROR_ENDINGS
        if f"{column}{ending}" in numbers
    }
    return [
        (column, value, numbers.get(errors.get(column, ""), math.nan))
        for column, value in numbers.items()
        if column not in errors.values()
    ]


def choose_metrics(
    names: str | Sequence[Entry],
) -> list[tuple[Metric, dict[str, Any]]]:
    """Return metrics with their arguments.

    Args:
        names: of metrics or presets, as for :func:`score_all`.

    Raises:
        ValueError: there is no metric of a name, or it does not take an argument.

    Example:
        >>> [metric.name for metric, _ in choose_metrics(["mig", "mig_histogram"])]
        ['mig', 'mig_histogram']
    """
    listed = [names] if isinstance(names, str) else names
    chosen = []
    for _, entry in expand_presets(listed):
        arguments = {"name": entry} if isinstance(entry, str) else dict(entry)
        if "name" not in arguments:
            raise ValueError(f"a metric must have a 'name'; got {arguments}")
        name = arguments.pop("name")
        registry.check_arguments(name, None, **arguments)
        chosen.append((registry.get(name), arguments))
    return chosen
