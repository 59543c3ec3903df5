"""One candidate as the master sees it: brought up to date, and kept so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ganetix.errors import GanetixError, StaleEpoch, StateFault
from ganetix.interfaces import IStateEngine
from ganetix.objects.replica import (
    Claim,
    Epoch,
    Group,
    Position,
    obeyed,
    stale_epoch,
)
from ganetix.objects.replica_calls import (
    ReplicaAppend,
    ReplicaPart,
    ReplicaStatus,
    ReplicaTaken,
)
from ganetix.plan.replicas import epoch_of, is_prefix
from ganetix.state.replicate_log import RecentLog
from ganetix.state.replicate_rows import batches_of, encode_rows, is_shared
from ganetix.state.rows import Row, RowKey

ANSWER_SECONDS = 2.0
"""Who does not answer for so long is recorded as out of step."""

HEARTBEAT_SECONDS = 1.0
RETRY_SECONDS = 1.0
PART_SECONDS = 10.0
MOST_BYTES = 1 << 20
MOST_GROUP_BYTES = 1 << 17
"""Of groups in one call; they are compressed."""

BUSY_BATCHES = 16
PACE_SECONDS = 0.01
"""How far apart calls are that carry so many batches: each call has its price."""

PAGE_ROWS = 250
_BEYOND = "\U0010ffff"

T = TypeVar("T")
Awaited = Deferred[Any]


class FollowerLinks(Protocol):
    """Calls to candidates, by UUID; see ``ganetix.config.replicate``."""

    def status(self, uuid: str, claim: Claim) -> Deferred[ReplicaStatus]:
        """What it holds; it has the master's secrets after that."""

    def append(self, uuid: str, request: ReplicaAppend) -> Deferred[ReplicaTaken]:
        """Add batches."""

    def part(self, uuid: str, request: ReplicaPart) -> Awaited:
        """Send a part of a snapshot."""


class Host(Protocol):
    """The replicator, as its followers see it."""

    head: int
    history: tuple[Epoch, ...]
    log: RecentLog
    engine: IStateEngine

    @property
    def claim(self) -> Claim:
        """Who commands."""

    def changed(self) -> None:
        """Something about a follower is not as it was."""

    def deposed(self, claim: Claim, why: str) -> None:
        """Somebody else commands, or holds what this master does not."""


