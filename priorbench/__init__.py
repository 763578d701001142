"""A benchmark of latent priors: ``priors``, ``metrics``, ``datasets`` and ``bench``.

In a checkout the four folders lie beside this one. They are imported as
``priorbench.priors`` and so on all the same, and ``import priors`` is another name for
the same modules.
"""

import sys
from pathlib import Path

from priorbench.short_names import ROOMS, ShortNames

__version__ = "0.1.0"

_HERE = Path(__file__).parent
if not all(
    (_HERE / room).is_dir() for room in ROOMS
):  # a checkout, not an installed copy
    __path__.append(str(_HERE.parent))
    sys.meta_path.insert(0, ShortNames(_HERE.parent))
