"""The command line: ``python -m metrics.score codes.npz``, for codes of your own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from priorbench.command_line import Debug, Plugins, make_app, parse_settings
from priorbench.datasets.files.verify import check_file_kind, explain_read_errors
from priorbench.errors import UserError, prefix_errors
from priorbench.metrics.base import Codes
from priorbench.metrics.table import choose_metrics, score_all
from priorbench.plugins import load_plugins
from priorbench.registry import suggest_names

KEYS = ("means", "factors", "log_scales", "factor_names", "groups")
"""Arrays that a file of codes may have; the first two are required."""


def main(
    file: Annotated[Path, typer.Argument(help="File of codes, .npz.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="A metric, or a preset like neurips2019; may be repeated. "
            "Without, those that are fast."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="METRIC.KEY=VALUE",
            help="An argument of a metric, like mig.step=0.25; may be repeated.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of random draws.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Write the table to this file, .csv.")
    ] = None,
    plugin: Plugins = None,
    debug: Debug = False,
) -> None:
    """Score the codes of N data points, of a model of your own, and print a table.

    FILE has the arrays means (N, latents) and factors (N, factors), and perhaps
    log_scales (N, latents), factor_names (factors,) and groups (latents,), the number
    of the group that each latent belongs to.
    """
    load_plugins(plugin or [])
    names = list_metrics(metric or ["default"], settings or [])
    table = score_all(load_codes(file, seed), names)
    if out is None:
        typer.echo(format_table(table))
        return
    with prefix_errors(str(out)):
        table.to_csv(out, index=False)
    typer.echo(out)


def load_codes(path: Path, seed: int = 0) -> Codes:
    """Return the codes of a file.

    Args:
        path: an ``.npz`` file with the arrays of :data:`KEYS`.
        seed: of random draws.

    Raises:
        UserError: there is no such file, or an array is missing, unknown or does not
            fit; the message names the file and the array.
    """
    with prefix_errors(str(path)):
        if not path.is_file():
            raise ValueError("there is no such file")
        check_file_kind(path)
        with (
            explain_read_errors(path, "an .npz file of arrays that are not pickled"),
            np.load(path, allow_pickle=False) as file,
        ):
            arrays = {key: file[key] for key in file.files}
        for key in arrays:
            if key not in KEYS:
                known = suggest_names(key, KEYS)
                raise ValueError(f"there must be no array {key!r}; {known}")
        for key in KEYS[:2]:
            if key not in arrays:
                raise ValueError(
                    f"expected an array {key!r}; got {', '.join(arrays) or 'none'}"
                )
        names = arrays.get("factor_names")
        means = arrays["means"]
        labels = arrays.get("groups")
        return Codes.from_arrays(
            means,
            arrays["factors"],
            arrays.get("log_scales"),
            factor_names=None if names is None else np.atleast_1d(names).tolist(),
            groups=None if labels is None else list_groups(labels, means.shape[-1]),
            seed=seed,
        )


def list_groups(labels: np.ndarray, latent_dim: int) -> list[list[int]]:
    """Return the coordinates of each group, from the group of each latent.

    Args:
        labels: (latent_dim,), equal for latents that belong together.
        latent_dim: number of latents.

    Raises:
        ValueError: it does not have one number or name for each latent.

    Example:
        >>> list_groups(np.array([0, 1, 1]), 3)
        [[0], [1, 2]]
    """
    if labels.shape != (latent_dim,):
        raise ValueError(
            f"'groups' must give the group of each of the {latent_dim} latents, shape "
            f"({latent_dim},); got {labels.shape}"
        )
    different = dict.fromkeys(labels.tolist())
    return [np.flatnonzero(labels == label).tolist() for label in different]


def list_metrics(names: Sequence[str], settings: Sequence[str]) -> list[dict[str, Any]]:
    """Return tables of the metrics that are asked for: the name and the arguments.

    Args:
        names: of metrics or presets.
        settings: texts ``METRIC.KEY=VALUE``, or ``KEY=VALUE`` for a single metric.

    Raises:
        UserError: there is no such metric, it is not among ``names``, or it does not
            take the argument.

    Example:
        >>> list_metrics(["mig"], ["step=0.25"])
        [{'name': 'mig', 'step': 0.25}]
    """
    with prefix_errors("--metric"):
        chosen = choose_metrics(names)
    for key, value in parse_settings(settings).items():
        name, dot, argument = key.rpartition(".")
        if not dot and len(chosen) == 1:
            name = chosen[0][0].name
        meant = [arguments for metric, arguments in chosen if metric.name == name]
        if not meant:
            known = suggest_names(name, [metric.name for metric, _ in chosen])
            raise UserError(
                f"--set {key}: write METRIC.KEY=VALUE, of a metric that is scored; "
                f"{known}"
            )
        for arguments in meant:
            arguments[argument] = value
    tables = [{"name": metric.name, **arguments} for metric, arguments in chosen]
    with prefix_errors("--set"):
        choose_metrics(tables)
    return tables


def format_table(table: pd.DataFrame) -> str:
    """Return a table of scores in plain text, a line for each row."""
    shown = table.drop(columns="note").copy()
    shown["seconds"] = shown["seconds"].map("{:.2f}".format)
    lines = shown.to_string(index=False, na_rep="", float_format="{:.6f}".format)
    noted = table[table["note"] != ""]
    notes = [f"{row.metric}: {row.note}" for row in noted.itertuples()]
    return "\n".join([lines, *dict.fromkeys(notes)])


app = make_app(main)

if __name__ == "__main__":
    app(prog_name="python -m metrics.score")
