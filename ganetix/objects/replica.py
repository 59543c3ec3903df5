"""Values of replication: who commands since when, what each candidate holds."""

from __future__ import annotations

import msgspec

from ganetix.errors import StaleEpoch
from ganetix.objects.base import Value


class Epoch(Value, frozen=True, kw_only=True):
    """One master's time: from its fail-over to the next.

    ``base`` is the last revision of the time before; the epoch's own begin after it.
    ``master`` is a node's UUID, ``since`` in seconds since the epoch of UNIX.
    """

    number: int
    master: str
    since: float = 0.0
    base: int = 0


class Claim(Value, frozen=True, kw_only=True):
    """A node's word that it commands in an epoch, or a candidate's promise to it."""

    number: int = 0
    master: str = ""
    since: float = 0.0

    def is_obeyed_after(self, promise: Claim) -> bool:
        """Whether somebody who gave that promise may obey this claim."""
        if self.number == promise.number:
            return self.master == promise.master
        return self.number > promise.number


def stale_epoch(promise: Claim) -> StaleEpoch:
    """The refusal of somebody who gave that promise."""
    return StaleEpoch(
        f"epoch {promise.number} has begun; its master is node {promise.master}",
        epoch=str(promise.number),
        master=promise.master,
        since=str(promise.since),
    )


def obeyed(error: StaleEpoch) -> Claim:
    """Who is obeyed, as the refusal says."""
    try:
        return Claim(
            number=int(error.detail["epoch"]),
            master=error.detail["master"],
            since=float(error.detail["since"]),
        )
    except (KeyError, ValueError):
        return Claim()


class Position(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """How far a store has come: the epoch of its last batch, and its revision.

    The greater one is the newer.
    """

    epoch: int = 0
    revision: int = 0


class Members(Value, frozen=True, kw_only=True):
    """The candidates whose word counts, master included, and those in step (UUIDs).

    One that is in step holds all that was acknowledged; one that is not may lack it.
    ``before`` were the members until this record, if it is not known to be
    acknowledged: their rule holds as well until then. ``holders`` are others who may
    have a replica: they are to get one, or to remove theirs.
    """

    members: tuple[str, ...] = ()
    in_step: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()


class Group(Value, frozen=True, kw_only=True):
    """Consecutive batches of one epoch, compressed, up to revision ``last``."""

    epoch: int
    last: int
    count: int
    data: bytes

    @property
    def first(self) -> int:
        """The revision of the first batch."""
        return self.last - self.count + 1
