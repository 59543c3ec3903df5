"""How a command ends other than well."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class UsageError(Exception):
    """The command line is wrong; the text is one line that says how."""


class Failure(Exception):
    """The command failed; the text is one line for the user, or none if empty."""


def checked(make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``make`` makes of the user's values; what it refuses is wrong usage."""
    from ganetix.errors import BadParameter

    try:
        return make(*args, **kwargs)
    except (ValueError, BadParameter) as error:
        raise UsageError(str(error)) from error
