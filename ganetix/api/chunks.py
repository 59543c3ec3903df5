"""Byte strings of any length as values of one AMP box. Imports no Twisted.

An AMP value holds at most 65,535 bytes. A long string stands under numbered keys:
``key`` holds their count, ``key.0``, ``key.1`` … the pieces, to be joined once.
"""

from __future__ import annotations

from collections.abc import MutableMapping

from ganetix.errors import BadParameter

CHUNK = 65_000
MAX_TOTAL = 16 * 1024 * 1024


def put_chunks(box: MutableMapping[bytes, bytes], key: bytes, data: bytes) -> None:
    """Write ``data`` into the box; ``BadParameter`` if it is over the total."""
    if len(data) > MAX_TOTAL:
        raise BadParameter(
            f"{key.decode()}: {len(data) / 2**20:.1f} MiB in one message; at most"
            f" {MAX_TOTAL // 2**20} MiB are allowed: ask for less at a time"
        )
    pieces = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
    box[key] = b"%d" % len(pieces)
    for number, piece in enumerate(pieces):
        box[b"%s.%d" % (key, number)] = piece


def take_chunks(box: MutableMapping[bytes, bytes], key: bytes) -> bytes:
    """Take what ``put_chunks`` wrote out of the box; ``BadParameter`` if broken."""
    try:
        count = int(box.pop(key))
        if not 0 <= count <= MAX_TOTAL // CHUNK + 1:
            raise ValueError(count)
        pieces = [box.pop(b"%s.%d" % (key, number)) for number in range(count)]
    except (KeyError, ValueError) as error:
        raise BadParameter(
            f"{key.decode(errors='replace')}: missing or broken in this message"
        ) from error
    return b"".join(pieces)
