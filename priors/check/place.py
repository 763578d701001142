"""Where in a file an error came from, in words."""

import sys
import sysconfig
import traceback
from collections.abc import Collection
from pathlib import Path
from typing import Any

OWN = Path(__file__).parent
STDLIB = sysconfig.get_paths()["stdlib"]


def find_files(*kinds: Any) -> set[str]:
    """The files that define classes; a notebook's have none."""
    modules = [sys.modules.get(kind.__module__) for kind in kinds]
    files = {getattr(module, "__file__", None) for module in modules}
    return {file for file in files if file is not None}


def locate_error(
    error: BaseException, files: Collection[str], anywhere: bool = False
) -> str:
    """The last line of ``files`` that an error passed, like " (my_prior.py, line 12)"; else "".

    Args:
        error: as it was caught.
        files: paths of files, those of interest.
        anywhere: take the last line outside of the check and of installed packages instead of "".
    """
    if isinstance(error, SyntaxError) and error.filename in files:
        return f" ({Path(error.filename).name}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    found = [f for f in frames if f.filename in files]
    if anywhere and not found:
        found = [
            f
            for f in frames
            if "site-packages" not in f.filename
            and "<" not in f.filename
            and not f.filename.startswith(STDLIB)
            and not Path(f.filename).is_relative_to(OWN)
        ]
    return (
        f" ({Path(found[-1].filename).name}, line {found[-1].lineno})" if found else ""
    )
