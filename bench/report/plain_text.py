"""Tables as plain text: CSV, LaTeX, and Markdown with aligned columns."""

import io
import re
from collections.abc import Mapping, Sequence
from math import floor, isfinite, log10
from typing import Any

import pandas as pd

FORMULA_SIGNS = ("=", "+", "-", "@")
BACKSLASH = "\\"


def format_csv(table: pd.DataFrame, digits: str | None = None) -> bytes:
    """Return ``table`` as a CSV file.

    Text that a spreadsheet would take for a formula has an apostrophe before it.

    Args:
        table: to be written.
        digits: format of its floats, like "%.10g"; None for all digits.
    """
    file = io.StringIO()
    table = table.map(_quote_formula)
    table.to_csv(file, index=False, float_format=digits, lineterminator="\n")
    return file.getvalue().encode()


def _quote_formula(value: Any) -> Any:
    formula = isinstance(value, str) and value[:1] in FORMULA_SIGNS and value[1:]
    return f"'{value}" if formula else value


def format_mean(mean: float, se: float) -> tuple[str, str]:
    """Return a mean and its standard error to two digits of the error; "" for NaN.

    Without an error the mean has four digits.

    Example:
        >>> format_mean(0.08044, 0.067), format_mean(-92.648, 12.3)
        (('0.080', '0.067'), ('-93', '12'))
        >>> format_mean(0.08044, float("nan"))
        ('0.08044', '')
    """
    if not (isfinite(mean) and isfinite(se) and se > 0):
        error = "0" if se == 0 else ""
        return (f"{mean:.4g}" if isfinite(mean) else ""), error
    places = max(0, 1 - floor(log10(se)))
    return f"{mean:.{places}f}", f"{se:.{places}f}"


def describe_fewer(row: Mapping[str, Any], score: str) -> str:
    """Return how many of a setting's runs have a score; "" where all or none do.

    Args:
        row: of the table of settings.
        score: its name.

    Example:
        >>> describe_fewer({"n": 10, "mig_n": 7}, "mig")
        '(n = 7)'
    """
    n = row.get(f"{score}_n", 0)
    return f"(n = {n})" if 0 < n < row["n"] else ""


def format_latex(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    r"""Return a LaTeX table, of the package booktabs, to be put into a paper.

    Args:
        columns: of the header.
        rows: with one entry for each column; the first is aligned left. In a number
            ``±`` becomes ``\pm``.

    Example:
        >>> print(format_latex(["method", "mig"], [["a_b", "0.1 ± 0.02"]]).decode())
        \begin{tabular}{lr}
        \toprule
        method & mig \\
        \midrule
        a\_b & $0.1 \pm 0.02$ \\
        \bottomrule
        \end{tabular}
        <BLANKLINE>
    """

    def join_cells(cells: Sequence[str]) -> str:
        return " & ".join(map(_escape_latex, cells)) + r" \\"

    lines = [
        rf"\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}",
        r"\toprule",
        join_cells(columns),
        r"\midrule",
        *map(join_cells, rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return ("\n".join(lines) + "\n").encode()


def _escape_latex(text: str) -> str:
    number = re.fullmatch(r"([-+.\de]+(?: ± [-+.\de]+)?)( \(n = \d+\))?", text)
    if number:
        return f"${number[1].replace('±', BACKSLASH + 'pm')}${number[2] or ''}"
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}
    special |= {"^": r"\textasciicircum{}", "β": r"$\beta$"}
    special |= {character: f"\\{character}" for character in "&%$#_{}"}
    return "".join(special.get(character, character) for character in text)


def format_markdown(
    columns: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[str]
) -> str:
    r"""Return a Markdown table that is aligned as plain text too.

    Args:
        columns: of the header.
        rows: with one entry for each column.
        left: columns that are aligned left; the others, numbers, are aligned right.

    Example:
        >>> rows = [["S40", "-93.37"], ["a|b", ""]]
        >>> print(format_markdown(["method", "LL"], rows, left=["method"]))
        | method |     LL |
        |:-------|-------:|
        | S40    | -93.37 |
        | a\|b   |        |
    """
    escaped = [[escape_markdown(entry) for entry in row] for row in (columns, *rows)]
    widths = [max(3, *map(len, column)) for column in zip(*escaped, strict=True)]
    rule = []
    for column, width in zip(columns, widths, strict=True):
        dashes = "-" * (width + 1)
        rule.append(f":{dashes}" if column in left else f"{dashes}:")
    lines = []
    for row in escaped:
        padded = []
        for column, entry, width in zip(columns, row, widths, strict=True):
            aligned = entry.ljust(width) if column in left else entry.rjust(width)
            padded.append(f" {aligned} ")
        lines.append(padded)
    return "\n".join(f"|{'|'.join(line)}|" for line in (lines[0], rule, *lines[1:]))


def escape_markdown(words: str) -> str:
    """Return ``words`` on one line, with nothing that ends an entry of a table."""
    return " ".join(words.split()).replace("|", r"\|")


def format_number(value: float, format: str = ".2f") -> str:
    """Return ``value`` as text; "" if it is NaN."""
    return "" if pd.isna(value) else f"{value:{format}}"


def format_estimate(mean: float, se: float) -> str:
    """Return a mean with its standard error; without it, or "", where one is NaN.

    Example:
        >>> format_estimate(-92.648, 0.051)
        '-92.65 ± 0.05'
        >>> format_estimate(-92.6, float("nan")), format_estimate(float("nan"), 1.0)
        ('-92.60', '')
    """
    if pd.isna(mean) or pd.isna(se):
        return format_number(mean)
    return f"{format_number(mean)} ± {format_number(se)}"
