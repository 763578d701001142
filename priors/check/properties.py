"""A property: what a prior must have, and where to look if it fails."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from priorbench.errors import locate_error
from priorbench.priors.check.report import Result
from priorbench.priors.check.subject import Subject, use_seed

Finding = tuple[float, float] | None
"""A figure and the largest that passes; None if nothing was measured, and it holds."""


class Fault(Exception):
    """What the prior does that it should not."""


class Unchecked(Exception):
    """Why a property could not be, or need not be, checked."""


@dataclass(frozen=True)
class Property:
    """A property that every prior must have.

    Attributes:
        name: as the table shows it.
        look: where to look for the fault if it fails; it ends the sentence
            "Look at ...".
        measure: gives a figure and its bound; or raises :class:`Fault` or
            :class:`Unchecked`.
    """

    name: str
    look: str
    measure: Callable[[Subject], Finding]

    def check(self, subject: Subject) -> Result:
        """Check one prior; an error of any kind is a failure, and its line is named."""
        try:
            with use_seed(subject.seed, self.name):
                finding = self.measure(subject)
        except Unchecked as reason:
            return Result(self.name, None, note=str(reason))
        except Exception as error:
            note = str(error)
            if not isinstance(error, Fault):
                note = _explain_error(error, subject)
            return Result(self.name, False, note=note, look=self.look)
        if finding is None:
            return Result(self.name, True)
        figure, bound = map(float, finding)
        return Result(self.name, figure <= bound, figure, bound, look=self.look)


def check_property(
    name: str,
    look: str,
) -> Callable[[Callable[[Subject], Finding]], Property]:
    """Return a decorator that makes a function a :class:`Property`."""
    return lambda measure: Property(name, look, measure)


def _explain_error(error: Exception, subject: Subject) -> str:
    """Return an error in one line, with the line of the prior's file that raised it."""
    words = " ".join(str(error).split())
    if "vmap" in words:
        words = (
            "several seeds run at once, so no branch may depend on the value of a "
            f"tensor, and no .item() or float() be taken of one: {words}"
        )
    kinds = (type(subject.given), type(subject.given.posterior))
    modules = [sys.modules.get(kind.__module__) for kind in kinds]
    # a notebook's classes have no file
    files = {module.__file__ for module in modules if hasattr(module, "__file__")}
    line = locate_error(error, files) or locate_error(error)
    return f"{type(error).__name__}: {words}{line}"
