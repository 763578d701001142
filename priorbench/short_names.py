"""Short names in a checkout: ``priors.normal`` is ``priorbench.priors.normal``."""

import importlib
import importlib.util
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType

ROOMS = ("bench", "datasets", "metrics", "priors")
"""Folders at the top of a checkout."""


class ShortNames(MetaPathFinder, Loader):
    """Import a module below a short name as that of the long name, never a copy.

    Args:
        root: folder of the checkout; packages of the same names elsewhere are left
            alone.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._specs: dict[str, ModuleSpec | None] = {}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Find a module below one of :data:`ROOMS` in the checkout."""
        room, dot, _ = fullname.partition(".")
        if not dot or room not in ROOMS or not path:
            return None
        if not Path(path[0]).is_relative_to(self.root / room):
            return None
        found = importlib.util.find_spec(_long_name(fullname))
        if found is None:
            return None
        package = found.submodule_search_locations is not None
        spec = ModuleSpec(fullname, self, origin=found.origin, is_package=package)
        spec.submodule_search_locations = found.submodule_search_locations
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module of the long name."""
        module = importlib.import_module(_long_name(spec.name))
        self._specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module, which has run already, its own specification back."""
        short = module.__name__.partition(".")[2]
        module.__spec__ = self._specs.pop(short)

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the code that ``python -m`` runs."""
        spec = importlib.util.find_spec(_long_name(fullname))
        return spec.loader.get_code(spec.name)


def _long_name(short: str) -> str:
    return f"priorbench.{short}"
