"""Worker processes: long computations beside the reactor, several at a time."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import (
    IDelayedCall,
    IProcessTransport,
    IReactorProcess,
    IReactorTime,
)
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from ganetix.allocators.worker import LENGTH
from ganetix.errors import CommandFailed, Unavailable
from ganetix.flow.event import Event
from ganetix.plan.capacity.work import AnyWork, decode_reply, encode_work

IDLE_SECONDS = 600.0
MODULE = "ganetix.allocators.worker"


class Computer(Protocol):
    """Computes, wherever that is."""

    def compute(self, work: AnyWork) -> Deferred[Any]:
        """The result of the work, in its own type; fails with what it raised.

        Cancelling ends the computation.
        """


class WorkerPool:
    """Up to ``most`` processes; each computes one thing at a time.

    They are started when there is something to do, kept for what comes next, and ended
    after ten idle minutes. One whose work is cancelled is ended at once.

    :param reactor: provides ``IReactorProcess`` and ``IReactorTime``
    """

    _log = Logger()

    def __init__(self, reactor: object, environ: Mapping[str, str], most: int) -> None:
        self._processes = IReactorProcess(reactor)
        self._clock = IReactorTime(reactor)
        self._environ = dict(environ)
        self._most = most
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._waiting: deque[_Task] = deque()
        self._is_stopped = False
        self._empty = Event()
        self._empty.set()

    def compute(self, work: AnyWork) -> Deferred[Any]:
        """See :class:`Computer`."""
        if self._is_stopped:
            return fail(Unavailable("the master is stopping"))
        task = _Task(work, self._withdraw)
        self._waiting.append(task)
        self._go_on()
        return task.done

    def stop(self) -> Deferred[None]:
        """End all processes, and wait until they are gone; what they computed fails."""
        self._is_stopped = True
        while self._waiting:
            self._waiting.popleft().fail(Unavailable("the master is stopping"))
        for worker in tuple(self._all):
            worker.end()
        return self._empty.wait()

    def _go_on(self) -> None:
        while self._waiting and (worker := self._free_worker()) is not None:
            worker.begin(self._waiting.popleft())

    def _free_worker(self) -> _Worker | None:
        while self._idle:
            worker = self._idle.pop()
            if not worker.has_ended:
                return worker
        if len(self._all) >= self._most:
            return None
        worker = _Worker(self._clock, self._is_free, self._is_gone)
        self._all.add(worker)
        self._empty.clear()
        arguments = (sys.executable, "-m", MODULE)
        self._processes.spawnProcess(
            worker, sys.executable, arguments, env=self._environ
        )
        return worker

    def _is_free(self, worker: _Worker) -> None:
        self._idle.append(worker)
        self._go_on()

    def _is_gone(self, worker: _Worker) -> None:
        self._all.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        if not self._all:
            self._empty.set()
        if not self._is_stopped:
            self._go_on()

    def _withdraw(self, task: _Task) -> None:
        if task in self._waiting:
            self._waiting.remove(task)
            return
        for worker in self._all:
            if worker.task is task:
                worker.end()


class _Task:
    """Something to compute, and who waits for it."""

    def __init__(self, work: AnyWork, withdraw: Callable[[_Task], None]) -> None:
        self.work = work
        self.done: Deferred[Any] = Deferred(lambda _: withdraw(self))

    def fail(self, error: BaseException) -> None:
        if not self.done.called:
            self.done.errback(error)

    def succeed(self, data: bytes) -> None:
        if self.done.called:
            return
        try:
            result = decode_reply(self.work, data)
        except Exception:  # noqa: BLE001 (whatever it is, it is the computation's end)
            self.done.errback(Failure())
        else:
            self.done.callback(result)


class _Worker(ProcessProtocol):
    """One process."""

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        is_free: Callable[[_Worker], None],
        is_gone: Callable[[_Worker], None],
    ) -> None:
        self._clock = clock
        self._is_free = is_free
        self._is_gone = is_gone
        self._received = bytearray()
        self._said = b""
        self._sleep: IDelayedCall | None = None
        self.has_ended = False
        self.task: _Task | None = None

    def begin(self, task: _Task) -> None:
        """Compute this."""
        self._wake()
        self.task = task
        data = encode_work(task.work)
        self._process().write(LENGTH.pack(len(data)) + data)

    def end(self) -> None:
        """End the process, whatever it does."""
        self._wake()
        if not self.has_ended:
            self.has_ended = True
            with suppress(ProcessExitedAlready):
                self._process().signalProcess("KILL")

    def outReceived(self, data: bytes) -> None:
        """Part of a reply."""
        self._received += data
        if len(self._received) < LENGTH.size:
            return
        (length,) = LENGTH.unpack_from(self._received)
        if len(self._received) < LENGTH.size + length:
            return
        reply = bytes(self._received[LENGTH.size :])
        self._received.clear()
        task, self.task = self.task, None
        self._sleep = self._clock.callLater(IDLE_SECONDS, self.end)
        self._is_free(self)
        if task is not None:
            task.succeed(reply)

    def errReceived(self, data: bytes) -> None:
        """What it says before it fails."""
        self._said = (self._said + data)[-4000:]

    def processEnded(self, reason: Failure) -> None:
        """It is gone."""
        self._wake()
        self.has_ended = True
        task, self.task = self.task, None
        if task is not None and not task.done.called:
            said = self._said.decode(errors="replace")
            self._log.error("a worker process ended: {said}", said=said)
            last = said.strip().rpartition("\n")[2] or reason.getErrorMessage()
            task.fail(CommandFailed(f"the computation failed: {last}"))
        self._is_gone(self)

    def _wake(self) -> None:
        if self._sleep is not None and self._sleep.active():
            self._sleep.cancel()
        self._sleep = None

    def _process(self) -> IProcessTransport:
        transport = self.transport
        assert transport is not None  # noqa: S101 - spawnProcess has set it
        return transport
