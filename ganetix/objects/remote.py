"""Commands and files that the master carries to nodes."""

from __future__ import annotations

from ganetix.objects.base import Value

PART_BYTES = 1 << 20
"""How much of a file travels at a time."""

MOST_LINES = 10_000
"""How many lines of a command's output are told, by each node."""

MOST_LINES_OF_ALL = 900_000
"""How many of all nodes together; a job's log holds little more."""


class CommandRun(Value, frozen=True, kw_only=True):
    """A line for ``/bin/sh -c``; its output comes as lines of ``OutputText``."""

    command: str
    timeout_seconds: float


class CommandEnded(Value, frozen=True, kw_only=True):
    """Its exit status, or 128 and the signal that ended it, as shells count.

    ``told_lines`` were sent, ``hidden_lines`` were written beyond ``MOST_LINES`` and
    not told.
    """

    status: int
    told_lines: int = 0
    hidden_lines: int = 0


class FileOffer(Value, frozen=True, kw_only=True):
    """A file as it is at its source; owner and group by name, ``sha256`` in hex."""

    path: str
    size: int
    sha256: str
    mode: int
    owner: str
    group: str
    mtime: float


class FileState(Value, frozen=True, kw_only=True):
    """How many bytes of an offered file are there already, from an earlier try.

    ``is_same`` of one that needs nothing: contents, mode and owner agree.
    """

    received: int
    is_same: bool = False


class FilePart(Value, frozen=True, kw_only=True):
    """Bytes of an offered file, beginning at ``offset``."""

    path: str
    sha256: str
    offset: int
    data: bytes
