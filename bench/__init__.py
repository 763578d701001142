"""The harness: studies, training, scoring, results and reports."""

import priorbench  # noqa: F401  (in a checkout it makes ``bench.run`` a name of ``priorbench.bench.run``)
