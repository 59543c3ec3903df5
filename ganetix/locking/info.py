"""What the monitor shows of a lock."""

from __future__ import annotations

from collections.abc import Hashable

import msgspec

from ganetix.locking.levels import Mode

Owner = Hashable
"""Whoever holds locks: any value whose ``str`` is fit to print; None is nobody."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who holds a lock; ``since`` is the clock's time of the grant."""

    owner: Owner
    mode: Mode
    since: float


class Waiter(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who waits for a lock; ``since`` is the clock's time of the request."""

    owner: Owner
    mode: Mode
    priority: int
    since: float


class LockState(msgspec.Struct, frozen=True, kw_only=True):
    """A lock with its holders, and its waiters in the order they will be served."""

    name: str
    mode: Mode | None
    holders: tuple[Holder, ...]
    waiters: tuple[Waiter, ...]
