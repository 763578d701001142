"""Prepare datasets: ``python -m datasets.prepare NAME... | all``.

Finds or downloads the original files, verifies and converts them; a dataset that is
prepared is left as it is. Everything is kept in the data folder (environment variable
PRIORBENCH_DATA).
"""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from priorbench.command_line import Debug, Plugins, make_app, parse_settings
from priorbench.datasets.about import About
from priorbench.datasets.base import registry
from priorbench.datasets.files.cache import get_data_folder, list_caches
from priorbench.datasets.files.originals import find_original, take_originals_from
from priorbench.datasets.load import is_path, load_dataset
from priorbench.errors import UserError, locate_error, prefix_errors
from priorbench.plugins import load_plugins


def main(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Datasets, paths of your own files or folders, or all.",
            show_default=False,
        ),
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
    plugin: Plugins = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="key=value, an argument of the one dataset; may be repeated.",
            show_default=False,
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Find or download, verify and convert datasets; list them; draw contact sheets."""
    load_plugins(plugin or ())
    if list_:
        Console().print(list_datasets())
        return
    if not names:
        raise UserError("name the datasets to prepare, or all; --list shows them")
    if (sheet or set_) and (len(names) > 1 or "all" in names):
        raise UserError(f"--sheet and --set are for one dataset; got {' '.join(names)}")
    prepare_datasets(names, from_, parse_settings(set_ or ()), sheet)


app = make_app(main)


def prepare_datasets(
    names: list[str],
    folder: Path | None = None,
    arguments: dict[str, Any] | None = None,
    sheet: Path | None = None,
) -> None:
    """Prepare the datasets ``names``, or ``all`` that have a description.

    Every dataset is tried, and those that fail are named together at the end. Of
    ``all`` with a ``folder``, those without files in it are left out.

    Args:
        names: of datasets, or paths of files and folders.
        folder: with original files; None to find or download them.
        arguments: of the one dataset.
        sheet: file for a contact sheet of the one dataset.

    Raises:
        UserError: unknown names, or datasets that could not be prepared.
    """
    everything = "all" in names
    if everything:
        names = [name for name in registry.names() if get_about(name)]
    with prefix_errors("datasets"):
        for name in names:
            get_about(name)
    faults = []
    for name in dict.fromkeys(names):
        try:
            _prepare_dataset(name, folder, arguments or {}, sheet)
        except UserError as error:
            missing = isinstance(error.__cause__, FileNotFoundError)
            if everything and folder and missing:
                typer.echo(f"left out {error}")
            else:
                faults.append(str(error))
    if faults:
        raise UserError("\n       ".join(faults))


def get_about(name: str) -> About | None:
    """Return the description of a dataset; None if it has none.

    Raises:
        ValueError: no dataset is registered as ``name``.
    """
    return None if is_path(name) else getattr(registry.get(name), "about", None)


def describe_state(name: str) -> str:
    """Return in words what is here of the dataset ``name``."""
    if is_path(name):
        return "your own"
    kept = list_caches(f"{name}-*")
    if kept:
        return f"prepared, {_format_size(sum(path.stat().st_size for path in kept))}"
    about = get_about(name)
    originals = about.originals if about else ()
    here = [original for original in originals if find_original(name, original.name)]
    if here:
        return f"{len(here)} of {len(originals)} original files here"
    if any(original.urls for original in originals):
        return "to be downloaded"
    return "made on first use"


def list_datasets() -> Table:
    """Return a table of all registered datasets and what they are.

    One without a description has the first line of its class's docstring.
    """
    title = f"Datasets; data folder {get_data_folder()}"
    table = Table(title=title, box=None, padding=(0, 1, 1, 0))
    table.add_column("name", no_wrap=True)
    table.add_column("what", overflow="fold", ratio=1)
    table.add_column("here", overflow="fold")
    for name in registry.names():
        about = get_about(name)
        if about is None:
            what = registry.describe(name)
        else:
            size = _format_size(about.stored_bytes)
            lines = [
                f"{about.title}: {about.shape} ({size} on disk)",
                about.factors,
                f"licence: {about.licence}; {about.source}",
            ]
            what = "\n".join(lines)
        table.add_row(name, what, describe_state(name))
    return table


def _prepare_dataset(
    name: str,
    folder: Path | None,
    arguments: dict[str, Any],
    sheet: Path | None,
) -> None:
    """Prepare one dataset, print what it is, and draw its contact sheet.

    Raises:
        UserError: it could not be prepared; the message names it, and the line of a
            user's file that is at fault.
    """
    source = take_originals_from(folder) if folder else nullcontext()
    entry = None if is_path(name) else registry.get(name)
    choose_arguments = getattr(entry, "choose_arguments", None)
    try:
        with source:
            if folder and choose_arguments:
                arguments = {**choose_arguments(folder), **arguments}
            dataset = load_dataset(name, **arguments)
            if sheet:
                # Matplotlib takes seconds to import.
                from priorbench.datasets.contact_sheet import draw_sheet

                draw_sheet(dataset, sheet)
    except Exception as error:
        line = "" if isinstance(error, OSError) else locate_error(error)
        expected = isinstance(error, UserError | ValueError | TypeError | OSError)
        if not expected and not line:
            raise
        kind = "" if expected else f"{type(error).__name__}: "
        raise UserError(f"{name}: {kind}{error}{line}") from error
    given = "".join(f" {key}={value}" for key, value in arguments.items())
    summary = repr(dataset).strip("<>").partition(": ")[2]
    typer.echo(f"{name}{given}: {summary}; {describe_state(name)}")
    if sheet:
        typer.echo(f"contact sheet in {sheet}")


def _format_size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


if __name__ == "__main__":
    app()
