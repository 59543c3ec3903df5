"""Byte strings of any length as values of one AMP box. Imports no Twisted.

An AMP value holds at most 65,535 bytes. A long string is in pieces, to be joined
once: the first stands under ``key``, the others under ``key.1``, ``key.2`` …
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
    box[key] = data[:CHUNK]
    for number, at in enumerate(range(CHUNK, len(data), CHUNK), 1):
        box[b"%s.%d" % (key, number)] = data[at : at + CHUNK]


def take_chunks(box: MutableMapping[bytes, bytes], key: bytes) -> bytes:
    """Take what ``put_chunks`` wrote out of the box; ``BadParameter`` if missing."""
    piece = box.pop(key, None)
    if piece is None:
        raise BadParameter(f"{key.decode(errors='replace')}: missing in this message")
    if len(piece) < CHUNK:
        return piece
    pieces: list[bytes] = []
    while piece is not None:
        pieces.append(piece)
        piece = box.pop(b"%s.%d" % (key, len(pieces)), None)
    return b"".join(pieces)
