"""What a command line names: registered priors, or classes in a user's file."""

import inspect
import sys
from collections.abc import Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any

from priorbench.errors import UserError, locate_error
from priorbench.plugins import import_file
from priorbench.priors.base import Prior, registry
from priorbench.registry import suggest_names

LATENTS = 6
"""Number of latents of a prior that takes any."""


def find_priors(target: str) -> dict[str, type[Prior]]:
    """Return the classes that a command line names, by name.

    Args:
        target: the name of a registered prior, "file.py" for all classes in a file, or
            "file.py:Class".

    Raises:
        UserError: there is no such prior, file or class.
    """
    path, colon, name = target.partition(".py:")
    if not colon and not target.endswith(".py"):
        try:
            return {target: registry.get(target)}
        except ValueError as error:
            raise UserError(str(error)) from error
    if colon:
        path += ".py"
    kinds = _list_classes(import_file(path))
    if not kinds:
        raise UserError(f"{path!r} defines no prior, a subclass of priors.Prior")
    if not colon:
        return kinds
    if name not in kinds:
        raise UserError(
            f"{path!r} defines no prior {name!r}; {suggest_names(name, [*kinds])}"
        )
    return {name: kinds[name]}


def _list_classes(module: ModuleType) -> dict[str, type[Prior]]:
    """Return the priors that a file made: bound to a name there, or registered."""
    bound = {}
    for name, kind in vars(module).items():
        if inspect.isclass(kind) and issubclass(kind, Prior):
            owner = sys.modules.get(kind.__module__)
            imported = getattr(owner, kind.__name__, None) is kind
            if owner is module or not imported:
                bound[name] = kind
    unbound = {}
    for name in registry.names():
        with suppress(ValueError):  # another package's, which does not import
            kind = registry.get(name)
            if kind.__module__ == module.__name__ and kind not in bound.values():
                unbound[name] = kind
    return bound | unbound


def build_examples(
    name: str,
    kind: type[Prior],
    latent_dim: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Prior]:
    """Build the priors to check of one class, by what they are called.

    Args:
        name: of the class.
        kind: the class.
        latent_dim: number of latents; None leaves it to the class, or takes 6.
        settings: laid over the first of the class's ``examples``; None takes all
            examples.

    Raises:
        UserError: the class does not take the settings, or refuses them.
    """
    examples = getattr(kind, "examples", ({},))
    if settings:
        examples = ({**examples[0], **settings},)
    built = {}
    for example in examples:
        arguments = ", ".join(f"{key}={value}" for key, value in example.items())
        prior = _build_prior(name, kind, latent_dim, example)
        built[f"{name}({arguments})"] = prior
    return built


def _build_prior(
    name: str,
    kind: type[Prior],
    latent_dim: int | None,
    arguments: Mapping[str, Any],
) -> Prior:
    """Build a prior.

    Raises:
        UserError: the class refuses its arguments, is not a prior, or has another
            number of latents.
    """
    if "latent_dim" in inspect.signature(kind).parameters:
        size = arguments.get("latent_dim", LATENTS)
        if latent_dim is not None:
            size = latent_dim
        arguments = {**arguments, "latent_dim": size}
    try:
        if name in registry.names() and registry.get(name) is kind:
            registry.check_arguments(name, **arguments)
        prior = kind(**arguments)
    except Exception as error:
        words = str(error)
        if not isinstance(error, ValueError):
            words = f"prior {name!r}: {type(error).__name__}: {error}"
        raise UserError(f"{words}{locate_error(error)}") from error
    if not isinstance(prior, Prior) or "_modules" not in vars(prior):
        raise UserError(
            f"prior {name!r} must be a subclass of priors.Prior with an __init__ that "
            "calls super().__init__(latent_dim) before anything else"
        )
    if latent_dim not in (None, prior.latent_dim):
        raise UserError(
            f"prior {name!r} has {prior.latent_dim} latents by its settings, not the "
            f"{latent_dim} of --latent-dim"
        )
    return prior
