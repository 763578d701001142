"""What goes wrong on a machine, in one line with what to do about it."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from joblib.externals.loky.process_executor import (
    BrokenProcessPool,
    TerminatedWorkerError,
)

from priorbench.errors import UserError
from priorbench.machine_errors import MEMORY_ERRORS, is_machine_fault


@contextlib.contextmanager
def explain_disk_errors(folder: Path) -> Iterator[None]:
    """Turn a lack of room or permission into a :class:`UserError` with what to do."""
    try:
        yield
    except BrokenPipeError:  # of the terminal, not of the disk
        raise
    except OSError as error:
        raise UserError(
            f"cannot write to {folder}: {error.strerror or error}; finished runs are "
            "kept: make room or permission and give the same command again"
        ) from error


@contextlib.contextmanager
def explain_machine_errors() -> Iterator[None]:
    """Turn a lack of memory or a failed device into a :class:`UserError`."""
    try:
        yield
    except TerminatedWorkerError as error:
        ends = ", ".join(re.findall(r"\w+\(-?\d+\)", str(error))) or "not known"
        raise UserError(
            f"a process was ended from outside (exit code {ends}), where it is SIGKILL "
            "most often because memory ran out; finished runs are kept: give the same "
            "command again, with fewer processes (--jobs) if it was memory"
        ) from error
    except BrokenProcessPool as error:
        *_, last = str(error.__cause__ or error).strip().splitlines()
        raise UserError(
            f"a process could not take its work ({last}); finished runs are kept: give "
            "the same command again"
        ) from error
    except MEMORY_ERRORS as error:
        raise UserError(
            f"a process ran out of memory ({type(error).__name__}); finished runs are "
            "kept: go on with fewer processes (--jobs), fewer seeds at once "
            "(--seeds-at-once) or a smaller batch"
        ) from error
    except RuntimeError as error:
        if not is_machine_fault(error):
            raise
        first = str(error).partition("\n")[0]
        raise UserError(
            f"the device failed ({first}), and nothing runs on it any more in this "
            "command; finished runs are kept: give the same command again"
        ) from error
