"""A registry of named plug-ins: register, get, build, names."""

import difflib
import inspect
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, TypeVar

T = TypeVar("T", bound=Callable[..., Any])


class Registry:
    """Named classes or functions of one kind.

    Two ways in: the decorator :meth:`register`, or an entry point of an installed package
    in ``group``, which is imported when its name is first asked for.

    Args:
        kind: what is registered, in the singular; errors are worded with it.
        group: entry-point group, for example ``priorbench.priors``.

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

    def __init__(self, kind: str, group: str) -> None:
        self.kind = kind
        self.group = group
        self._entries: dict[str, Callable[..., Any]] = {}
        self._loading: str | None = None

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that registers a class or function under ``name``.

        Raises:
            ValueError: the name is taken, or is not an identifier-like word.
        """
        if not name or not name.replace("-", "_").isidentifier():
            raise ValueError(
                f"a {self.kind}'s name must be one word of letters, digits, "
                f"'-' and '_'; got {name!r}"
            )

        def add(entry: T) -> T:
            old = self._entries.get(name)
            if old is not None and old.__module__ == entry.__module__ == "__main__":
                old = None  # a notebook's cell, run once more
            if old is not None or (name in self._installed() and name != self._loading):
                raise ValueError(
                    f"{self.kind} {name!r} is already registered; choose another name"
                )
            self._entries[name] = entry
            return entry

        return add

    def get(self, name: str) -> Callable[..., Any]:
        """The class or function registered as ``name``.

        Raises:
            ValueError: no such name (near matches are suggested), or its package fails to import.
        """
        if name in self._entries:
            return self._entries[name]
        installed = self._installed()
        if name not in installed:
            raise ValueError(
                f"unknown {self.kind} {name!r}; {suggest_names(name, self.names())}"
            )
        self._loading = name  # its module may carry the decorator too
        try:
            self._entries[name] = installed[name].load()
        except Exception as error:
            raise ValueError(
                f"{self.kind} {name!r} of {installed[name].value!r} "
                f"does not import: {error}"
            ) from error
        finally:
            self._loading = None
        return self._entries[name]

    def build(self, name: str, *args: Any, **arguments: Any) -> Any:
        """Call the entry ``name``; arguments it does not take are named in the error.

        Raises:
            ValueError: unknown name; unknown, missing or refused arguments.
        """
        self.check(name, *args, **arguments)
        return self.get(name)(*args, **arguments)

    def check(self, name: str, *args: Any, **arguments: Any) -> None:
        """See that the entry ``name`` takes the arguments, without calling it.

        Raises:
            ValueError: unknown name; unknown or missing arguments.
        """
        signature = inspect.signature(self.get(name))
        if not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
            for key in arguments:
                if key not in signature.parameters:
                    raise ValueError(
                        f"{self.kind} {name!r} has no argument {key!r}; "
                        f"{suggest_names(key, list(signature.parameters))}"
                    )
        try:
            signature.bind(*args, **arguments)
        except TypeError as error:
            raise ValueError(f"{self.kind} {name!r}: {error}") from error

    def names(self) -> list[str]:
        """All registered names, sorted."""
        return sorted({*self._entries, *self._installed()})

    def _installed(self) -> dict[str, Any]:
        return {point.name: point for point in entry_points(group=self.group)}


def suggest_names(name: str, known: list[str]) -> str:
    """The end of an error message: near matches of ``name``, or all that is known."""
    folded = {k.casefold(): k for k in known}
    near = difflib.get_close_matches(str(name).casefold(), folded, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(repr(folded[n]) for n in near) + "?"
    return "known: " + (", ".join(known) or "none")
