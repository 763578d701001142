"""Datasets of images, with known factors of variation or in splits.

load, register, get, names; FactorDataset, ImageDataset, About; from_array, from_file for your own.
"""

from priorbench.datasets import binarized_mnist as _binarized_mnist  # noqa: F401  (each registers itself)
from priorbench.datasets import caltech101_silhouettes as _caltech  # noqa: F401
from priorbench.datasets import cars3d as _cars3d  # noqa: F401
from priorbench.datasets import dsprites as _dsprites  # noqa: F401
from priorbench.datasets import faces3d as _faces3d  # noqa: F401
from priorbench.datasets import omniglot as _omniglot  # noqa: F401
from priorbench.datasets import shapes3d as _shapes3d  # noqa: F401
from priorbench.datasets import smallnorb as _smallnorb  # noqa: F401
from priorbench.datasets.about import About, Original
from priorbench.datasets.arrays import from_array, from_file
from priorbench.datasets.base import FactorDataset, get, load_dataset, names, register
from priorbench.datasets.images import ImageDataset, Images

__all__ = [
    "About",
    "FactorDataset",
    "ImageDataset",
    "Images",
    "Original",
    "from_array",
    "from_file",
    "get",
    "load",
    "names",
    "register",
]
