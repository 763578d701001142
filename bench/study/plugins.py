"""A user's own file of plug-ins, named on the command line."""

import hashlib
import importlib.util
import sys
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path

from priorbench.errors import UserError
from priorbench.bench.study.job import OURS, REGISTRIES

STDLIB = sysconfig.get_paths()["stdlib"]
ROOT = Path(__file__).parents[2]


def load_plugin(path: str) -> list[str]:
    """Import a Python file so that it registers its plug-ins; a file already imported is left.

    Returns:
        What it registered, like "prior 'laplace'".

    Raises:
        UserError: no such file, it does not import, or it registers nothing.
    """
    file = Path(path).resolve()
    # files of one name in different folders are different plug-ins
    name = f"priorbench_plugin_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return []
    spec = importlib.util.spec_from_file_location(name, file)
    if not file.is_file():
        raise UserError(f"plug-in {path!r}: there is no such file")
    if spec is None or spec.loader is None:
        raise UserError(f"plug-in {path!r} is not a Python file")
    before = _list_registered()
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        text = getattr(error, "msg", None) or error
        raise UserError(
            f"plug-in {path!r} does not import: {type(error).__name__}: {text}"
            f"{locate_error(error)}"
        ) from error
    new = sorted(_list_registered() - before)
    if not new:
        del sys.modules[name]
        raise UserError(
            f"plug-in {path!r} registers nothing; decorate its class, "
            'for example with @priors.register("name")'
        )
    return new


def load_plugins(paths: Iterable[str]) -> None:
    """Import every file of ``paths``."""
    for path in paths:
        load_plugin(path)


def _list_registered() -> set[str]:
    return {
        f"{registry.kind} {name!r}"
        for registry in REGISTRIES.values()
        for name in registry.names()
    }


def locate_error(error: BaseException, anywhere: bool = False) -> str:
    """Where in a user's file an error came from, like " (my_prior.py, line 12)"; else "".

    Args:
        error: as it was caught.
        anywhere: name the project's own files too, where the user's have no part.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({Path(error.filename).name}, line {error.lineno})"
    frames = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in f.filename
        and "<" not in f.filename
        and not f.filename.startswith(STDLIB)
    ]
    ours = [ROOT / package for package in OURS]
    users = [
        f
        for f in frames
        if not any(Path(f.filename).is_relative_to(folder) for folder in ours)
    ]
    places = users or (frames if anywhere else [])
    return (
        f" ({Path(places[-1].filename).name}, line {places[-1].lineno})"
        if places
        else ""
    )
