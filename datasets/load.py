"""A dataset by its name, or from a user's own file or folder."""

import struct
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from priorbench.datasets.arrays import SPLITS, from_array, from_splits
from priorbench.datasets.base import FactorDataset, registry
from priorbench.datasets.files.verify import check_file_kind, explain_read_errors
from priorbench.datasets.images import ImageDataset
from priorbench.paths import expand_path
from priorbench.registry import suggest_names

HDF5 = (".h5", ".hdf5")
SUFFIXES = (".npz", ".npy", *HDF5)
MEMBERS = (*SPLITS, "images", "factors", "factor_names")
PICTURES = (".png", ".jpg", ".jpeg")
TABLES = (".csv", ".npy")

FACTORS = "factors.csv"
"""The file with the factors of a folder of pictures, unless another is named."""

FILE = "file"
"""The column of that file with the pictures' names."""

LENGTHS = 26
"""Where the header of a zip file's member has the lengths of name and extra field."""

OPTIONS = (
    "images",
    "factors",
    "name",
    "factor_names",
    "factor_sizes",
    "valid",
    "test",
    "seed",
)


def load_dataset(name: str, **arguments: Any) -> FactorDataset | ImageDataset:
    """Return the dataset that is registered as ``name``.

    A name that ends in one of :data:`SUFFIXES`, or has a slash in it, is the path
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


def from_file(path: str | Path, **options: Any) -> FactorDataset | ImageDataset:
    """Return a dataset from your own file or folder.

    - ``.npz`` and ``.h5`` or ``.hdf5`` files hold ``images`` and perhaps ``factors``
      and ``factor_names``, or else ``train``, ``valid`` and ``test``. HDF5 needs h5py.
    - A ``.npy`` file holds the images.
    - A folder holds pictures, ``.png`` or ``.jpg``, in the order of their names, and
      perhaps ``factors.csv`` with a column for each factor. A column ``file``, if there
      is one, has the pictures' names and gives their order.

    uint8 images of a ``.npy`` or an uncompressed ``.npz`` file are memory-mapped, if
    their channels come before height and width.

    Args:
        path: the file or folder; its name without the ending is the dataset's name.
        options: as for :func:`priorbench.datasets.from_array`; of a file with splits,
            the name only. ``images`` and ``factors`` name other members of a file, such
            as "imgs"; ``factors`` may be the path of a ``.csv`` or ``.npy`` file too.

    Raises:
        ValueError: there is no such file or folder, it cannot be read, or
            :func:`priorbench.datasets.from_array` refuses what is in it; the message
            names it.
    """
    path = expand_path(path)
    for option in options:
        if option not in OPTIONS:
            known = suggest_names(option, OPTIONS)
            raise ValueError(f"a dataset of a file has no argument {option!r}; {known}")
    check_exists(path)
    factors = options.get("factors")
    table = None
    if factors is not None and str(factors).lower().endswith(TABLES):
        table = read_table(expand_path(options.pop("factors")))
    options = {"name": path.stem, **options}
    if path.is_dir():
        return _from_folder(path, table, options)
    return _from_members(path, table, options)


def is_path(name: str) -> bool:
    """Return whether the name of a dataset is the path of a user's own file or folder.

    Example:
        >>> [is_path(name) for name in ("dsprites", "mine.npz", "pictures/")]
        [False, True, True]
    """
    name = str(name)
    return name.lower().endswith(SUFFIXES) or any(mark in name for mark in "/\\~")


def check_exists(path: Path) -> None:
    """Check that there is a file or folder.

    Raises:
        ValueError: there is none.
    """
    if not path.exists():
        raise ValueError(
            f"there is no file or folder {str(path)!r}; a path is taken from the "
            f"folder that the command is given in, here {str(Path.cwd())!r}"
        )


def list_files(folder: Path) -> list[Path]:
    """Return the files that may be part of a dataset, those of subfolders too."""
    kept = (*PICTURES, *TABLES)
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in kept)


def read_table(path: Path) -> pd.DataFrame | np.ndarray:
    """Return the factors of a ``.csv`` file, with names, or of an ``.npy`` file.

    Raises:
        ValueError: there is no such file, or it cannot be read.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {str(path)!r} with factors")
    check_file_kind(path)
    with explain_read_errors(path, "a table of factors"):
        if path.suffix.lower() == ".npy":
            return np.load(path, allow_pickle=False)
        # only an empty cell is a missing value: "NA" may be a level
        return pd.read_csv(path, keep_default_na=False, na_values=[""])


def read_pictures(folder: Path, names: Iterable[str]) -> np.ndarray:
    """Return pictures of a folder, uint8 (N, H, W) or (N, H, W, 3).

    Args:
        folder: where they lie.
        names: their paths in it.

    Raises:
        ValueError: a picture is missing or damaged, has another size than the first, or
            is neither grey nor RGB; the message names it.
    """
    images: list[np.ndarray] = []
    for name in names:
        path = folder / str(name)
        if not path.is_file():
            raise ValueError(f"there is no picture {str(path)!r}")
        with explain_read_errors(path, "a picture"), Image.open(path) as picture:
            mode, array = picture.mode, np.asarray(picture)
        if mode not in ("1", "L", "RGB"):
            raise ValueError(
                f"{str(path)!r} must be black and white, grey of 8 bits, or RGB; got "
                f"the mode {mode!r} of Pillow, from which its convert('L') or "
                "convert('RGB') makes one"
            )
        array = array.astype(np.uint8) * 255 if mode == "1" else array
        if images and array.shape != images[0].shape:
            raise ValueError(
                f"{str(path)!r} must have the shape {images[0].shape} of the first "
                f"picture; got {array.shape}"
            )
        images.append(array)
    return np.stack(images)


