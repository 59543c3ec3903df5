"""The client's end of the master's AMP socket, with typed methods.

A job that is followed survives a restart of the master: the client connects again
and goes on from what it has seen.
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.interfaces import IReactorTime, IReactorUNIX
from twisted.internet.task import deferLater
from twisted.protocols.amp import UnhandledCommand, UnknownRemoteError

from ganetix import __version__
from ganetix.api import commands
from ganetix.api.commands import PROTOCOL, Answer
from ganetix.api.types import (
    ClusterInfo,
    EnrolRequest,
    FieldInfo,
    IssuedToken,
    JobUpdate,
    LockInfo,
    QueryKind,
    QueryRequest,
    QueryResult,
    SubmitRequest,
)
from ganetix.api.wire import ApiCommand, ApiFault, SafeAmp
from ganetix.errors import (
    BadParameter,
    GanetixError,
    NotAllowed,
    RemoteFailure,
    Unavailable,
    WireError,
)
from ganetix.jobs.model import Job
from ganetix.objects.node import Enrolment

CONNECT_SECONDS = 10.0
RECONNECT_SECONDS = 60.0
FIRST_DELAY = 0.2
MAX_SOCKET_PATH = 107

T = TypeVar("T")
OnUpdate = Callable[[JobUpdate], object]
OnOutput = Callable[[bytes], object]
Say = Callable[[str], object]


def connect(
    reactor: IReactorUNIX,
    socket_path: Path,
    master_name: str = "",
    say: Say = lambda line: None,
) -> Deferred[ApiClient]:
    """Connect to the master on this host.

    Fails with ``Unavailable`` or ``NotAllowed``, in one line that says what to do.

    :param reactor: provides ``IReactorUNIX`` and ``IReactorTime``
    :param master_name: the master node's name as ssconf has it, for that line
    :param say: gets lines about a connection that was lost and came back
    """
    return Deferred.fromCoroutine(_connect(reactor, socket_path, master_name, say))


async def _connect(
    reactor: IReactorUNIX, socket_path: Path, master_name: str, say: Say
) -> ApiClient:
    client = ApiClient(reactor, socket_path, master_name, say)
    await client.hello()
    return client


class _Link(SafeAmp):
    """One connection; hands what the master sends to those who asked for it."""

    def __init__(self) -> None:
        super().__init__()
        self.follows: dict[int, _Follow] = {}
        self.consoles: dict[int, ConsoleClient] = {}

    def closed(self) -> None:
        lost = Unavailable("the connection to ganetix-master was lost")
        for follow in tuple(self.follows.values()):
            follow.end(None)
        for console in tuple(self.consoles.values()):
            console.end(lost)

    @commands.JobEvent.responder
    def job_event(
        self, watch: int, update: JobUpdate | None, error: WireError | None
    ) -> Answer:
        if follow := self.follows.get(watch):
            if update is None:
                follow.end(error)
            else:
                follow.take(update)
        return {"result": None}

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


class _Follow:
    """How far one follower of a job has come, over all its connections."""

    def __init__(self, on_update: OnUpdate) -> None:
        self._on_update = on_update
        self.job: Job | None = None
        self.log_serial = 0
        self.events = 0
        self.ended: Deferred[None] = Deferred()

    def take(self, update: JobUpdate) -> None:
        self.job = update.job
        self.events += 1
        if update.lines:
            self.log_serial = max(self.log_serial, update.lines[-1].serial)
        self._on_update(update)

    def end(self, error: WireError | None) -> None:
        """The watch ended: with an error, or with the job or the connection."""
        ended, self.ended = self.ended, Deferred()
        if ended.called:
            return
        if error is None:
            ended.callback(None)
        else:
            ended.errback(GanetixError.from_wire(error))


class ConsoleClient:
    """An instance's console, seen from the client."""

    def __init__(self, client: ApiClient, session: int, on_output: OnOutput) -> None:
        self._client = client
        self._session = session
        self._waiting: list[Deferred[None]] = []
        self._has_ended = False
        self._error: GanetixError | None = None
        self.on_output = on_output

    def write(self, data: bytes) -> Deferred[None]:
        """Type bytes."""
        return self._client.ask(commands.ConsoleInput, session=self._session, data=data)

    def close(self) -> Deferred[None]:
        """Detach; ``ended`` fires."""
        return self._client.ask(commands.ConsoleClose, session=self._session)

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

    def _tell(self) -> None:
        if not self._has_ended:
            return
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if self._error is None:
                each.callback(None)
            else:
                each.errback(self._error)


