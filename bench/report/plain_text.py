"""Tables as text: CSV, and Markdown whose columns are aligned."""

import io
from collections.abc import Sequence

import pandas as pd


def format_csv(table: pd.DataFrame, digits: str | None = None) -> bytes:
    """``table`` as a CSV file; ``digits`` is the format of its floats, like "%.10g"."""
    text = io.StringIO()
    table.to_csv(text, index=False, float_format=digits, lineterminator="\n")
    return text.getvalue().encode()


def format_markdown(
    columns: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[str]
) -> str:
    r"""A Markdown table, aligned as plain text too.

    Args:
        columns: the header's cells.
        rows: of as many cells each.
        left: columns that are aligned left; the others, numbers, are aligned right.

    Example:
        >>> print(format_markdown(["method", "LL"], [["S40", "-93.37"], ["a|b", ""]], ["method"]))
        | method |     LL |
        |:-------|-------:|
        | S40    | -93.37 |
        | a\|b   |        |
    """
    cells = [[escape_cell(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    flush = [column in left for column in columns]
    rule = [
        ":" + "-" * (w + 1) if f else "-" * (w + 1) + ":"
        for w, f in zip(widths, flush, strict=True)
    ]
    lines = [
        [
            f" {cell:{'<' if f else '>'}{w}} "
            for cell, w, f in zip(row, widths, flush, strict=True)
        ]
        for row in cells
    ]
    return "\n".join(f"|{'|'.join(line)}|" for line in (lines[0], rule, *lines[1:]))


def escape_cell(text: str) -> str:
    """``text`` on one line, with nothing that ends a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", r"\|")


def format_number(value: float, format: str = ".2f") -> str:
    """``value``, or nothing where there is none."""
    return "" if pd.isna(value) else f"{value:{format}}"


def format_estimate(mean: float, se: float) -> str:
    """A mean, and its standard error where there is one.

    Example:
        >>> format_estimate(-92.648, 0.051), format_estimate(-92.6, float("nan")), format_estimate(float("nan"), 1.0)
        ('-92.65 ± 0.05', '-92.60', '')
    """
    return (
        " ± ".join(format_number(v) for v in (mean, se) if not pd.isna(v))
        if mean == mean
        else ""
    )
