"""What a tool tells its user: one line of what can be mended outside of the code; of a bug, the traceback."""

import sys
from collections.abc import Callable
from pathlib import Path


class Refused(RuntimeError):
    """What was asked cannot be done; the message says why and what to do, mostly in a line."""


FOREIGN = ("dubious ownership", "safe.directory", "not owned by current user")  # git's words, and DVC's


def line(error: Exception, known: tuple[type[Exception], ...] = ()) -> str | None:
    """What to tell of an exception; None of one that is a bug. known: further kinds whose message says it
    all"""
    text = str(error)
    if any(word in text for word in FOREIGN):
        here = Path.cwd()
        return f"git: the clone belongs to another user; git config --global --add safe.directory {here}"
    if isinstance(error, PermissionError):
        what = f"{error.filename}: {error.strerror}"
        return f"{what}: clone the repository as yourself, into a folder that is yours"
    if isinstance(error, (Refused, *known)):
        return text
    return f"{type(error).__name__}: {' '.join(text.split())}" if isinstance(error, OSError) else None


def run(main: Callable[[], None], *known: type[Exception]) -> None:
    """Runs a tool's `main`; ends the process with exit status 1 and what `line` says."""
    try:
        main()
    except Exception as error:
        said = line(error, known)
        if said is None:
            raise
        sys.exit(f"error: {said}")
