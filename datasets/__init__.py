"""Datasets with known factors of variation: load, register, get, names, FactorDataset."""

from datasets import dsprites as _dsprites  # noqa: F401  (registers itself)
from datasets import faces3d as _faces3d  # noqa: F401
from datasets.base import FactorDataset, get, load, names, register

__all__ = ["FactorDataset", "get", "load", "names", "register"]
