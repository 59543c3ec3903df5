"""This node's replica of the state store: in order, durable, of one master."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ganetix.errors import Bug, StaleEpoch, StateFault, WrongState
from ganetix.interfaces import IReplicaEngine, Offload
from ganetix.node.obeyed import claim_by_rows
from ganetix.objects.replica import (
    Claim,
    Epoch,
    Group,
    Members,
    Position,
    stale_epoch,
)
from ganetix.objects.replica_calls import (
    ReplicaAppend,
    ReplicaPart,
    ReplicaRead,
    ReplicaRows,
    ReplicaStatus,
    ReplicaTaken,
)
from ganetix.state.replicate_log import RecentLog, journaled
from ganetix.state.replicate_rows import (
    EPOCHS,
    LOCAL,
    MEMBERS,
    PROMISE,
    RECENT,
    batches_of,
    decode_rows,
    encode_rows,
    epochs_in,
    is_shared,
    members_in,
    promise_row,
)
from ganetix.state.rows import Batch, Row, RowKey
from ganetix.state.sqlite import is_open_elsewhere
from ganetix.state.sqlite_replica import Peeked, SqliteReplica, peek

PAGE_ROWS = 250

T = TypeVar("T")


class Medium(Protocol):
    """Where the replica is kept; a master daemon on this node uses the same place."""

    def engine(self) -> IReplicaEngine:
        """What opens it; only one process can have it open."""

    def peek(self) -> Deferred[Peeked | None]:
        """What it holds, whoever has it open; None if there is nothing."""

    def is_serving(self) -> Deferred[bool]:
        """Whether another process has it open."""

    def remove(self) -> Deferred[None]:
        """Remove it."""


class FileMedium:
    """The replica in the file of the state store.

    :param offload: must do one thing at a time, in order
    """

    def __init__(self, path: Path, offload: Offload) -> None:
        self._path = path
        self._offload = offload

    def engine(self) -> IReplicaEngine:
        """What opens it."""
        return SqliteReplica(self._path, self._offload)

    def peek(self) -> Deferred[Peeked | None]:
        """What it holds."""
        return self._offload(lambda: peek(self._path, ("meta", LOCAL)))

    def is_serving(self) -> Deferred[bool]:
        """Whether another process has it open."""
        return self._offload(lambda: is_open_elsewhere(self._path))

    def remove(self) -> Deferred[None]:
        """Remove the file and what SQLite keeps beside it."""
        return self._offload(self._do_remove)

    def _do_remove(self) -> None:
        try:
            for path in self._path.parent.glob(f"{self._path.name}*"):
                path.unlink(missing_ok=True)
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise StateFault(f"{error.filename} cannot be removed: {why}") from error


class ReplicaStore:
    """Obeys the master of the newest epoch it has heard of, and none before.

    Not reentrant: the next call must wait for the end of the last.

    :param own: this node's UUID
    :param hear: told whom this store obeys, when it may be somebody new
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        own: str,
        medium: Medium,
        hear: Callable[[Claim], None] = lambda claim: None,
    ) -> None:
        self._own = own
        self._hear = hear
        self._medium = medium
        self._engine: IReplicaEngine | None = None
        self._forget()

    def _forget(self) -> None:
        self._revision = 0
        self._history: tuple[Epoch, ...] = ()
        self._record = Members()
        self._promise = Claim()
        self._recent = RecentLog()
        self._part = 0

    @property
    def _position(self) -> Position:
        epoch = self._history[-1].number if self._history else 0
        return Position(epoch=epoch, revision=self._revision)

    @property
    def is_open(self) -> bool:
        """Whether this process keeps the store."""
        return self._engine is not None

    async def status(self) -> ReplicaStatus:
        """What is here; never opens anything."""
        is_serving = False
        if self._engine is None:
            is_serving = await self._medium.is_serving()
            peeked = await self._medium.peek()
            self._forget()
            if peeked is not None:
                self._take_over(peeked.revision, peeked.rows)
        return ReplicaStatus(
            position=self._position,
            promise=self._promise,
            record=self._record,
            history=self._history,
            is_serving=is_serving,
        )

    async def promise(self, claim: Claim) -> ReplicaStatus:
        """Obey this claim from now on, and none before; what is here."""
        return await self._for(claim, self.status)

    async def append(self, request: ReplicaAppend) -> ReplicaTaken:
        """Write batches that follow what is here; not matched if they do not."""
        return await self._for(request.claim, lambda: self._append(request))

    async def part(self, request: ReplicaPart) -> None:
        """Take a part of a snapshot; with the last one it replaces what is here."""
        await self._for(request.claim, lambda: self._take(request))

    async def read(self, request: ReplicaRead) -> ReplicaRows:
        """Some rows beyond a key."""
        return await self._for(request.claim, lambda: self._read(request))

    async def release(self, claim: Claim) -> None:
        """Close the store, so that the master daemon of this node can open it."""
        if self._engine is not None:
            if not claim.is_obeyed_after(self._promise):
                raise stale_epoch(self._promise)
            await self.close()

    async def forget(self, claim: Claim) -> None:
        """Remove the replica: this node is no candidate any more."""
        await self._for(claim, self.close)
        await self._medium.remove()
        self._log.info("the replica of the state store is removed")

    async def leave(self) -> None:
        """Remove the replica, unless it is what a master daemon has open."""
        if self._engine is None and await self._medium.is_serving():
            return
        await self.close()
        await self._medium.remove()

    async def close(self) -> None:
        """Close the store; the next call opens it again."""
        engine, self._engine = self._engine, None
        self._forget()
        if engine is not None:
            await engine.close()

    async def _for(
        self, claim: Claim, work: Callable[[], Coroutine[Deferred[Any], Any, T]]
    ) -> T:
        """Do something for whoever claims to command, if it is to be obeyed."""
        engine = self._engine or await self._open(claim)
        try:
            if not claim.is_obeyed_after(self._promise):
                raise stale_epoch(self._promise)
            if claim.number > self._promise.number:
                await engine.note([promise_row(claim)])
                self._promise = claim
                self._hear(claim)
            return await work()
        except StaleEpoch:
            raise
        except BaseException:
            # What is known of the store may not be so any more.
            await self.close()
            raise

    async def _open(self, claim: Claim) -> IReplicaEngine:
        if await self._medium.is_serving():
            raise WrongState("the master daemon of this node has the state store open")
        peeked = await self._medium.peek()
        if peeked is not None:
            self._take_over(peeked.revision, peeked.rows)
            if not claim.is_obeyed_after(self._promise):
                raise stale_epoch(self._promise)
            if self._promise.master == self._own and self._is_own(claim):
                raise WrongState("this node is the master itself")
        engine = self._medium.engine()
        revision = await engine.open()
        try:
            self._take_over(revision, await engine.get([EPOCHS, MEMBERS, PROMISE]))
            useless = self._recent.load(await engine.load([RECENT]), revision)
            if useless:
                await engine.note(useless)
        except BaseException:
            await engine.close()
            raise
        self._engine = engine
        return engine

    def _is_own(self, claim: Claim) -> bool:
        """Whether the epoch claimed has begun, and this node is its master."""
        return bool(self._history) and (
            (self._history[-1].number, self._history[-1].master)
            == (claim.number, claim.master)
        )

    def _take_over(self, revision: int, rows: Sequence[Row]) -> None:
        self._revision = revision
        self._history = epochs_in(rows) or ()
        self._record = members_in(rows) or Members()
        self._promise = claim_by_rows(rows)
        self._recent = RecentLog()
        self._hear(self._promise)

    async def _append(self, request: ReplicaAppend) -> ReplicaTaken:
        if request.after != self._position:
            return ReplicaTaken(position=self._position, matched=False)
        if request.groups:
            await self._write(request.groups)
        return ReplicaTaken(position=self._position, matched=True)

    async def _write(self, groups: Sequence[Group]) -> None:
        batches: list[Batch] = []
        kept: list[Row] = []
        expected = self._revision + 1
        for group in groups:
            if group.first != expected:
                raise StateFault(
                    f"revision {group.first} came, {expected} was expected"
                )
            expected = group.last + 1
            batches += batches_of(group)
            kept += self._recent.add(group)
        rows = [row for batch in batches for row in batch.rows]
        if not all(map(is_shared, rows)):
            raise StateFault("a batch has rows that are no business of others")
        history = epochs_in(rows) or self._history
        if not history or history[-1].number != groups[-1].epoch:
            raise StateFault(f"batches of epoch {groups[-1].epoch} do not begin it")
        record = members_in(rows) or self._record
        self._revision = await self._opened().commit(journaled(batches, kept))
        self._history, self._record = history, record

    async def _take(self, request: ReplicaPart) -> None:
        engine = self._opened()
        if request.part != 0 and request.part != self._part:
            raise WrongState(
                f"part {request.part} of a snapshot came, {self._part} was expected"
            )
        rows = decode_rows(request.rows)
        await engine.stage(rows, request.part == 0)
        self._part = request.part + 1
        if request.adopt is None:
            return
        self._part = 0
        revision = request.adopt.revision
        await engine.adopt(revision, LOCAL)
        self._take_over(revision, await engine.get([EPOCHS, MEMBERS, PROMISE]))
        if self._position != request.adopt:
            raise StateFault(
                f"the snapshot is of epoch {self._position.epoch}, not of"
                f" {request.adopt.epoch}"
            )
        self._log.info("holds a snapshot of revision {revision}", revision=revision)

    async def _read(self, request: ReplicaRead) -> ReplicaRows:
        after = RowKey(request.kind, request.key)
        rows = await self._opened().page(after, PAGE_ROWS)
        if not rows:
            return ReplicaRows(rows=encode_rows(()))
        shared = [row for row in rows if is_shared(row)]
        last = rows[-1]
        return ReplicaRows(rows=encode_rows(shared), kind=last.kind, key=last.key)

    def _opened(self) -> IReplicaEngine:
        if self._engine is None:
            raise Bug("the replica is not open")
        return self._engine
