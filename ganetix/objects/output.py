"""What commands write, as lines of text that lose no byte.

Logs of jobs are lines of text, so what a command wrote travels and is kept as such.
Characters that can be printed, and tabs, stand for themselves; a backslash is two, and
any other byte ``\\xNN``. A line that ends in ``\\c`` is a piece: no newline follows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

Stream = Literal["stdout", "stderr"]

MOST_PLAIN = 3000
"""Bytes, and characters, that a line tells at most: logs cut what is beyond 4096."""
MOST_ESCAPED = MOST_PLAIN // 4

_LINE = re.compile(r"(\S+) (stdout|stderr): (.*)", re.DOTALL)


class Written(NamedTuple):
    """Bytes that a command wrote on a node: a line with its newline, or a piece."""

    node: str
    stream: Stream
    data: bytes


class OutputText:
    """Turns one stream of a command into lines of text, as they come.

    :param tell: takes ``stdout: TEXT`` or ``stderr: TEXT``
    """

    def __init__(self, stream: Stream, tell: Callable[[str], None]) -> None:
        self._stream = stream
        self._tell = tell
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take what was written; what is no whole line yet waits for the rest."""
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._tell(f"{self._stream}: {as_text(self._without_beginning(line))}")
        self._rest = self._without_beginning(rest)

    def end(self) -> None:
        """Nothing more comes."""
        if self._rest:
            self._tell_piece(self._rest)
            self._rest = b""

    def _without_beginning(self, line: bytes) -> bytes:
        """The end of a line, short enough to be told; what is before it was."""
        start = 0
        while len(line) - start > MOST_ESCAPED:
            piece = _beginning(line[start : start + MOST_PLAIN])
            if len(line) - start == len(piece):
                break
            self._tell_piece(piece)
            start += len(piece)
        return line[start:]

    def _tell_piece(self, piece: bytes) -> None:
        self._tell(f"{self._stream}: {as_text(piece)}\\c")


def as_text(data: bytes) -> str:
    """Bytes without newline as text that can be printed.

    Where they are not UTF-8, none but ASCII characters stand for themselves.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1").translate(_byte_escapes)
    if text.isprintable() and "\\" not in text:
        return text
    return text.translate(_escapes)


def _beginning(data: bytes) -> bytes:
    """As much of it as can be told at a time; no half character if that is UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        if error.start < len(data) - 3:
            return data[:MOST_ESCAPED]
        data = data[: error.start]
    return data if len(as_text(data)) <= MOST_PLAIN else data[:MOST_ESCAPED]


def log_line(node: str, told: str) -> str:
    """A line of a job's log, of what a node told."""
    return f"{node} {told}"


def written(line: str) -> Written | None:
    """What a line of a job's log stands for; None if it is of another kind."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    node, stream, text = match.groups()
    data, newline = text.encode(), b"\n"
    if b"\\" in data:
        # Of an even number of backslashes before the "c", none belongs to it.
        before = data[:-1]
        if data[-1:] == b"c" and (len(before) - len(before.rstrip(b"\\"))) % 2:
            data, newline = before[:-1], b""
        try:
            # Python's own escapes, of which ours are a few; it keeps other bytes.
            data = data.decode("unicode_escape").encode("latin-1")
        except UnicodeError:
            return None
    return Written(node, "stdout" if stream == "stdout" else "stderr", data + newline)


class _Escapes(dict[int, str]):
    """What stands for each character, by its number."""

    def __missing__(self, number: int) -> str:
        character = chr(number)
        if character == "\\":
            return "\\\\"
        if character == "\t" or character.isprintable():
            return character
        return "".join(f"\\x{byte:02x}" for byte in character.encode())


_escapes = _Escapes()
_escapes |= {number: _escapes[number] for number in range(128)}
_byte_escapes = _escapes | {byte: f"\\x{byte:02x}" for byte in range(128, 256)}