def _from_folder(
    folder: Path, table: pd.DataFrame | np.ndarray | None, options: dict[str, Any]
) -> FactorDataset | ImageDataset:
    if table is None and (folder / FACTORS).is_file():
        table = read_table(folder / FACTORS)
    if isinstance(table, pd.DataFrame) and FILE in table:
        names = table[FILE].astype(str).tolist()
        table = table.drop(columns=FILE)
    else:
        names = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in PICTURES)
    if not names:
        raise ValueError(f"{str(folder)!r} has no pictures ({', '.join(PICTURES)})")
    for option in ("images", "factors"):
        if option in options:
            raise ValueError(
                f"{option!r} must be the path of a file of factors "
                f"({', '.join(TABLES)}) or be left out; got {options[option]!r}"
            )
    pictures = read_pictures(folder, names)
    with _name_file(folder):
        return from_array(pictures, table, **options)


def _from_members(
    path: Path, table: pd.DataFrame | np.ndarray | None, options: dict[str, Any]
) -> FactorDataset | ImageDataset:
    check_file_kind(path)
    chosen = {key: options.pop(key) for key in ("images", "factors") if key in options}
    wanted = {key: chosen.get(key, key) for key in MEMBERS}
    if "images" in chosen:
        wanted = {key: name for key, name in wanted.items() if key not in SPLITS}
    with ExitStack() as stack:
        with explain_read_errors(path, "a file of arrays that are not pickled"):
            members = stack.enter_context(_open_members(path))
            # members that nothing asks for are not read: one may be pickled
            arrays = {k: members[name] for k, name in wanted.items() if name in members}
            names = list(members)
        with _name_file(path):
            for key, name in chosen.items():
                if key not in arrays:
                    raise ValueError(f"no array {name!r}; {suggest_names(name, names)}")
            if table is not None:
                arrays["factors"] = table
            return _make_dataset(arrays, names, options)


def _make_dataset(
    arrays: dict[str, Any], names: list[str], options: dict[str, Any]
) -> FactorDataset | ImageDataset:
    """Return the dataset of a file's arrays; ``names`` are those of all its members."""
    if "train" in arrays:
        for option in options:
            if option != "name":
                raise ValueError(f"{option!r} does not go with images in splits")
        splits = {key: np.asarray(arrays[key]) for key in SPLITS if key in arrays}
        return from_splits(splits, options["name"])
    if "images" not in arrays:
        raise ValueError(
            "expected 'images', or 'train', 'valid' and 'test'; got "
            f"{', '.join(names) or 'nothing'}; if the images have another name, give "
            f"it: images = {next(iter(names), 'imgs')!r}"
        )
    if "factor_names" in arrays:
        given = np.atleast_1d(arrays["factor_names"]).tolist()
        named = [n.decode() if isinstance(n, bytes) else str(n) for n in given]
        options.setdefault("factor_names", named)
    factors = None if "factor_sizes" in options else arrays.get("factors")
    if factors is not None and not isinstance(factors, pd.DataFrame):
        factors = np.asarray(factors)
    return from_array(arrays["images"], factors, **options)


@contextmanager
def _name_file(path: Path) -> Iterator[None]:
    """Add the file to what is wrong with its content."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise ValueError(f"{str(path)!r}: {error}") from error


@contextmanager
def _open_members(path: Path) -> Iterator[Mapping[str, Any]]:
    """Open a file of arrays, each of which is read when it is asked for."""
    suffix = path.suffix.lower()
    if suffix == ".npy":
        yield {"images": np.load(path, mmap_mode="r", allow_pickle=False)}
    elif suffix == ".npz":
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            yield MappedMembers(path, file)
    elif suffix in HDF5:
        if find_spec("h5py") is None:
            raise ValueError("h5py is needed for HDF5; run: pip install h5py")
        import h5py  # optional

        with h5py.File(path, "r") as file:
            yield file
    else:
        raise ValueError(f"its name must end in {', '.join(SUFFIXES)}")


class MappedMembers(Mapping[str, np.ndarray]):
    """The arrays of an ``.npz`` file, mapped where the file has them uncompressed.

    A mapped array has been read once, to compare its checksum.

    Args:
        path: of the file.
        file: the same, opened by NumPy.
    """

    def __init__(self, path: Path, file: np.lib.npyio.NpzFile) -> None:
        self.path = path
        self.file = file

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one array."""
        info = self.file.zip.NameToInfo.get(f"{name}.npy")
        if info is None:
            return self.file[name]
        with self.file.zip.open(info) as member:
            if np.lib.format.read_magic(member) != (1, 0):
                return self.file[name]
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
            header, size = member.tell(), dtype.itemsize * prod(shape)
            if not dtype.hasobject and header + size != info.file_size:
                raise ValueError(
                    f"{name!r} of shape {shape} and type {dtype} must have {size} "
                    f"bytes; got {info.file_size - header}"
                )
            plain = info.compress_type == zipfile.ZIP_STORED and not fortran
            if dtype.hasobject or not plain or not size:
                return self.file[name]
            while member.read(1 << 20):  # at its end the checksum is compared
                pass
        with self.path.open("rb") as file:
            file.seek(info.header_offset + LENGTHS)
            name_length, extra_length = struct.unpack("<HH", file.read(4))
            start = file.tell() + name_length + extra_length + header
        return np.memmap(self.path, dtype, "r", start, shape)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.file.files)

    def __len__(self) -> int:
        """Return the number of arrays."""
        return len(self.file.files)
