"""What storages have in common."""

from __future__ import annotations

import re
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred

from ganetix.errors import BadParameter

MIB = 1 << 20

T = TypeVar("T")

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_uuid(text: str) -> bool:
    """Whether this is a UUID in canonical form."""
    return _UUID.fullmatch(text) is not None


def checked_uuid(kind: str, text: str) -> str:
    """The UUID given; ``BadParameter`` if it is none. Safe as a file name."""
    if not is_uuid(text):
        raise BadParameter(f"{kind} UUID {text!r} is not a UUID in lower case")
    return text


def mib_up(size: int) -> int:
    """Bytes as MiB, rounded up."""
    return -(-size // MIB)


async def uninterrupted(work: Deferred[T]) -> T:
    """Wait until ``work`` has ended, even if cancelled in the meantime.

    A thread or a command cannot be called back: what it leaves behind is known only
    at its end. Then the cancellation is passed on, unless the work failed by itself.
    """
    ended: Deferred[None] = Deferred()

    def tell(result: T) -> T:
        if not ended.called:
            ended.callback(None)
        return result

    _ = work.addBoth(tell)
    cancelled = False
    try:
        await ended
    except CancelledError:
        cancelled = True
    result = await work
    if cancelled:
        raise CancelledError
    return result
