"""What a small experiment gives, the registry of experiments, and their files."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from priorbench.atomic_files import write_atomically
from priorbench.bench.report.figures.style import encode_image, use_style
from priorbench.bench.report.plain_text import format_csv
from priorbench.registry import Registry

DPI = 160
"""Of the PNG file: a page of many curves stays below 300 KB."""

registry = Registry("toy", "priorbench.toys")
register = registry.register


@dataclass(frozen=True)
class Outcome:
    """What an experiment found.

    Attributes:
        figure: of its results.
        table: the numbers that the figure shows, a row each.
        findings: the same in words, a line each.
    """

    figure: Figure
    table: pd.DataFrame
    findings: list[str]


def write_outcome(name: str, outcome: Outcome, folder: Path) -> list[Path]:
    """Write an experiment's figure as PNG and PDF, and its table as CSV.

    Args:
        name: of the experiment, which the files have too.
        outcome: what it found.
        folder: of the files, which is made if it is not there.

    Returns:
        The files.

    Raises:
        OSError: the folder or a file cannot be written.
    """
    with use_style():
        images = {k: encode_image(outcome.figure, k, DPI) for k in ("png", "pdf")}
    folder.mkdir(parents=True, exist_ok=True)
    files = {**images, "csv": format_csv(outcome.table, "%.6g")}
    return [
        write_atomically(folder / f"{name}.{kind}", content)
        for kind, content in files.items()
    ]
