"""A property: a function of the prior under check, its name, and where to look if it fails."""

from collections.abc import Callable
from dataclasses import dataclass

from priorbench.priors.check.place import locate_error
from priorbench.priors.check.report import Result
from priorbench.priors.check.subject import Subject, use_seed

Finding = tuple[float, float] | None
"""A figure and the largest that passes; None where nothing was measured and nothing is wrong."""


class Fault(Exception):
    """What the prior does that it should not."""


class Unchecked(Exception):
    """Why a property could not be, or need not be, checked."""


@dataclass(frozen=True)
class Property:
    """A property that every prior must have.

    Attributes:
        name: as the table shows it.
        look: where the fault is to be sought if it fails; ends the sentence "Look at ...".
        measure: gives a figure and its bound; or raises :class:`Fault` or :class:`Unchecked`.
    """

    name: str
    look: str
    measure: Callable[[Subject], Finding]

    def check(self, subject: Subject) -> Result:
        """The result for one prior; an error of any kind is a failure, said with its place."""
        try:
            with use_seed(subject.seed, self.name):
                finding = self.measure(subject)
        except Unchecked as reason:
            return Result(self.name, None, note=str(reason))
        except Fault as fault:
            return Result(self.name, False, note=str(fault), look=self.look)
        except Exception as error:
            return Result(
                self.name, False, note=_explain_error(error, subject), look=self.look
            )
        if finding is None:
            return Result(self.name, True)
        figure, bound = map(float, finding)
        return Result(self.name, figure <= bound, figure, bound, look=self.look)


def check_property(
    name: str, look: str
) -> Callable[[Callable[[Subject], Finding]], Property]:
    """Decorator that makes a function a :class:`Property`."""
    return lambda measure: Property(name, look, measure)


def _explain_error(error: Exception, subject: Subject) -> str:
    """An error in one line, with its place in the prior's file, or else where it was raised."""
    text = " ".join(str(error).split())
    if "vmap" in text:
        text = (
            "several seeds run at once, so no branch may depend on the value of a tensor, and "
            "no .item() or float() be taken of one: " + text
        )
    return f"{type(error).__name__}: {text}{locate_error(error, subject.files, anywhere=True)}"
