"""A study's manifest: which models it has, under which names, and what is scored.

It lies in ``runs/<grid>`` and is that of the last command. With it a report shows what
that command asked for, whatever else is in the store. It also has the text of the
grid's file, the command, versions and machine, and a copy of each file of plug-ins, so
that results can be read and repeated without their author.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from priorbench.atomic_files import write_atomically
from priorbench.bench.results.files import read_text, write_text
from priorbench.bench.results.records import Provenance, format_now
from priorbench.bench.study.beta import Beta
from priorbench.bench.study.identity import hash_bytes
from priorbench.errors import UserError
from priorbench.paths import expand_path
from priorbench.registry import suggest_names

MANIFEST = "manifest.json"
PLUGINS = "plugins"
"""Folder of the copies of files of plug-ins, beside the manifest."""


class Entry(BaseModel):
    """A model of the study: its labels, and its id in the store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    prior: str
    objective: str
    beta: Beta
    seed: int
    id: str


class PluginCopy(BaseModel):
    """A file of plug-ins: the path that was given, and its copy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    copied: str


class Manifest(BaseModel):
    """What the last command asked for.

    Attributes:
        grid: name of the study.
        profile: of the grid.
        precision: of the matrix products.
        overrides: keys that were set on the command line.
        description: of the study, for the reader.
        models: all of the study, method by method, β by β, seed by seed.
        scores: keys of the scores of each model, in order.
        added: metrics that are scored beside those of the grid, with their arguments.
        chance: id of the scores of noise, where metrics were asked for.
        written: when, in UTC.
        provenance: of the command.
        plugins: the files of plug-ins.
        file: path of the grid's file; the name of one that comes with the project.
        text: of the grid's file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = 1
    grid: str
    profile: str
    precision: str
    overrides: dict[str, Any] = Field(default_factory=dict)
    description: str = ""
    models: tuple[Entry, ...]
    scores: tuple[str, ...]
    added: tuple[dict[str, Any], ...] = ()
    chance: str | None = None
    written: str = Field(default_factory=format_now)
    provenance: Provenance = Provenance()
    plugins: tuple[PluginCopy, ...] = ()
    file: str = ""
    text: str = ""


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest into the study's folder, ``runs/<grid>``.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / MANIFEST, manifest.model_dump_json(indent=1) + "\n")


def copy_plugins(folder: Path, plugins: Sequence[str]) -> tuple[PluginCopy, ...]:
    """Copy files of plug-ins into a study's folder, each content once.

    Raises:
        OSError: a file cannot be read or written.
    """
    copies = []
    for plugin in plugins:
        file = expand_path(plugin)
        source = file.read_bytes()
        name = f"{PLUGINS}/{file.stem}-{hash_bytes(source)}.py"
        (folder / PLUGINS).mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, source)
        copies.append(PluginCopy(path=plugin, copied=name))
    return tuple(copies)


def find_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a study; None where there is none that is whole."""
    try:
        return read_manifest(folder)
    except UserError:
        return None


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a study.

    Args:
        folder: of the study, ``runs/<grid>``.

    Raises:
        UserError: there is no such folder, no manifest in it, or it is damaged; the
            message says what to do.
    """
    if not folder.exists():
        near = sorted(path.parent.name for path in folder.parent.glob(f"*/{MANIFEST}"))
        raise UserError(f"no folder {folder}; {suggest_names(folder.name, near)}")
    if not folder.is_dir():
        raise UserError(f"{folder} is a file; give the folder of a study, runs/<grid>")
    try:
        return Manifest.model_validate_json(read_text(folder / MANIFEST))
    except FileNotFoundError:
        old = next(folder.glob("*/record.json"), None)
        if old is not None:
            raise UserError(
                f"{folder} holds runs of an older version, which are not read: give "
                "the command of the grid again, with another folder (--out) to keep "
                "the old ones"
            ) from None
        raise UserError(f"no {MANIFEST} in {folder}; run its grid first") from None
    except (OSError, ValueError) as error:
        reason: object = error
        if isinstance(error, ValidationError):
            reason = f"{folder / MANIFEST}: {error.errors()[0]['msg']}"
        raise UserError(
            f"{reason}; give the command of the grid again: nothing is trained twice"
        ) from error