class Follower:
    """Sends one candidate all that is durable here, in order.

    One call is under way at a time, and carries all that came up during the last.
    ``held`` is the last revision that is known to be durable there.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        uuid: str,
        name: str,
        host: Host,
        links: FollowerLinks,
    ) -> None:
        self._clock = clock
        self.uuid = uuid
        self.name = name
        self._host = host
        self._links = links
        self.held = 0
        self.is_met = False
        self.was_asked = False
        self._must_meet = False
        self.problem = "not asked yet"
        self.snapshot_from: int | None = None
        self._waits_since: float | None = None
        self._alarm: IDelayedCall | None = None
        self._wake: Deferred[None] | None = None
        self._running: Deferred[None] | None = None
        self._wait()

    @property
    def is_overdue(self) -> bool:
        """Whether it has owed an answer for too long."""
        since = self._waits_since
        return since is not None and self._clock.seconds() - since >= ANSWER_SECONDS

    @property
    def answers(self) -> bool:
        """Whether it follows, and is not overdue."""
        return self.is_met and not self.is_overdue

    def start(self) -> None:
        """Begin to follow."""
        self._running = Deferred.fromCoroutine(self._run())
        _ = self._running.addErrback(lambda failure: failure.trap(CancelledError))

    def stop(self) -> None:
        """Send no more."""
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        if self._running is not None:
            self._running.cancel()

    def meet_again(self) -> None:
        """Ask it anew what it has, before the next that is sent."""
        self._must_meet = True
        self.nudge()

    def nudge(self) -> None:
        """There is something to send."""
        if self._wake is not None:
            wake, self._wake = self._wake, None
            wake.callback(None)

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
                continue
            except CancelledError:
                raise
            except StaleEpoch as error:
                self._host.deposed(obeyed(error), "")
                return
            except TimeoutError:
                self._failed(f"no answer within {ANSWER_SECONDS:g} s")
            except GanetixError as error:
                self._failed(error.message)
            except Exception:  # noqa: BLE001 - it is tried again, whatever it was
                self._log.failure("replication to node {node} fails", node=self.name)
                self._failed("internal error, see the log")
            await deferLater(self._clock, RETRY_SECONDS)

    async def _follow(self) -> None:
        """Meet the candidate, and send until something fails."""
        host = self._host
        status = await self._timed(self._links.status(self.uuid, host.claim))
        self.was_asked = True
        self._check(status)
        if is_prefix(host.history, host.head, status.position):
            self.held = status.position.revision
        else:
            await self._snapshot()
        self._must_meet = False
        while not self._must_meet:
            await self._send()

    def _check(self, status: ReplicaStatus) -> None:
        claim, host = self._host.claim, self._host
        if not claim.is_obeyed_after(status.promise):
            raise stale_epoch(status.promise)
        own = Position(epoch=claim.number, revision=host.head)
        if status.position > own:
            host.deposed(
                Claim(),
                f"node {self.name} holds revision {status.position.revision} of epoch"
                f" {status.position.epoch}, this node only {own.revision} of"
                f" {own.epoch}",
            )
            raise CancelledError

    async def _send(self) -> None:
        """Send what there is, or a sign of life."""
        host = self._host
        groups = host.log.after(self.held, host.head, MOST_GROUP_BYTES)
        if groups is None:
            await self._snapshot()
            return
        if not groups and self.is_met:
            await self._more()
            groups = host.log.after(self.held, host.head, MOST_GROUP_BYTES) or []
        after = Position(epoch=epoch_of(host.history, self.held), revision=self.held)
        request = ReplicaAppend(claim=host.claim, after=after, groups=tuple(groups))
        self._wait()
        began = self._clock.seconds()
        taken = await self._timed(self._links.append(self.uuid, request))
        if not taken.matched:
            raise StateFault(f"it turned out to be at {taken.position}")
        self.held = taken.position.revision
        self._heard()
        early = began + PACE_SECONDS - self._clock.seconds()
        if early > 0 and self.held - after.revision >= BUSY_BATCHES:
            await deferLater(self._clock, early)

    async def _more(self) -> None:
        """Wait until there is something to send, or it is time for a sign of life."""
        wake: Deferred[None] = Deferred()
        self._wake = wake
        timer = self._clock.callLater(HEARTBEAT_SECONDS, self.nudge)
        try:
            await wake
        finally:
            self._wake = None
            if timer.active():
                timer.cancel()

    async def _snapshot(self) -> None:
        """Replace what the candidate holds by all that is here.

        Rows are read while others are written. What was written meanwhile is sent
        after them, so that in the end all are of one revision.
        """
        host = self._host
        self.is_met = False
        self.held = 0
        self._wait()
        self.problem = "receives a snapshot"
        host.changed()
        self._log.info("node {node} gets a snapshot of the state", node=self.name)
        self.snapshot_from = at = host.head
        number = 0
        try:
            after: RowKey | None = RowKey("", "")
            while after is not None:
                rows = await host.engine.page(after, PAGE_ROWS)
                after = _next_page(rows)
                for portion in _portions([row for row in rows if is_shared(row)]):
                    await self._part(number, portion)
                    number += 1
            while at < host.head:
                groups = host.log.after(at, host.head, MOST_GROUP_BYTES)
                if groups is None:
                    raise StateFault("more was written than the log can hold")
                for portion in _portions(_rows_of(groups)):
                    await self._part(number, portion)
                    number += 1
                at = groups[-1].last
            position = Position(epoch=epoch_of(host.history, at), revision=at)
            await self._part(number, (), position)
        finally:
            self.snapshot_from = None
        self.held = at

    async def _part(
        self, number: int, rows: Sequence[Row], adopt: Position | None = None
    ) -> None:
        request = ReplicaPart(
            claim=self._host.claim, part=number, rows=encode_rows(rows), adopt=adopt
        )
        await self._timed(self._links.part(self.uuid, request), PART_SECONDS)

    def _timed(self, d: Deferred[T], seconds: float = ANSWER_SECONDS) -> Deferred[T]:
        return d.addTimeout(seconds, self._clock)

    def _wait(self) -> None:
        """It owes an answer from now on, if it did not before."""
        if self._waits_since is None:
            self._waits_since = self._clock.seconds()
            self._set_alarm(self._waits_since)

    def _set_alarm(self, since: float) -> None:
        if self._alarm is None or not self._alarm.active():
            delay = max(since + ANSWER_SECONDS - self._clock.seconds(), 0.0)
            self._alarm = self._clock.callLater(delay, self._alarmed)

    def _alarmed(self) -> None:
        self._alarm = None
        if self.is_overdue:
            self._host.changed()
        elif self._waits_since is not None:
            self._set_alarm(self._waits_since)

    def _heard(self) -> None:
        self._waits_since = None
        if not self.is_met:
            self._log.info("node {node} follows", node=self.name)
            self.is_met = True
        self.problem = ""
        self._host.changed()

    def _failed(self, why: str) -> None:
        if self.is_met or self.problem != why:
            self._log.warn(
                "replication to node {node} fails: {why}", node=self.name, why=why
            )
        self.is_met = False
        self.was_asked = True
        self.problem = why
        self._wait()
        self._host.changed()


def _next_page(rows: Sequence[Row]) -> RowKey | None:
    if not rows:
        return None
    last = rows[-1]
    # What is this store's own affair is not worth reading.
    return RowKey(last.kind, last.key if is_shared(last) else _BEYOND)


def _rows_of(groups: Sequence[Group]) -> list[Row]:
    return [
        row
        for group in groups
        for batch in batches_of(group)
        for row in batch.rows
        if is_shared(row)
    ]


def _portions(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Rows in portions that one call may carry; no empty ones."""
    portion: list[Row] = []
    size = 0
    for row in rows:
        portion.append(row)
        size += len(row.data or b"") + len(row.key)
        if size >= MOST_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
