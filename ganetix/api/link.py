"""A connection to the master's AMP socket, and what comes over it unasked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.interfaces import IReactorTime, IReactorUNIX
from twisted.protocols.amp import UnhandledCommand, UnknownRemoteError

from ganetix import __version__
from ganetix.api import commands
from ganetix.api.commands import Answer
from ganetix.api.wire import ApiCommand, ApiFault, SafeAmp
from ganetix.api.words import (
    CONNECT_SECONDS,
    PROTOCOL,
    check_socket_path,
    hung_up,
    no_answer,
    no_connection,
    not_known,
)
from ganetix.errors import GanetixError, RemoteFailure, Unavailable, WireError
from ganetix.jobs.model import Job
from ganetix.jobs.values import JobMark, JobUpdate

OnUpdate = Callable[[JobUpdate], object]
OnOutput = Callable[[bytes], object]


class Link(SafeAmp):
    """One connection; hands what the master sends to those who asked for it."""

    def __init__(self) -> None:
        super().__init__()
        self.follows: dict[int, Follow] = {}
        self.consoles: dict[int, ConsoleClient] = {}

    def closed(self) -> None:
        lost = Unavailable("the connection to ganetix-master was lost")
        for follow in tuple(self.follows.values()):
            follow.lost()
        for console in tuple(self.consoles.values()):
            console.end(lost)

    @commands.JobEvents.responder
    def job_events(self, watch: int, updates: tuple[JobUpdate, ...]) -> Answer:
        if follow := self.follows.get(watch):
            for update in updates:
                follow.take(update)
        return {"result": None}

    @commands.JobsEnded.responder
    def jobs_ended(
        self, watch: int, updates: tuple[JobUpdate, ...], error: WireError | None
    ) -> Answer:
        if follow := self.follows.get(watch):
            for update in updates:
                follow.take(update)
            follow.end(error)
        return {}

    @commands.ConsoleOutput.responder
    def console_output(self, session: int, data: bytes) -> Answer:
        if console := self.consoles.get(session):
            console.on_output(data)
        return {"result": None}

    @commands.ConsoleEnded.responder
    def console_ended(self, session: int, error: WireError | None) -> Answer:
        if console := self.consoles.get(session):
            console.end(GanetixError.from_wire(error) if error else None)
        return {"result": None}


class Follow:
    """How far one follower of jobs has come, over all its connections."""

    def __init__(self, on_update: OnUpdate) -> None:
        self._on_update = on_update
        self._has_failed = False
        self._marks: dict[int, JobMark] = {}
        self.jobs: dict[int, Job] = {}
        self.events = 0
        self.ended: Deferred[None] = Deferred()

    def expect(self, job_ids: Iterable[int]) -> None:
        """Follow these jobs. Of some there may have been news already."""
        for job_id in job_ids:
            if job_id not in self.jobs:
                self._marks[job_id] = JobMark(job_id)

    @property
    def open_marks(self) -> Sequence[JobMark]:
        """Where the jobs stand that have not ended."""
        return tuple(self._marks.values())

    def take(self, update: JobUpdate) -> None:
        """News of a job; what ``on_update`` raises ends the following with it."""
        job, lines = update.job, update.lines
        self.events += 1
        self.jobs[job.id] = job
        last_line = lines[-1].serial if lines else job.log_serial
        if job.ended is not None and last_line >= job.log_serial:
            self._marks.pop(job.id, None)
        else:
            mark = self._marks.get(job.id)
            seen = 0 if mark is None else mark.log_serial
            seen = lines[-1].serial if lines else seen
            self._marks[job.id] = JobMark(job.id, job.serial, seen)
        if self._has_failed:
            return
        try:
            self._on_update(update)
        except Exception as error:  # noqa: BLE001 - raised where the jobs are awaited
            self._has_failed = True
            self._fire(error)
            return
        if not self._marks:
            self._fire(None)

    def end(self, error: WireError | None) -> None:
        """The master ended the watch: with an error, or with the last job."""
        if error is None:
            self._marks.clear()
        self._fire(None if error is None else GanetixError.from_wire(error))

    def lost(self) -> None:
        """The connection ended."""
        self._fire(None)

    def _fire(self, error: Exception | None) -> None:
        ended, self.ended = self.ended, Deferred()
        if ended.called:
            return
        if error is None:
            ended.callback(None)
        else:
            ended.errback(error)


class ConsoleClient:
    """An instance's console, seen from the client."""

    def __init__(self, link: Link, session: int, on_output: OnOutput) -> None:
        self._link = link
        self._session = session
        self._waiting: list[Deferred[None]] = []
        self._has_ended = False
        self._error: GanetixError | None = None
        self.on_output = on_output

    def write(self, data: bytes) -> Deferred[None]:
        """Type bytes."""
        return self._ask(commands.ConsoleInput, data=data)

    def close(self) -> Deferred[None]:
        """Detach; ``ended`` fires."""
        return self._ask(commands.ConsoleClose)

    def ended(self) -> Deferred[None]:
        """A fresh Deferred: fires when the session is over, or fails with why."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        self._tell()
        return waiting

    def end(self, error: GanetixError | None) -> None:
        """Called by the connection at the session's end."""
        if not self._has_ended:
            self._has_ended, self._error = True, error
            self._tell()

    def _ask(self, command: type[ApiCommand], **values: object) -> Deferred[None]:
        asked = answer(self._link, command, {"session": self._session, **values})
        return Deferred.fromCoroutine(asked)

    def _tell(self) -> None:
        if not self._has_ended:
            return
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if self._error is None:
                each.callback(None)
            else:
                each.errback(self._error)


async def dial(
    reactor: IReactorUNIX, socket_path: Path, master_name: str
) -> tuple[Link, str]:
    """A connection that speaks our protocol, and the master's version.

    Fails with ``Unavailable``, ``NotAllowed`` or ``BadParameter``.
    """
    check_socket_path(socket_path)
    endpoint = UNIXClientEndpoint(reactor, str(socket_path), timeout=CONNECT_SECONDS)
    try:
        link: Link = await connectProtocol(endpoint, Link())
    except ConnectError as error:
        number = error.osError if isinstance(error.osError, int) else None
        raise no_connection(socket_path, master_name, number) from error
    hello = {"protocol": PROTOCOL, "version": __version__}
    asked: Deferred[str] = Deferred.fromCoroutine(answer(link, commands.Hello, hello))
    try:
        version = await asked.addTimeout(CONNECT_SECONDS, IReactorTime(reactor))
    except TimeoutError as error:
        link.hang_up(at_once=True)
        raise no_answer(socket_path) from error
    except BaseException:
        link.hang_up()
        raise
    return link, version


async def answer(
    link: Link, command: type[ApiCommand], values: dict[str, object]
) -> Any:
    """One command's ``result``; fails with what the master raised."""
    try:
        return await link.ask(command, **values)
    except ApiFault as fault:
        raise fault.error() from None
    except ConnectionClosed as error:
        raise hung_up() from error
    except UnhandledCommand as error:
        raise not_known(command.__name__) from error
    except UnknownRemoteError as error:
        raise RemoteFailure(f"{command.__name__}: {error}") from error
