"""A user's own file of plug-ins, named on the command line."""

import hashlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from priorbench.atomic_files import write_atomically
from priorbench.errors import UserError, locate_error, prefix_errors
from priorbench.paths import expand_path
from priorbench.registry import Registry, suggest_names


def load_plugin(path: str) -> list[str]:
    """Import a Python file so that it registers its plug-ins.

    A file that was imported already is left as it is.

    Returns:
        What it registered, like "prior 'laplace'".

    Raises:
        UserError: there is no such file, it does not import, or it registers nothing.
    """
    with prefix_errors("plug-in"):
        name = _make_module_name(expand_path(path))
    if name in sys.modules:
        return []
    before = _list_registered()
    module = import_file(path)
    new = sorted(_list_registered() - before)
    if not new:
        del sys.modules[module.__name__]
        raise UserError(
            f"plug-in {path!r} registers nothing; decorate its class, for example with "
            '@priors.register("name")'
        )
    return new


def load_plugins(paths: Iterable[str]) -> None:
    """Import every file of ``paths``."""
    for path in paths:
        load_plugin(path)


def import_file(path: str) -> ModuleType:
    """Import a user's Python file, once; it may import its neighbours.

    Raises:
        UserError: there is no such file, or it does not import; the line is named.
    """
    with prefix_errors("plug-in"):
        file = expand_path(path).resolve()
    name = _make_module_name(file)
    if name in sys.modules:
        return sys.modules[name]
    if not file.is_file():
        near = (
            [p.name for p in file.parent.glob("*.py")] if file.parent.is_dir() else []
        )
        hint = f"; {suggest_names(file.name, near)}" if near else ""
        raise UserError(f"plug-in {path!r}: there is no such file{hint}")
    return _import_module(name, file, path)


def import_copy(path: str, source: bytes, folder: Path) -> None:
    """Import a file of plug-ins of another machine, as the module that it is there.

    Its neighbours are found where this machine has them in the same place.

    Args:
        path: of the file there, absolute and without links.
        source: what is in it.
        folder: of this machine, for a copy.

    Raises:
        UserError: it does not import, or was imported before it changed.
    """
    name = _make_module_name(Path(path))
    if name in sys.modules:
        if Path(sys.modules[name].__file__ or "").read_bytes() != source:
            raise UserError(
                f"plug-in {path!r} has changed since this process imported it; start "
                "new processes"
            )
        return
    if str(Path(path).parent) not in sys.path:
        sys.path.append(str(Path(path).parent))
    copied = folder / name / Path(path).name
    copied.parent.mkdir(parents=True, exist_ok=True)
    _import_module(name, write_atomically(copied, source), path)


def _import_module(name: str, file: Path, path: str) -> ModuleType:
    """Import ``file`` as the module ``name``; errors name it as ``path``."""
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UserError(f"plug-in {path!r} is not a Python file")
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))  # last: a neighbour hides nothing
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        text = getattr(error, "msg", None) or error
        raise UserError(
            f"plug-in {path!r} does not import: {type(error).__name__}: {text}"
            f"{locate_error(error)}"
        ) from error
    return module


def _make_module_name(path: Path) -> str:
    """Return a module name that tells files of one name in different folders apart."""
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    return f"priorbench_plugin_{path.stem}_{digest}"


def _list_registered() -> set[str]:
    return {
        f"{registry.kind} {name!r}"
        for registry in Registry.every
        for name in registry.names()
    }
