"""Images in splits that are kept converted in the data folder."""

from collections.abc import Mapping

from priorbench.datasets.converted_images import ConvertedImages
from priorbench.datasets.images import ImageDataset


class StoredSplits(ConvertedImages, ImageDataset):
    """Images in splits that are converted once from original files.

    An author gives the class ``about``, with the original files, and overrides
    :meth:`convert`, which gives the images of one split after the other. The images are
    kept in the data folder, a bit or a byte per pixel as ``about.binary`` says.

    Args:
        name: the dataset's name.
        lengths: number of images of each split, in their order; ``train`` is among
            them.
        variant: of the images, if the dataset has several, which are kept side by side.
        version: of the converted images; it goes up whenever one of them changes.
        progress: show progress bars on a terminal.

    Raises:
        ValueError: an original is not what it should be.
        OSError: an original is not here and cannot be downloaded, or the data folder
            cannot be written.
    """

    def __init__(
        self,
        name: str,
        lengths: Mapping[str, int],
        *,
        variant: str | None = None,
        version: int = 1,
        progress: bool = True,
    ) -> None:
        self.name = name
        full_name = name if variant is None else f"{name}-{variant}"
        images = self.obtain_converted(
            f"{full_name}-v{version}", sum(lengths.values()), progress
        )
        stored = {"packed" if self.about.binary else "pixels": images}
        super().__init__(name, self.about.image_shape, lengths, **stored)
