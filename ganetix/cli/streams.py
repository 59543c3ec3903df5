"""Where a command reads and writes; tests pass their own."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from typing import NamedTuple, TextIO

# Sequences that begin with ESC, then single control characters but tab and newline.
_CONTROLS = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]?|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_LONG_WORD = re.compile(r"(\S{100})\S{60,}(\S{20})")
_BEGINNING, _END = 1500, 400


def one_line(text: str) -> str:
    """A message without line breaks, control characters and what nobody would read.

    Of words and messages that are too long the beginning and the end stay.
    """
    joined = "; ".join(line.strip() for line in text.splitlines() if line.strip())
    short = _LONG_WORD.sub(r"\1…\2", joined)
    if len(short) > _BEGINNING + _END:
        short = f"{short[:_BEGINNING]} … {short[-_END:]}"
    return "".join(c if c.isprintable() else "?" for c in short)


def printable(text: str) -> str:
    """The text on one line, without what a terminal would obey.

    What guests, OS scripts and nodes say is not ours.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in text)


def without_controls(text: str) -> str:
    """Lines that a guest wrote, without what a terminal would obey or answer."""
    return _CONTROLS.sub("", text)


class Streams(NamedTuple):
    """Standard streams and environment of one command."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    environ: Mapping[str, str]

    @classmethod
    def real(cls) -> Streams:
        """Those of the process; one that it was started without is empty.

        A character that the locale's encoding lacks is written as ``?``.
        """
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")
        return cls(
            stdin=sys.stdin or open(os.devnull, encoding="utf-8"),
            stdout=sys.stdout or _nowhere(),
            stderr=sys.stderr or _nowhere(),
            environ=os.environ,
        )

    @property
    def is_interactive(self) -> bool:
        """Whether somebody is there to answer questions."""
        return self.stdin.isatty() and self.stderr.isatty()

    def out(self, text: str) -> None:
        """A line of results."""
        print(text, file=self.stdout)

    def note(self, text: str) -> None:
        """A line of progress or explanation."""
        print(text, file=self.stderr, flush=True)


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")
