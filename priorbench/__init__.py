"""A benchmark of latent priors: ``priors``, ``metrics``, ``datasets`` and ``bench``.

``priorbench.train`` trains one model, to try a prior out.

In a checkout the four folders lie beside this one. They are imported as
``priorbench.priors`` and so on all the same, and ``import priors`` is another name for
the same modules.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from priorbench.processes import end_at_interrupts
from priorbench.short_names import ROOMS, ShortNames

__version__ = "0.1.0"

if sys.argv[:1] == ["-m"]:  # python -m bench.run: a command is imported
    end_at_interrupts()

_HERE = Path(__file__).parent
if not all(
    (_HERE / room).is_dir() for room in ROOMS
):  # a checkout, not an installed copy
    __path__.append(str(_HERE.parent))
    sys.meta_path.insert(0, ShortNames(_HERE.parent))


def __getattr__(name: str) -> Any:
    """Return ``train``, imported when it is first asked for, for it needs torch."""
    if name == "train":
        return import_module("priorbench.bench.notebook").train
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
