"""How replication stands in the store: epochs, members, promise, recent batches.

Rows of the kinds ``local`` and ``recent`` are each store's own and never replicated.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from ganetix.errors import StateFault
from ganetix.objects.replica import Claim, Epoch, Group, Members
from ganetix.state.rows import Batch, Row, RowKey

T = TypeVar("T")

EPOCHS = RowKey("meta", "epochs")
MEMBERS = RowKey("meta", "members")
LOCAL = "local"
PROMISE = RowKey(LOCAL, "promise")
RECENT = "recent"
_COMPRESSION = 1

_decode_batches = msgspec.msgpack.Decoder(tuple[tuple[Row, ...], ...]).decode
_encode = msgspec.msgpack.Encoder().encode


def is_shared(row: Row) -> bool:
    """Whether the row is replicated."""
    return row.kind not in (LOCAL, RECENT)


def epochs_row(history: Sequence[Epoch]) -> Row:
    """The epochs so far, the present one last."""
    return Row(*EPOCHS, msgspec.json.encode(history))


def members_row(record: Members) -> Row:
    """The record of members."""
    return Row(*MEMBERS, msgspec.json.encode(record))


def promise_row(promise: Claim) -> Row:
    """The promise to obey nobody older."""
    return Row(*PROMISE, msgspec.json.encode(promise))


def epochs_in(rows: Iterable[Row]) -> tuple[Epoch, ...] | None:
    """The epochs, if one of the rows holds them; ``StateFault`` if it is damaged."""
    return _found(rows, EPOCHS, tuple[Epoch, ...])


def members_in(rows: Iterable[Row]) -> Members | None:
    """The record of members, if one of the rows holds it."""
    return _found(rows, MEMBERS, Members)


def promise_in(rows: Iterable[Row]) -> Claim | None:
    """The promise, if one of the rows holds it."""
    return _found(rows, PROMISE, Claim)


def group_of(epoch: int, last: int, batches: Sequence[Batch]) -> Group:
    """Batches up to revision ``last`` as they travel.

    Compressed, for a tenth is then sent, and kept, by everybody: rows are much alike.
    """
    data = zlib.compress(_encode([batch.rows for batch in batches]), _COMPRESSION)
    return Group(epoch=epoch, last=last, count=len(batches), data=data)


def batches_of(group: Group) -> list[Batch]:
    """The batches of a group; ``StateFault`` if they are not what it says."""
    try:
        plain = zlib.decompress(group.data)
        batches = [Batch(rows=rows) for rows in _decode_batches(plain)]
    except (msgspec.MsgspecError, zlib.error) as error:
        raise StateFault(
            f"batches up to {group.last} cannot be read: {error}"
        ) from None
    if len(batches) != group.count:
        raise StateFault(f"there are not {group.count} batches up to {group.last}")
    return batches


def recent_row(group: Group) -> Row:
    """A group as it is kept for those who lag."""
    return Row(*_recent_key(group), _encode(group))


def no_recent_row(group: Group) -> Row:
    """What removes a group that is no more recent."""
    return Row(*_recent_key(group), None)


def recent_in(rows: Iterable[Row]) -> list[Group]:
    """The groups in rows of the kind ``recent``, in order."""
    decode = msgspec.msgpack.Decoder(Group).decode
    try:
        return [decode(row.data or b"") for row in rows]
    except msgspec.MsgspecError as error:
        raise StateFault(f"recent batches cannot be read: {error}") from None


def encode_rows(rows: Sequence[Row]) -> bytes:
    """Rows as they travel in a snapshot."""
    return _encode(rows)


def decode_rows(data: bytes) -> tuple[Row, ...]:
    """Rows of a snapshot; ``StateFault`` if they cannot be read."""
    try:
        return msgspec.msgpack.decode(data, type=tuple[Row, ...])
    except msgspec.MsgspecError as error:
        raise StateFault(f"rows of a snapshot cannot be read: {error}") from None


def _recent_key(group: Group) -> RowKey:
    return RowKey(RECENT, f"{group.last:016d}")


def _found(rows: Iterable[Row], key: RowKey, kind: type[T]) -> T | None:
    data = None
    for row in rows:
        # The last word on a key counts.
        if row[:2] == key:
            data = row.data
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        message = f"state store: {key.kind} {key.key} cannot be read: {error}"
        raise StateFault(message) from error
