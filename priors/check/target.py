"""What a command line names: registered priors, or classes in a user's file, with settings."""

import hashlib
import importlib.util
import inspect
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from priorbench import priors
from priorbench.errors import UserError
from priorbench.registry import Registry, suggest_names
from priorbench.priors.base import Prior
from priorbench.priors.check.place import find_files, locate_error

LATENTS = 6
"""Number of latents of a prior that takes any."""


def find_priors(target: str) -> dict[str, Any]:
    """Classes by name: a registered prior's, or those of "file.py" or "file.py:Class".

    Raises:
        UserError: no such prior, file or class.
    """
    path, colon, name = target.partition(".py:")
    if not colon and not target.endswith(".py"):
        try:
            return {target: priors.get(target)}
        except ValueError as error:
            raise UserError(str(error)) from error
    module = _load_file(path + ".py" if colon else path)
    kinds = {
        key: kind
        for key, kind in vars(module).items()
        if inspect.isclass(kind)
        and issubclass(kind, Prior)
        and kind.__module__ == module.__name__
    }
    if not kinds:
        raise UserError(f"{path!r} defines no prior, a subclass of priors.Prior")
    if colon and name not in kinds:
        raise UserError(
            f"{path + '.py'!r} defines no prior {name!r}; {suggest_names(name, [*kinds])}"
        )
    return {name: kinds[name]} if colon else kinds


def build_examples(
    name: str,
    kind: Any,
    latent_dim: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Prior]:
    """The priors to check of one class, by what they are called.

    Args:
        name: of the class.
        kind: the class.
        latent_dim: number of latents; None leaves it to the class, or takes 6.
        settings: laid over the first of the class's ``examples``; None takes all examples.

    Raises:
        UserError: the class does not take the settings, or refuses them.
    """
    examples = getattr(kind, "examples", ({},))
    if settings:
        examples = ({**examples[0], **settings},)
    return {
        _make_title(name, example): _build_prior(name, kind, latent_dim, example)
        for example in examples
    }


def parse_settings(given: Sequence[str]) -> dict[str, Any]:
    """Settings written ``key=value``; the values are TOML, a bare word is a string.

    Raises:
        UserError: a setting that is not so written.

    Example:
        >>> parse_settings(["p=1.5", "subspaces=[2, 3]", "scale=unit"])
        {'p': 1.5, 'subspaces': [2, 3], 'scale': 'unit'}
    """
    found = {}
    for setting in given:
        key, _, value = setting.partition("=")
        if not key.isidentifier() or not value:
            raise UserError(f"--set {setting!r}: write it key=value, like p=1.5")
        try:
            found[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError as error:
            if not value.isidentifier():
                raise UserError(
                    f"--set {setting!r}: {value!r} is no TOML value; write 1.5, true, "
                    '[2, 3] or "text"'
                ) from error
            found[key] = value
    return found


def _build_prior(
    name: str, kind: Any, latent_dim: int | None, arguments: Mapping[str, Any]
) -> Prior:
    registry = Registry("prior", "priorbench.check")
    registry.register(name)(kind)
    if "latent_dim" in inspect.signature(kind).parameters:
        own = arguments.get("latent_dim", LATENTS)
        arguments = {
            **arguments,
            "latent_dim": own if latent_dim is None else latent_dim,
        }
    try:
        prior = registry.build(name, **arguments)
    except Exception as error:
        text = (
            str(error)
            if isinstance(error, ValueError)
            else f"{type(error).__name__}: {error}"
        )
        raise UserError(
            f"{text}{locate_error(error, _find_user_files(kind))}"
        ) from error
    if not isinstance(prior, Prior) or "_modules" not in vars(prior):
        raise UserError(
            f"prior {name!r} must be a subclass of priors.Prior whose __init__ calls "
            "super().__init__(latent_dim) before anything else"
        )
    if latent_dim not in (None, prior.latent_dim):
        raise UserError(
            f"prior {name!r} has {prior.latent_dim} latents by its settings, not the "
            f"{latent_dim} of --latent-dim"
        )
    return prior


def _find_user_files(kind: Any) -> set[str]:
    """The file of a class that is not the project's own."""
    return {
        file
        for file in find_files(kind)
        if not Path(file).is_relative_to(Path(priors.__file__).parent)
    }


def _make_title(name: str, arguments: Mapping[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={value}' for key, value in arguments.items())})"


def _load_file(path: str) -> ModuleType:
    """Import a file, once; unlike a plug-in, it need not register anything."""
    file = Path(path).resolve()
    if not file.is_file():
        near = (
            [p.name for p in file.parent.glob("*.py")] if file.parent.is_dir() else []
        )
        hint = f"; {suggest_names(file.name, near)}" if near else ""
        raise UserError(f"there is no file {path!r}{hint}")
    name = f"priorbench_check_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        text = getattr(error, "msg", None) or error
        raise UserError(
            f"{path!r} does not import: {type(error).__name__}: {text}"
            f"{locate_error(error, {str(file)})}"
        ) from error
    return module
