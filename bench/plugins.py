"""A user's own file of plug-ins, named on the command line."""

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path

from bench.errors import UserError
from bench.job import REGISTRIES


def load(path: str) -> list[str]:
    """Import a Python file so that it registers its plug-ins; a file already imported is left.

    Returns:
        What it registered, like "prior 'laplace'".

    Raises:
        UserError: no such file, it does not import, or it registers nothing.
    """
    file = Path(path).resolve()
    name = f"priorbench_plugin_{file.stem}"
    if getattr(sys.modules.get(name), "__file__", None) == str(file):
        return []
    spec = importlib.util.spec_from_file_location(name, file)
    if not file.is_file() or spec is None or spec.loader is None:
        raise UserError(f"plug-in {path!r} is not a Python file")
    before = _registered()
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UserError(f"plug-in {path!r} does not import: {_where(error, file)}") from error
    new = sorted(_registered() - before)
    if not new:
        del sys.modules[name]
        raise UserError(f"plug-in {path!r} registers nothing; decorate its class, "
                        'for example with @priors.register("name")')
    return new


def load_all(paths: Iterable[str]) -> None:
    """Import every file of ``paths``."""
    for path in paths:
        load(path)


def _registered() -> set[str]:
    return {f"{registry.kind} {name!r}" for registry in REGISTRIES.values()
            for name in registry.names()}


def _where(error: Exception, file: Path) -> str:
    """The error, with the last line of the user's own file that it passed through."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError):
        line = error.lineno
    place = f"line {line}: " if line else ""
    return f"{place}{type(error).__name__}: {error}"
