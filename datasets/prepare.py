"""Prepare datasets: ``python -m datasets.prepare NAME... | all``.

Finds or downloads the original files, verifies and converts them; a dataset that is there is left
as it is. Everything is kept in the data folder (environment variable PRIORBENCH_DATA).
"""

import json
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from priorbench import datasets
from priorbench.command_line import make_app
from priorbench.errors import UserError, prefix_errors
from priorbench.datasets.files import cache, originals
from priorbench.datasets.about import About
from priorbench.datasets.base import registry


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help="Datasets, or all.", show_default=False)
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Show every dataset and its state here.")
    ] = False,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Folder with original files that you have; nothing is downloaded.",
            show_default=False,
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            help="Draw a contact sheet of the one dataset into this file.",
            show_default=False,
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY=VALUE, an option of the one dataset; may be repeated.",
            show_default=False,
        ),
    ] = None,
    debug: Annotated[
        bool, typer.Option(help="Raise errors with their traceback.")
    ] = False,
) -> None:
    """Find or download, verify and convert datasets; list them; draw contact sheets."""
    if list_:
        Console().print(list_datasets())
    elif not names:
        raise UserError("name the datasets to prepare, or all; --list shows them")
    elif (sheet or option) and (len(names) > 1 or "all" in names):
        raise UserError(
            "--sheet and --option are for one dataset; got " + " ".join(names)
        )
    else:
        prepare_datasets(names, from_, parse_options(option or ()), sheet)


def prepare_datasets(
    names: list[str],
    folder: Path | None,
    options: dict[str, Any],
    sheet: Path | None = None,
) -> None:
    """Prepare the datasets ``names``, or ``all`` of them.

    Every dataset is tried, and those that fail are named together at the end. Of ``all`` with a
    ``folder``, those whose files are not in it are left out.

    Raises:
        UserError: unknown names, or datasets that could not be prepared.
    """
    everything = "all" in names
    if everything:
        names = [name for name in registry.names() if get_about(name)]
    with prefix_errors("datasets"):
        for name in names:
            registry.get(name)
    faults = []
    for name in dict.fromkeys(names):
        try:
            with (
                prefix_errors(name),
                originals.look_in_folder(folder) if folder else nullcontext(),
            ):
                _prepare_one(name, folder, options, sheet)
        except UserError as error:
            if everything and folder and isinstance(error.__cause__, FileNotFoundError):
                typer.echo(f"left out {error}")
            else:
                faults.append(str(error))
    if faults:
        raise UserError("\n       ".join(faults))


def _prepare_one(
    name: str, folder: Path | None, options: dict[str, Any], sheet: Path | None
) -> None:
    suited = getattr(registry.get(name), "options_of", None)
    chosen = {**(suited(folder) if suited and folder else {}), **options}
    dataset = datasets.load_dataset(name, **chosen)
    given = "".join(f" {key}={value}" for key, value in chosen.items())
    typer.echo(
        f"{name}{given}: {repr(dataset).strip('<>').partition(': ')[2]}; {describe_state(name)}"
    )
    if sheet:
        from priorbench.datasets.contact_sheet import draw_sheet

        draw_sheet(dataset, sheet)
        typer.echo(f"contact sheet in {sheet}")


def get_about(name: str) -> About | None:
    """What is said about the dataset ``name``; None if its author says nothing."""
    return getattr(registry.get(name), "about", None)


def describe_state(name: str) -> str:
    """What is here of the dataset ``name``, in words."""
    kept = cache.list_caches(f"{name}-")
    if kept:
        return f"prepared, {_format_size(sum(path.stat().st_size for path in kept))}"
    described = get_about(name)
    files = [original.name for original in described.originals] if described else []
    here = [file for file in files if originals.find_original(name, file)]
    if here:
        return f"{len(here)} of {len(files)} original files here"
    urls = (
        [url for original in described.originals for url in original.urls]
        if described
        else []
    )
    return "to be downloaded" if urls else "made on first use"


def list_datasets() -> Table:
    """A table of all registered datasets."""
    title = f"Datasets; data folder {cache.data_folder()}"
    table = Table(title=title, box=None, padding=(0, 1, 1, 0))
    table.add_column("name", no_wrap=True)
    table.add_column("what", overflow="fold", ratio=1)
    table.add_column("here", overflow="fold")
    for name in registry.names():
        described = get_about(name)
        what = (
            ""
            if described is None
            else "\n".join(
                [
                    f"{described.title}: {described.shape} ({_format_size(described.stored_bytes)} on disk)",
                    described.factors,
                    f"licence: {described.licence}; {described.source}",
                ]
            )
        )
        table.add_row(name, what, describe_state(name))
    return table


def parse_options(pairs: tuple[str, ...] | list[str]) -> dict[str, Any]:
    """Options of a dataset from texts KEY=VALUE; a value is JSON, or else text.

    Raises:
        UserError: a text without ``=``.

    Example:
        >>> parse_options(["model=ict", "seed=3", 'factors={"car": [0, 1]}'])
        {'model': 'ict', 'seed': 3, 'factors': {'car': [0, 1]}}
    """
    options = {}
    for pair in pairs:
        if not re.match(r"\w+=", pair):
            raise UserError(f"--option must be KEY=VALUE; got {pair!r}")
        key, _, value = pair.partition("=")
        try:
            options[key] = json.loads(value)
        except json.JSONDecodeError:
            options[key] = value
    return options


def _format_size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


if __name__ == "__main__":
    make_app(main)()
