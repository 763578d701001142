"""Results: models and scores on the disk, loaded and in tables."""

from priorbench.bench.results.load import load, load_model, load_results
from priorbench.bench.results.result import Result
from priorbench.bench.results.store import Store

__all__ = ["Result", "Store", "load", "load_model", "load_results"]
