'''Datasets of images, with known factors of variation or in splits.

``load_dataset("dsprites")`` loads one by its name; ``registry.names()`` lists them.
:func:`from_array` and :func:`from_file` make one of your own images.

A class of your own is a :class:`FactorDataset` or an :class:`ImageDataset`, registered
under a name. One with original files, to be found or downloaded, verified, converted
once and kept in the data folder, is a :class:`StoredGrid` or a :class:`StoredSplits`::

    from priorbench import datasets

    ORIGINAL = datasets.Original(
        "letters.mat",
        urls=("https://example.org/letters.mat",),
        checksum="md5:00000000000000000000000000000000",
    )

    @datasets.register("letters")
    class Letters(datasets.StoredGrid):
        """Slanted letters, grey, 16 × 16."""

        about = datasets.About(
            title="slanted letters",
            licence="MIT",
            source="https://example.org",
            factors="letter 26, slant 5",
            images=130,
            image_shape=(1, 16, 16),
            originals=(ORIGINAL,),
        )

        def __init__(self, factors=None, progress=True):
            sizes = {"letter": 26, "slant": 5}
            super().__init__("letters", sizes, factors, progress=progress)

        def convert(self, paths):
            """Yield the images in the order of the grid, the slant fastest."""
            matrices = datasets.read_matrices(paths["letters.mat"], {"X": (130, 256)})
            yield matrices["X"].astype("uint8")

In a file ``letters.py`` it is prepared by
``python -m datasets.prepare letters --plugin letters.py``, and used in a grid by its
name and the same option.

Tools for authors: :func:`obtain_original` finds or downloads a file,
:func:`obtain_images` makes an array once and keeps it, :func:`read_members` reads
archives, :func:`read_matrices` MATLAB files, :func:`explain_read_errors` names a file
that is damaged, :func:`choose_levels` keeps some levels of factors,
:func:`check_grid_order` checks a table of them, and :func:`resize_image` resizes an
image.
'''

from priorbench.datasets import binarized_mnist as _binarized_mnist  # noqa: F401
from priorbench.datasets import caltech101_silhouettes as _caltech  # noqa: F401
from priorbench.datasets import cars3d as _cars3d  # noqa: F401
from priorbench.datasets import dsprites as _dsprites  # noqa: F401
from priorbench.datasets import faces3d as _faces3d  # noqa: F401
from priorbench.datasets import omniglot as _omniglot  # noqa: F401
from priorbench.datasets import shapes3d as _shapes3d  # noqa: F401
from priorbench.datasets import smallnorb as _smallnorb  # noqa: F401
from priorbench.datasets.about import About, Original
from priorbench.datasets.arrays import from_array
from priorbench.datasets.base import FactorDataset, register, registry
from priorbench.datasets.factor_grid import check_grid_order, choose_levels
from priorbench.datasets.files.archive import read_members
from priorbench.datasets.files.convert import obtain_images, resize_image
from priorbench.datasets.files.matlab import read_matrices
from priorbench.datasets.files.originals import find_original, obtain_original
from priorbench.datasets.files.verify import explain_read_errors
from priorbench.datasets.images import ImageDataset, Images
from priorbench.datasets.load import from_file, load_dataset
from priorbench.datasets.stored_grid import StoredGrid
from priorbench.datasets.stored_splits import StoredSplits

__all__ = [
    "About",
    "FactorDataset",
    "ImageDataset",
    "Images",
    "Original",
    "StoredGrid",
    "StoredSplits",
    "check_grid_order",
    "choose_levels",
    "explain_read_errors",
    "find_original",
    "from_array",
    "from_file",
    "load_dataset",
    "obtain_images",
    "obtain_original",
    "read_matrices",
    "read_members",
    "register",
    "registry",
    "resize_image",
]
