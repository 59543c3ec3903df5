"""The state store: durable batches with group commit, above any engine."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import ClassVar

from twisted.internet.defer import CancelledError, Deferred, fail, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ganetix.errors import StateFault
from ganetix.flow.event import Event
from ganetix.interfaces import IStateEngine
from ganetix.objects.base import Value
from ganetix.state.rows import Batch, Row, RowKey

SLOW_SECONDS = 1.0
GROUP_LIMIT = 1000
TELLING_SECONDS = 0.002
"""How long writers are told before more is written, and the reactor has its turn."""

PROBE_SECONDS = 5.0
"""How long after a fault the medium is tried by itself, if nobody writes before."""


class _Waiting(Value, frozen=True, kw_only=True):
    """A batch on its way, and who is told of its revision."""

    batch: Batch
    told: Deferred[int]


class StateStore:
    """Writes batches in the order they came; says so once they are durable.

    Batches that arrive while others are being written share the next transaction,
    each with a revision of its own. A group is written wholly or not at all; it is
    bounded, so that under a flood the first need not wait for the last.

    All that must agree before a writer is told comes together in ``_write_group``:
    today the engine alone.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(self, engine: IStateEngine, clock: IReactorTime) -> None:
        self._engine = engine
        self._clock = clock
        self._pending: list[_Waiting] = []
        self._untold: deque[tuple[Deferred[int], int | StateFault]] = deque()
        self._has_failed = False
        self._is_writing = False
        self._is_going_on = False
        self._call: IDelayedCall | None = None
        self._idle = Event()
        self._idle.set()
        self._is_open = False
        self._revision = 0
        self._fault: str | None = None
        self._probe: IDelayedCall | None = None

    @property
    def revision(self) -> int:
        """The last durable revision."""
        return self._revision

    @property
    def fault(self) -> str | None:
        """What was wrong with the medium at the last write; None if it went well."""
        return self._fault

    async def open(self) -> None:
        """Open or create the store; ``StateFault`` says what keeps it shut."""
        self._revision = await self._engine.open()
        self._is_open = True

    def write(self, rows: Sequence[Row], withdrawable: bool = True) -> Deferred[int]:
        """Write rows as one batch; fires with its revision when it is durable.

        Writers are told in the order in which they came. Fails with ``StateFault``,
        and then nothing of the batch is in the store. Cancelling withdraws a batch
        that is still waiting; one that is being written, or is not ``withdrawable``,
        is written nevertheless.
        """
        if not self._is_open:
            return fail(StateFault("the state store is not open"))
        told: Deferred[int] = Deferred(self._withdraw if withdrawable else None)
        waiting = _Waiting(batch=Batch(rows=tuple(rows)), told=told)
        self._pending.append(waiting)
        self._go_on()
        return told

    def load(self, kinds: Sequence[str]) -> Deferred[Sequence[Row]]:
        """All durable rows of these kinds, by kind and key."""
        return self._engine.load(kinds)

    def get(self, keys: Sequence[RowKey]) -> Deferred[Sequence[Row]]:
        """The durable rows of these keys that exist, in the order asked."""
        return self._engine.get(keys)

    def scan(
        self, kind: str, after: str, limit: int, backwards: bool = False
    ) -> Deferred[Sequence[Row]]:
        """Up to ``limit`` rows of a kind beyond key ``after``, in key order.

        An empty ``after`` starts at the first (``backwards``: the last) key.
        """
        return self._engine.scan(kind, after, limit, backwards)

    async def close(self) -> None:
        """Take no more batches, finish those that came, and close the engine."""
        if not self._is_open:
            return
        self._is_open = False
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None
        await self._idle.wait()
        await self._engine.close()

    def _go_on(self) -> None:
        """Write what is pending, and tell who was written, in one flat loop.

        The next group is being written while those of the last are told. What they
        write then comes in portions: as much as came up in a slice of time. After a
        failure all are told first: some withdraw what was built on what failed.
        """
        if self._is_going_on:
            return
        self._is_going_on = True
        self._idle.clear()
        while True:
            has_bad_news = self._has_failed and bool(self._untold)
            if self._pending and not (self._is_writing or has_bad_news):
                # An engine may answer at once.
                self._write_group()
            elif self._untold and self._call is None:
                self._tell_some()
            else:
                break
        self._is_going_on = False
        if not (self._is_writing or self._untold):
            self._idle.set()

    def _write_group(self) -> None:
        group = self._pending[:GROUP_LIMIT]
        self._pending = self._pending[GROUP_LIMIT:]
        self._is_writing = True
        began = self._clock.seconds()
        batches = [waiting.batch for waiting in group]
        written = maybeDeferred(self._engine.commit, batches)
        _ = written.addCallbacks(
            self._written, self._not_written, (group, began), {}, (group,)
        )

    def _written(self, last: int, group: Sequence[_Waiting], began: float) -> None:
        self._note_success(self._clock.seconds() - began, len(group))
        self._revision = last
        first = last - len(group) + 1
        self._untold.extend((w.told, first + n) for n, w in enumerate(group))
        self._is_writing = False
        self._go_on()

    def _not_written(self, failure: Failure, group: Sequence[_Waiting]) -> None:
        error = failure.value
        if not isinstance(error, StateFault):
            self._log.failure("state engine failed in an unexpected way", failure)
            error = StateFault(f"state store: {error}")
        self._note_fault(error)
        self._has_failed = True
        self._untold.extend(
            (w.told, StateFault(error.message, **error.detail)) for w in group
        )
        self._is_writing = False
        self._go_on()

    def _tell_some(self) -> None:
        until = self._clock.seconds() + TELLING_SECONDS
        while self._untold:
            told, outcome = self._untold.popleft()
            if told.called:
                # Whoever wrote this does not wait any more.
                continue
            if isinstance(outcome, StateFault):
                told.errback(outcome)
            else:
                told.callback(outcome)
            if self._clock.seconds() >= until:
                break
        if not self._untold:
            self._has_failed = False
        else:
            self._call = self._clock.callLater(0, self._resume)

    def _resume(self) -> None:
        self._call = None
        self._go_on()

    def _note_success(self, seconds: float, batches: int) -> None:
        if self._fault is not None:
            self._log.info("state store writes again")
            self._fault = None
        if seconds > SLOW_SECONDS:
            self._log.warn(
                "state store took {seconds:.1f} s to write {batches} batches",
                seconds=seconds,
                batches=batches,
            )

    def _note_fault(self, error: StateFault) -> None:
        if self._fault is None:
            self._log.error("cannot write: {fault}", fault=error.message)
        self._fault = error.message
        if self._probe is None and self._is_open:
            self._probe = self._clock.callLater(PROBE_SECONDS, self._try_medium)

    def _try_medium(self) -> None:
        self._probe = None
        if self._fault is not None:
            # An empty batch is written, too; if it fails, this comes again.
            _ = self.write(()).addErrback(lambda failure: failure.trap(StateFault))

    def _withdraw(self, told: Deferred[int]) -> None:
        self._pending = [w for w in self._pending if w.told is not told]
        told.errback(CancelledError())
