"""A dataset by its name, or by the path of a user's own file."""

from typing import Any

from priorbench.datasets.base import FactorDataset, registry
from priorbench.datasets.images import ImageDataset
from priorbench.datasets.own_files import from_file, is_path


def load_dataset(name: str, **arguments: Any) -> FactorDataset | ImageDataset:
    """Return the dataset that is registered as ``name``.

    A name that ends in ``.npz``, ``.npy`` or ``.h5``, or has a slash in it, is the path
    of a file or folder of your own; see :func:`priorbench.datasets.from_file`.

    Args:
        name: of the dataset, or the path.
        arguments: what its class takes, such as ``factors`` or ``seed``.

    Raises:
        ValueError: an unknown name or argument (near matches are suggested), or the
            value of an argument is refused.
        OSError: its files cannot be read or written, or downloaded.
    """
    if is_path(name):
        return from_file(name, **arguments)
    dataset = registry.build(name, **arguments)
    if not isinstance(dataset, FactorDataset | ImageDataset):
        raise ValueError(
            f"dataset {name!r} must be a subclass of datasets.ImageDataset or "
            f"datasets.FactorDataset; got {type(dataset).__name__}"
        )
    return dataset
