"""A study's manifest: what was asked for, by which command, on what.

It lies beside the results, with the text of the grid's file and a copy of each file of
plug-ins, so that a folder of results can be read and repeated without its author.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from priorbench.atomic_files import write_atomically
from priorbench.bench.results.store import PLUGINS
from priorbench.bench.study.grid import Grid
from priorbench.bench.study.identity import hash_bytes

MANIFEST = "manifest.json"


def write_manifest(
    folder: Path,
    grid: Grid,
    plugins: Sequence[str],
    provenance: Mapping[str, Any],
) -> Path:
    """Write the manifest of a command into the study's folder.

    Args:
        folder: of the study, ``runs/<grid>``.
        grid: the study as it is run.
        plugins: files of plug-ins.
        provenance: command, versions, commit and machine.

    Raises:
        OSError: the folder cannot be written.
    """
    copies = []
    for plugin in plugins:
        file = Path(plugin).expanduser()
        source = file.read_bytes()
        copy = f"{PLUGINS}/{file.stem}-{hash_bytes(source)}.py"
        (folder / PLUGINS).mkdir(exist_ok=True)
        write_atomically(folder / copy, source)
        copies.append({"path": plugin, "copy": copy})
    content = {
        "grid": grid.name,
        "profile": grid.profile,
        "overrides": grid.overrides,
        "seeds": grid.seeds,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        **provenance,
        "plugins": copies,
        "file": {"path": str(grid.file.path), "text": grid.file.text},
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    return write_atomically(folder / MANIFEST, text.encode())
