"""A trained model, from the store; this module alone of the room imports torch."""

from collections.abc import Mapping

import numpy as np
import torch

from priorbench.bench.models.build import build_model
from priorbench.bench.models.vae import VAE
from priorbench.bench.results.files import DamagedFileError
from priorbench.bench.results.records import ModelRecord
from priorbench.bench.results.store import Store
from priorbench.errors import UserError, prefix_errors

PARTS = ("prior", "architecture", "likelihood", "latent_dim")
"""Keys of a model's configuration that its networks are built from."""


def restore_model(store: Store, model: str) -> VAE:
    """Return a trained model on the CPU, in evaluation mode.

    Args:
        store: where its parameters were kept.
        model: its id; the first digits are enough where no other id begins so.

    Raises:
        UserError: there is no such model, its parameters were not kept or are damaged,
            or a plug-in of it is not registered or takes other arguments now.
    """
    found = sorted(path.name for path in store.folder.glob(f"{model}*"))
    record = store.load_model(found[0]) if len(found) == 1 else None
    if record is None:
        many = (
            f"{len(found)} ids begin so; give more digits" if found else "there is none"
        )
        raise UserError(f"model {model!r} in {store.folder}: {many}")
    try:
        arrays = store.load_parameters(record)
    except DamagedFileError as error:
        remove = "remove the file and " if store.has_parameters(record) else ""
        raise UserError(
            f"{error}; to have its parameters, {remove}run its grid with keep_models = "
            "true"
        ) from error
    return build_trained(record, arrays)


def build_trained(record: ModelRecord, arrays: Mapping[str, np.ndarray]) -> VAE:
    """Build a trained model on the CPU, in evaluation mode.

    Args:
        record: of the training.
        arrays: its parameters, by name.

    Raises:
        UserError: a plug-in of it is not registered or takes other arguments now.
    """
    with prefix_errors(
        f"model {record.id} cannot be built (import its plug-ins first)"
    ):
        parts = {name: record.config[name] for name in PARTS}
        built = build_model(
            image_shape=record.image_shape, precision=record.precision, **parts
        )
    state = {name: torch.from_numpy(value.copy()) for name, value in arrays.items()}
    built.load_state_dict(state)
    return built.eval()
