"""A setting ready to be trained: its data set, images, networks and loss."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache

import torch

from priorbench.bench.models.build import build_model
from priorbench.bench.models.vae import VAE
from priorbench.bench.objectives.base import registry as objectives
from priorbench.bench.study.data import load_study_dataset
from priorbench.bench.study.grid import Plugin
from priorbench.bench.study.job import Setting
from priorbench.bench.training.early_stopping import EarlyStopping
from priorbench.bench.training.ensemble import Ensemble, Loss
from priorbench.bench.training.pixels import Pixels
from priorbench.bench.training.train import Training
from priorbench.datasets.base import FactorDataset
from priorbench.datasets.images import ImageDataset, Images

PRECISIONS = ("fp32", "tf32", "bf16")


class Experiment:
    """What the seeds of one setting are trained with.

    A data set, and its images on a device, are loaded when they are first asked for;
    the last ones are kept for the next experiment on them.

    Args:
        setting: a method of a study at one β.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.grid = setting.grid

    @cached_property
    def dataset(self) -> Images:
        """The data set of the study."""
        return load_study_dataset(self.grid.dataset)

    @cached_property
    def lengths(self) -> dict[str, int]:
        """Number of images of each split; see :meth:`pixels`."""
        splits = _list_splits(self.dataset)
        return {name: len(images) for name, images in splits.items()}

    def pixels(self, device: str, split: str = "train") -> Pixels:
        """Return the images of a split on ``device``.

        A data set with factors is trained and scored on all its images, as in the
        papers on disentanglement; one without factors is in splits.

        Args:
            device: where they stay.
            split: "train", "valid" to stop early by, or "test" to be scored on. A data
                set without images to test on is scored on those that it is trained on.

        Raises:
            ValueError: the data set has no images to validate with.
        """
        found = _load_pixels(self.grid.dataset, device)
        if split in found:
            return found[split]
        factors = isinstance(self.dataset, FactorDataset)
        why = " (a data set with factors is not split)" if factors else ""
        raise ValueError(
            f"'look_ahead' needs images to validate with, and dataset "
            f"{self.dataset.name!r} has no split {split!r}{why}; leave it out"
        )

    @property
    def batch_size(self) -> int:
        """Number of images of a step; at most all."""
        return min(self.grid.training.batch_size, self.lengths["train"])

    def make_loss(self) -> Loss:
        """Make one seed's model and objective.

        Raises:
            ValueError: a plug-in does not take its arguments, or the objective does not
                go with the prior.
        """
        model = self.make_model()
        method, training = self.setting.method, self.grid.training
        objective = objectives.build(
            method.objective.name,
            beta=self.setting.beta,
            **method.objective.arguments,
        )
        objective.adapt(model.prior)  # last: all objectives start from the same model
        warm_up = (training.warm_up or 0) / training.epochs
        return Loss(model, objective, warm_up)

    def make_model(self) -> VAE:
        """Make one seed's model at its initialisation.

        Raises:
            ValueError: a plug-in does not take its arguments.
        """
        grid = self.grid
        return build_model(
            self.setting.method.prior.model_dump(),
            grid.architecture.model_dump(),
            grid.likelihood.model_dump(),
            grid.latent_dim,
            self.dataset.image_shape,
            self.setting.precision,
        )

    def make_ensemble(self, seeds: Sequence[int], device: str) -> Ensemble:
        """Make the models of ``seeds`` at their initialisation."""
        rate = self.grid.training.learning_rate
        return Ensemble(self.make_loss, seeds, rate, torch.device(device))

    def make_early_stopping(self, device: str) -> EarlyStopping | None:
        """Make what stops seeds early; None where they train to the last epoch.

        Raises:
            ValueError: the data set has no images to validate with.
        """
        training = self.grid.training
        if training.look_ahead is None:
            return None
        valid = self.pixels(device, "valid")
        return EarlyStopping(valid, training.look_ahead, training.warm_up or 0)

    def make_training(self, seeds: Sequence[int], device: str) -> Training:
        """Make the training of a block of seeds."""
        return Training(
            self.make_ensemble(seeds, device),
            self.pixels(device),
            self.grid.training.epochs,
            self.grid.training.batch_size,
            self.make_early_stopping(device),
        )

    @contextmanager
    def set_precision(self) -> Iterator[None]:
        """Compute products and convolutions of float32 in the setting's precision.

        "tf32" is TF32; "fp32" is full precision, in convolutions too, where PyTorch's
        default is TF32. With "bf16" the networks run under
        autocast, and what remains in float32 is in full precision.
        """
        before = torch.get_float32_matmul_precision()
        tf32 = self.setting.precision == "tf32"
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        try:
            with _allow_tf32_in_cudnn(tf32):
                yield
        finally:
            torch.set_float32_matmul_precision(before)


@contextmanager
def _allow_tf32_in_cudnn(allowed: bool) -> Iterator[None]:
    """Let cuDNN compute convolutions of float32 in TF32, or not."""
    cudnn = torch.backends.cudnn
    if hasattr(cudnn, "conv"):  # since PyTorch 2.9, where the other name is old
        name, value = "fp32_precision", "tf32" if allowed else "ieee"
        operations = [cudnn.conv, cudnn.rnn]  # PyTorch wants these to agree
    else:
        name, value, operations = "allow_tf32", allowed, [cudnn]
    before = [getattr(operation, name) for operation in operations]
    try:
        for operation in operations:
            setattr(operation, name, value)
        yield
    finally:
        for operation, own in zip(operations, before, strict=True):
            setattr(operation, name, own)


@lru_cache(maxsize=1)
def _load_pixels(plugin: Plugin, device: str) -> dict[str, Pixels]:
    """Return the images of every split; what stands for two of them is there once."""
    splits = _list_splits(load_study_dataset(plugin))
    distinct = set(splits.values())
    once = {images: Pixels(images, torch.device(device)) for images in distinct}
    return {name: once[images] for name, images in splits.items()}


def _list_splits(dataset: Images) -> dict[str, Images]:
    """Return what is trained on, scored on and, where there is one, validated with."""
    if not isinstance(dataset, ImageDataset):
        return {"train": dataset, "test": dataset}
    splits = {name: dataset.split(name) for name in dataset.lengths}
    return {"test": splits["train"], **splits}
