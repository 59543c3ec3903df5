"""AMP's boxes on a blocking stream, for those who ask one thing. Imports no Twisted.

The format is that of the AMP protocol: keys and values in turn, each behind its
length in two bytes; an empty key ends the box.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import BinaryIO

MAX_BOX = 16 * 1024 * 1024 + 256 * 1024
_LENGTH = struct.Struct("!H")


def packed(box: Mapping[bytes, bytes]) -> bytes:
    """The box as it travels."""
    strings = [text for pair in box.items() for text in pair]
    return b"".join(_LENGTH.pack(len(text)) + text for text in strings) + b"\0\0"


def read_box(stream: BinaryIO) -> dict[bytes, bytes]:
    """The next box; ``EOFError`` at the end, ``ValueError`` if it is too long."""
    strings: list[bytes] = []
    total = 0
    while True:
        (length,) = _LENGTH.unpack(_read(stream, 2))
        if length == 0 and len(strings) % 2 == 0:
            return dict(zip(strings[::2], strings[1::2], strict=True))
        total += length
        if total > MAX_BOX:
            raise ValueError("a message that is too long")
        strings.append(_read(stream, length))


def _read(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data
