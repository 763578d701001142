"""Lists of metrics that go by one name in a grid."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

Entry = str | Mapping[str, Any]
"""A metric as a grid lists it: a name, or a table of the name and arguments."""

PRESETS: Mapping[str, tuple[Entry, ...]] = MappingProxyType(
    {
        "default": (
            "mig",
            "mig_sup",
            "infom",
            "infoc",
            "infoe",
            "mi_disentanglement",
            "mi_completeness",
            "modularity",
            "factor_vae",
            "sap",
            "sap_r2",
            "irs",
            "active_latents",
        ),
        "neurips2019": (
            "dci",
            "factor_vae",
            "sap",
            "mig_histogram",
            {"name": "irs", "num_bins": 20},
        ),
    }
)
"""Metrics by the name of the preset.

``default`` is what costs little, under a minute on all of dSprites. ``neurips2019`` is
what the NeurIPS 2019 disentanglement challenge was scored by, with the settings of
disentanglement_lib: the columns ``dci_disentanglement``, ``factor_vae``, ``sap``,
``mig_histogram`` and ``irs``. Unlike there, rows are drawn without replacement.
"""


def expand_presets(entries: Sequence[Entry]) -> list[tuple[int, Entry]]:
    """Replace presets by their metrics, and leave out what is there already.

    Args:
        entries: metrics and names of presets.

    Returns:
        The position among ``entries`` of what each metric is from, and the metric.

    Example:
        >>> expand_presets(["mig", "default"])[:3]
        [(0, 'mig'), (1, 'mig_sup'), (1, 'infom')]
    """
    expanded: list[tuple[int, Entry]] = []
    for position, entry in enumerate(entries):
        is_preset = isinstance(entry, str) and entry in PRESETS
        for metric in PRESETS[entry] if is_preset else [entry]:
            repeated = is_preset and any(metric == other for _, other in expanded)
            if not repeated:
                expanded.append((position, metric))
    return expanded
