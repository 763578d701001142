"""A registry of named plug-ins: register, get, build, names."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import entry_points
from typing import Any, ClassVar, TypeVar

Entry = TypeVar("Entry", bound=Callable[..., Any])


class Registry:
    """Named classes or functions of one kind.

    There are two ways in: the decorator :meth:`register`, and an entry point of an
    installed package in ``group``, which is imported when its name is first asked for.

    Args:
        kind: what is registered, in the singular; errors are worded with it.
        group: the entry-point group, for example ``priorbench.priors``.
        hint: how to name something that is not registered; it ends the error of an
            unknown name.

    Example:
        >>> shapes = Registry("shape", "example.shapes")
        >>> @shapes.register("square")
        ... class Square:
        ...     def __init__(self, side=1.0): self.side = side
        >>> shapes.build("square", side=2.0).side
        2.0
        >>> shapes.get("sqare")
        Traceback (most recent call last):
        ValueError: unknown shape 'sqare'; did you mean 'square'?
    """

    every: ClassVar[list["Registry"]] = []
    """All registries, so that a user's file can be asked what it registered."""

    def __init__(self, kind: str, group: str, hint: str = "") -> None:
        self.every.append(self)
        self.kind = kind
        self.hint = hint
        self.group = group
        self._entries: dict[str, Callable[..., Any]] = {}
        self._loading: str | None = None

    def register(self, name: str) -> Callable[[Entry], Entry]:
        """Return a decorator that registers a class or function under ``name``.

        Raises:
            ValueError: the name is taken, or is not an identifier-like word.
        """
        if not name or not name.replace("-", "_").isidentifier():
            raise ValueError(
                f"a {self.kind}'s name must be one word of letters, digits, '-' and "
                f"'_'; got {name!r}"
            )

        def add(entry: Entry) -> Entry:
            old = self._entries.get(name)
            if old is not None and old.__module__ == entry.__module__ == "__main__":
                old = None  # a notebook's cell, run once more
            taken = name in self._find_installed() and name != self._loading
            if old is not None or taken:
                raise ValueError(
                    f"{self.kind} {name!r} is already registered; choose another name"
                )
            self._entries[name] = entry
            return entry

        return add

    def get(self, name: str) -> Callable[..., Any]:
        """Return the class or function registered as ``name``.

        Raises:
            ValueError: there is no such name (near matches are suggested), or its
                package fails to import.
        """
        if name in self._entries:
            return self._entries[name]
        installed = self._find_installed()
        if name not in installed:
            known = suggest_names(name, self.names())
            raise ValueError(f"unknown {self.kind} {name!r}; {known}{self.hint}")
        self._loading = name  # its module may carry the decorator too
        try:
            self._entries.setdefault(name, installed[name].load())
        except Exception as error:
            raise ValueError(
                f"{self.kind} {name!r} of {installed[name].value!r} does not import: "
                f"{error}"
            ) from error
        finally:
            self._loading = None
        return self._entries[name]

    def build(self, name: str, *args: Any, **arguments: Any) -> Any:
        """Call the entry ``name``.

        Raises:
            ValueError: the name is unknown; arguments are unknown, missing or refused.
        """
        self.check_arguments(name, *args, **arguments)
        return self.get(name)(*args, **arguments)

    def check_arguments(self, name: str, *args: Any, **arguments: Any) -> None:
        """Check that the entry ``name`` takes the arguments, without calling it.

        Raises:
            ValueError: the name is unknown; arguments are unknown or missing.
        """
        signature = inspect.signature(self.get(name))
        parameters = signature.parameters
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            for key in arguments:
                if key not in parameters:
                    known = suggest_names(key, list(parameters))
                    raise ValueError(
                        f"{self.kind} {name!r} has no argument {key!r}; {known}"
                    )
        try:
            signature.bind(*args, **arguments)
        except TypeError as error:
            raise ValueError(f"{self.kind} {name!r}: {error}") from error

    def names(self) -> list[str]:
        """Return all registered names, sorted."""
        return sorted({*self._entries, *self._find_installed()})

    def describe(self, name: str) -> str:
        """Return the first line of the entry's docstring; "" if it has none."""
        return (inspect.getdoc(self.get(name)) or "").partition("\n")[0]

    def _find_installed(self) -> dict[str, Any]:
        return {point.name: point for point in entry_points(group=self.group)}


Registration = tuple[str, str, Callable[..., Any]]
"""The group of a registry, a name and its entry."""


def list_session_entries() -> list[Registration]:
    """Return the plug-ins that a script or a notebook has registered itself.

    Another process does not have them: they are pickled, and registered there by
    :func:`restore_entries`.
    """
    return [
        (registry.group, name, entry)
        for registry in Registry.every
        for name, entry in registry._entries.items()
        if not entry.__module__.startswith("priorbench")
    ]


def restore_entries(entries: Iterable[Registration]) -> None:
    """Register the plug-ins that another process has listed."""
    registries = {registry.group: registry for registry in Registry.every}
    for group, name, entry in entries:
        registries[group]._entries.setdefault(name, entry)


def suggest_names(name: str, known: Sequence[str]) -> str:
    """Return the end of an error message: near matches of ``name``, or all names.

    Example:
        >>> suggest_names("ise", ["isa", "normal"]), suggest_names("x", ["isa"])
        ("did you mean 'isa'?", 'known: isa')
    """
    folded = {word.casefold(): word for word in known}
    near = difflib.get_close_matches(str(name).casefold(), folded, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(repr(folded[n]) for n in near) + "?"
    return "known: " + (", ".join(known) or "none")
