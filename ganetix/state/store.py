"""The state store: durable batches with group commit, above any engine."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from twisted.internet.defer import CancelledError, Deferred, fail, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ganetix.errors import StateFault
from ganetix.flow.event import Event
from ganetix.flow.shield import shielded
from ganetix.interfaces import IStateEngine
from ganetix.objects.base import Value
from ganetix.state.medium import Medium
from ganetix.state.replicas import Alone, Replicas
from ganetix.state.rows import Batch, Row, RowKey

T = TypeVar("T")

GROUP_LIMIT = 1000
TELLING_SECONDS = 0.002
"""How long writers are told before more is written, and the reactor has its turn."""

PATIENCE_SECONDS = 10.0
"""How long a batch waits to be written while something stands in the way."""

CLOSE_SECONDS = 2.0
"""How long a store that is being closed waits for the replicas."""

WINDOW = 4 * GROUP_LIMIT
"""So many batches may be written here and not yet be confirmed by replicas."""


class _Waiting(Value, frozen=True, kw_only=True):
    """A batch on its way, and who is told of its revision; ``since`` when it came."""

    batch: Batch
    told: Deferred[int]
    since: float


class StateStore:
    """Writes batches in the order they came; says so once they are durable.

    Batches that arrive while others are being written share the next transaction,
    each with a revision of its own. A group is written wholly or not at all; it is
    bounded, so that under a flood the first need not wait for the last.

    Writers are told once the replicas confirm what the engine has. While those cannot,
    nothing is written, and what has waited for ``PATIENCE_SECONDS`` fails.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        engine: IStateEngine,
        clock: IReactorTime,
        replicas: Replicas | None = None,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._replicas: Replicas = replicas or Alone()
        self._replicas.attach(self)
        self._written_to = 0
        self._records: list[Batch] = []
        self._unconfirmed: deque[tuple[int, Deferred[int]]] = deque()
        self._patience: IDelayedCall | None = None
        self._attended: dict[Deferred[Any], float] = {}
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
        self._medium = Medium(clock, self._try_medium)

    @property
    def revision(self) -> int:
        """The last revision that was confirmed."""
        return self._revision

    @property
    def fault(self) -> str | None:
        """What keeps the store from writing, as far as is known; None if nothing."""
        return self._medium.fault or self._replicas.obstacle

    async def open(self) -> None:
        """Open or create the store; ``StateFault`` says what keeps it shut."""
        revision = await self._engine.open()
        self._written_to = await self._replicas.open(self._engine, revision)
        self._revision = self._written_to
        self._is_open = True

    def write(self, rows: Sequence[Row], withdrawable: bool = True) -> Deferred[int]:
        """Write rows as one batch; fires with its revision when it is durable.

        Writers are told in the order in which they came. Fails with ``StateFault``,
        and then nothing of the batch is in the store, unless another has become
        master. Cancelling withdraws a batch
        that is still waiting; one that is being written, or is not ``withdrawable``,
        is written nevertheless.
        """
        if not self._is_open:
            return fail(StateFault("the state store is not open"))
        told: Deferred[int] = Deferred(self._withdraw if withdrawable else None)
        now = self._clock.seconds()
        waiting = _Waiting(batch=Batch(rows=tuple(rows)), told=told, since=now)
        self._pending.append(waiting)
        if not self._is_writing:
            # Otherwise it goes on when that is done.
            self._go_on()
        return told

    def attended(self, work: Deferred[T]) -> Deferred[T]:
        """A view of work that writes, for somebody who waits for it.

        It fails with ``StateFault`` once the replicas have confirmed nothing for
        ``PATIENCE_SECONDS``; the work goes on, and may be done when they do.
        """
        view = shielded(work)
        if not view.called:
            since = self._clock.seconds()
            self._attended[view] = since
            _ = view.addBoth(lambda result: self._let_go(result, view))
            self._be_patient(since)
        return view

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
        self._medium.close()
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        if self._replicas.obstacle is not None:
            self._refuse(self._pending, StateFault("the state store was closed"))
        closing = self._clock.callLater(CLOSE_SECONDS, self._not_confirmed)
        await self._idle.wait()
        if closing.active():
            closing.cancel()
        await self._engine.close()

    def confirm(self, revision: int) -> None:
        """Replicas: what is written up to this revision is where it must be."""
        while self._unconfirmed and self._unconfirmed[0][0] <= revision:
            at, told = self._unconfirmed.popleft()
            self._untold.append((told, at))
        self._revision = max(self._revision, min(revision, self._written_to))
        self._go_on()

    def record(self, rows: Sequence[Row]) -> None:
        """Replicas: write this as a group of its own, before all that waits."""
        self._records.append(Batch(rows=tuple(rows)))
        self._go_on()

    def go_on(self) -> None:
        """Replicas: writing may be possible again, or not any more."""
        self._go_on()
        if self._attended:
            self._be_patient(self._clock.seconds())

    def give_up(self, why: str) -> None:
        """Replicas: nothing is ever confirmed again."""
        error = StateFault(why)
        self._has_failed = True
        self._untold.extend((told, error) for _, told in self._unconfirmed)
        self._unconfirmed.clear()
        self._refuse(self._pending, error)

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
            if self._may_write() and not (self._is_writing or has_bad_news):
                # An engine may answer at once.
                self._write_group()
            elif self._untold and self._call is None:
                self._tell_some()
            else:
                break
        self._is_going_on = False
        if not (self._is_writing or self._untold or self._unconfirmed):
            self._idle.set()

    def _may_write(self) -> bool:
        if self._records:
            return True
        if not self._pending or len(self._unconfirmed) >= WINDOW:
            return False
        if self._replicas.obstacle is None:
            return True
        self._be_patient(self._pending[0].since)
        return False

    def _be_patient(self, since: float) -> None:
        """While there is an obstacle, look after those who wait since then."""
        if self._patience is None and self._is_open and self._replicas.obstacle:
            wait = max(since + PATIENCE_SECONDS - self._clock.seconds(), 0.0)
            self._patience = self._clock.callLater(wait, self._lose_patience)

    def _let_go(self, result: T, view: Deferred[Any]) -> T:
        self._attended.pop(view, None)
        return result

    def _lose_patience(self) -> None:
        """Refuse what has waited for too long, if the obstacle is still there."""
        self._patience = None
        obstacle = self._replicas.obstacle
        if obstacle is not None:
            latest = self._clock.seconds() - PATIENCE_SECONDS
            late = [w for w in self._pending if w.since <= latest]
            self._refuse(late, StateFault(obstacle))
            message = f"{obstacle}: it is not known whether this will be done"
            for view, since in tuple(self._attended.items()):
                if since <= latest and not view.called:
                    view.errback(StateFault(message))
        self._go_on()
        if self._attended:
            self._be_patient(min(self._attended.values()))

    def _not_confirmed(self) -> None:
        self.give_up("the state store was closed before the candidates had this")

    def _refuse(self, waiting: Sequence[_Waiting], error: StateFault) -> None:
        refused = {id(each) for each in waiting}
        self._pending = [w for w in self._pending if id(w) not in refused]
        self._has_failed = True
        self._untold.extend((w.told, error) for w in waiting)
        self._go_on()

    def _write_group(self) -> None:
        group: Sequence[_Waiting] = ()
        batches = self._records[:1]
        is_record = bool(batches)
        if is_record:
            del self._records[0]
        else:
            group = self._pending[:GROUP_LIMIT]
            self._pending = self._pending[GROUP_LIMIT:]
            batches = [waiting.batch for waiting in group]
        self._is_writing = True
        began = self._clock.seconds()
        last = self._written_to + len(batches)
        prepared = self._replicas.prepared(batches, last)
        written = maybeDeferred(self._engine.commit, prepared)
        _ = written.addCallbacks(
            self._written, self._not_written, (group, began), {}, (group,)
        )

    def _written(self, last: int, group: Sequence[_Waiting], began: float) -> None:
        self._medium.wrote(len(group), self._clock.seconds() - began)
        self._written_to = last
        first = last - len(group) + 1
        self._unconfirmed.extend((first + n, w.told) for n, w in enumerate(group))
        self._is_writing = False
        self._replicas.written(last, not group)
        self._go_on()

    def _not_written(self, failure: Failure, group: Sequence[_Waiting]) -> None:
        error = failure.value
        if not isinstance(error, StateFault):
            self._log.failure("state engine failed in an unexpected way", failure)
            error = StateFault(f"state store: {error}")
        self._medium.failed(error)
        self._has_failed = True
        self._untold.extend(
            (w.told, StateFault(error.message, **error.detail)) for w in group
        )
        self._is_writing = False
        self._replicas.not_written(not group)
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

    def _try_medium(self) -> None:
        # An empty batch is written, too; if it fails, this comes again.
        _ = self.write(()).addErrback(lambda failure: failure.trap(StateFault))

    def _withdraw(self, told: Deferred[int]) -> None:
        self._pending = [w for w in self._pending if w.told is not told]
        told.errback(CancelledError())
