"""What the demo prints while it works."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

BEGAN = float(os.environ.get("GANETIX_DEMO_BEGAN", time.time()))


class DemoFailed(Exception):
    """A step failed; the text says what, and what to do."""


def say(text: str) -> None:
    """A progress line with the seconds since bin/demo was typed."""
    print(f"[{time.time() - BEGAN:5.1f} s] {text}\n", end="", flush=True)


def detail(text: str) -> None:
    """A line that belongs to the progress line above."""
    print(f"          {text}\n", end="", flush=True)


def tail(path: Path, lines: int = 12) -> list[str]:
    """The last lines of a file; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 16384))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        return []


@contextlib.contextmanager
def shown_on_failure(*logs: Path) -> Iterator[None]:
    """If what is inside fails, show the ends of these log files."""
    try:
        yield
    except DemoFailed:
        for log in logs:
            if lines := tail(log):
                detail(f"the end of {log}:")
                for line in lines:
                    detail(f"  {line}")
        raise


def counted(number: int, what: str) -> str:
    """A number of things: 1 daemon, 2 daemons."""
    return f"{number} {what}{'s' * (number != 1)}"