class ApiClient:
    """Asks the master; connects again by itself when a connection was lost."""

    def __init__(
        self, reactor: IReactorUNIX, socket_path: Path, master_name: str, say: Say
    ) -> None:
        self._reactor = reactor
        self._clock = IReactorTime(reactor)
        self._socket_path = socket_path
        self._master_name = master_name
        self._say = say
        self._link: _Link | None = None
        self._numbers = itertools.count(1)
        self._told_of_loss = False
        self.master_version = ""

    def hello(self) -> Deferred[str]:
        """The master's version; makes sure of the connection."""
        return Deferred.fromCoroutine(self._hello())

    def submit(self, requests: Sequence[SubmitRequest]) -> Deferred[tuple[int, ...]]:
        """Submit jobs, all or none; their ids once they are durable."""
        return self.ask(commands.SubmitJobs, requests=tuple(requests))

    def cancel(self, job_id: int) -> Deferred[tuple[bool, str]]:
        """Cancel a job; whether that was possible, and a line for the user."""
        return self.ask(commands.CancelJob, job_id=job_id)

    def why(self, job_id: int) -> Deferred[tuple[str, ...]]:
        """Why a job waits."""
        return self.ask(commands.Why, job_id=job_id)

    def locks(self) -> Deferred[tuple[LockInfo, ...]]:
        """All locks that are held or waited for."""
        return self.ask(commands.Locks)

    def query(self, request: QueryRequest) -> Deferred[QueryResult]:
        """List objects."""
        return self.ask(commands.Query, request=request)

    def fields(self, kind: QueryKind) -> Deferred[tuple[FieldInfo, ...]]:
        """The fields of a kind."""
        return self.ask(commands.QueryFields, kind=kind)

    def cluster_info(self) -> Deferred[ClusterInfo]:
        """The cluster at a glance."""
        return self.ask(commands.GetClusterInfo)

    def issue_token(
        self, node_name: str, lifetime_seconds: float
    ) -> Deferred[IssuedToken]:
        """A one-time join token for a node that has a reservation."""
        return self.ask(
            commands.IssueJoinToken,
            node_name=node_name,
            lifetime_seconds=float(lifetime_seconds),
        )

    def enrol(self, request: EnrolRequest) -> Deferred[Enrolment]:
        """Certificate and ssconf for a node that shows its token."""
        return self.ask(commands.Enrol, request=request)

    def console_tail(self, instance: str, lines: int) -> Deferred[str]:
        """The last lines of an instance's console log."""
        return self.ask(commands.ConsoleTail, instance=instance, lines=lines)

    def console_open(
        self, instance: str, on_output: OnOutput
    ) -> Deferred[ConsoleClient]:
        """Attach to an instance's console."""
        return Deferred.fromCoroutine(self._console_open(instance, on_output))

    def follow(
        self,
        job_id: int,
        on_update: OnUpdate,
        reconnect_seconds: float = RECONNECT_SECONDS,
    ) -> Deferred[Job]:
        """The job when it has ended; ``on_update`` gets all its changes and lines.

        When the master goes away, waits up to ``reconnect_seconds`` for it to come
        back. Cancelling this ends the following, not the job.
        """
        return Deferred.fromCoroutine(
            self._follow(job_id, on_update, reconnect_seconds)
        )

    def close(self) -> None:
        """Close the connection."""
        if self._link is not None:
            self._link.hang_up()

    def ask(self, command: type[ApiCommand], **values: object) -> Deferred[Any]:
        """One command's ``result``; fails with what the master raised."""
        return Deferred.fromCoroutine(self._ask(command, values))

    async def _ask(self, command: type[ApiCommand], values: dict[str, object]) -> Any:
        return await _answer(await self._open_link(), command, values)

    async def _hello(self) -> str:
        await self._open_link()
        return self.master_version

    async def _open_link(self) -> _Link:
        if self._link is not None and self._link.is_open:
            return self._link
        link = await self._dial()
        if self._link is not None and self._link.is_open:
            link.hang_up()
            return self._link
        self._link = link
        return link

    async def _dial(self) -> _Link:
        path = str(self._socket_path)
        if len(path.encode()) > MAX_SOCKET_PATH:
            raise BadParameter(
                f"socket path {path!r} is longer than {MAX_SOCKET_PATH} bytes:"
                " use a shorter root directory"
            )
        endpoint = UNIXClientEndpoint(self._reactor, path, timeout=CONNECT_SECONDS)
        try:
            link: _Link = await connectProtocol(endpoint, _Link())
        except ConnectError as error:
            raise self._no_connection(error) from error
        asked: Deferred[str] = Deferred.fromCoroutine(
            _answer(
                link, commands.Hello, {"protocol": PROTOCOL, "version": __version__}
            )
        )
        try:
            self.master_version = await asked.addTimeout(CONNECT_SECONDS, self._clock)
        except TimeoutError as error:
            link.hang_up(at_once=True)
            raise Unavailable(
                f"ganetix-master took the connection but did not answer in"
                f" {CONNECT_SECONDS:g} s (socket {path})"
            ) from error
        except BaseException:
            link.hang_up()
            raise
        return link

    def _no_connection(self, error: ConnectError) -> GanetixError:
        path = self._socket_path
        if error.osError in (errno.EACCES, errno.EPERM):
            return NotAllowed(
                f"no permission to use ganetix-master's socket {path}: run this as"
                " root or as a member of the socket's group"
            )
        where = (
            f"run this on the master node {self._master_name}"
            if self._master_name
            else "run this on the master node"
        )
        return Unavailable(
            f"ganetix-master does not run here (socket {path}); start it with"
            f" 'twistd ganetix-master', or {where}"
        )

    async def _console_open(self, instance: str, on_output: OnOutput) -> ConsoleClient:
        link = await self._open_link()
        number = next(self._numbers)
        console = ConsoleClient(self, number, on_output)
        link.consoles[number] = console
        try:
            await _answer(
                link, commands.ConsoleOpen, {"session": number, "instance": instance}
            )
        except BaseException:
            del link.consoles[number]
            raise
        return console

    async def _follow(
        self, job_id: int, on_update: OnUpdate, reconnect_seconds: float
    ) -> Job:
        follow = _Follow(on_update)
        lost_at: float | None = None
        delay = FIRST_DELAY
        while True:
            events = follow.events
            try:
                await self._watch_once(job_id, follow)
            except Unavailable:
                if self._link is None:
                    raise
            if follow.job is not None and follow.job.ended is not None:
                return follow.job
            now = self._clock.seconds()
            if lost_at is None or follow.events > events:
                lost_at, delay = now, FIRST_DELAY
            if now - lost_at >= reconnect_seconds:
                raise Unavailable(
                    f"ganetix-master did not come back within {reconnect_seconds:g} s;"
                    f" job {job_id} goes on when it runs again"
                )
            self._tell_loss(reconnect_seconds)
            await deferLater(self._clock, delay)
            delay = min(2.0, delay * 1.5)

    async def _watch_once(self, job_id: int, follow: _Follow) -> None:
        """Follow until the watch ends: with the job, or with the connection."""
        link = await self._open_link()
        number = next(self._numbers)
        ended = follow.ended
        link.follows[number] = follow
        try:
            await _answer(
                link,
                commands.WatchJob,
                {
                    "watch": number,
                    "job_id": job_id,
                    "serial": follow.job.serial if follow.job else 0,
                    "log_serial": follow.log_serial,
                },
            )
            self._tell_return()
            await ended
        except CancelledError:
            if link.is_open:
                _ = self.ask(commands.UnwatchJob, watch=number).addErrback(
                    lambda failure: failure.trap(GanetixError) and None
                )
            raise
        finally:
            del link.follows[number]

    def _tell_loss(self, limit_seconds: float) -> None:
        if not self._told_of_loss:
            self._told_of_loss = True
            self._say(
                "lost the connection to ganetix-master; waiting up to"
                f" {limit_seconds:g} s for it to come back"
            )

    def _tell_return(self) -> None:
        if self._told_of_loss:
            self._told_of_loss = False
            self._say("ganetix-master is back")


async def _answer(
    link: _Link, command: type[ApiCommand], values: dict[str, object]
) -> Any:
    try:
        return await link.ask(command, **values)
    except ApiFault as fault:
        raise fault.error() from None
    except ConnectionClosed as error:
        raise Unavailable(
            "the connection to ganetix-master was lost before it answered"
        ) from error
    except UnhandledCommand as error:
        raise RemoteFailure(
            f"the master does not know the command {command.__name__}: it is older"
        ) from error
    except UnknownRemoteError as error:
        raise RemoteFailure(f"{command.__name__}: {error}") from error
