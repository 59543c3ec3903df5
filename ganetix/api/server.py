"""The master's AMP server: each connection's responders, watches and consoles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

import msgspec
from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from ganetix import __version__
from ganetix.api import commands
from ganetix.api.commands import Answer
from ganetix.api.master import ConsoleSession, MasterApi, Watch
from ganetix.api.types import QueryKind, QueryRequest
from ganetix.api.wire import SafeAmp, wire_error
from ganetix.api.words import PROTOCOL
from ganetix.errors import AlreadyExists, BadParameter, NoResources, NotFound, WireError
from ganetix.jobs.values import JobMark, JobUpdate, SubmitRequest
from ganetix.objects.node import EnrolRequest

MAX_STREAMS = 1024
LINES_PER_EVENT = 500
EVENT_BYTES = 64 * 1024
CONSOLE_PIECE = 32 * 1024


class ApiFactory(Factory[SafeAmp]):
    """Makes a server protocol for each client of ``master``."""

    noisy = False

    def __init__(self, master: MasterApi) -> None:
        self._master = master
        self.connections: set[ApiServer] = set()

    def buildProtocol(self, addr: IAddress | None) -> ApiServer:
        """A protocol for one client."""
        return ApiServer(self, self._master)

    def hang_up(self) -> None:
        """Close all connections, as a master that stops does."""
        for connection in tuple(self.connections):
            connection.hang_up()


class ApiServer(SafeAmp):
    """One client's connection."""

    waits_for_reader = True
    _log = Logger()

    def __init__(self, factory: ApiFactory, master: MasterApi) -> None:
        super().__init__()
        self._factory = factory
        self._master = master
        self._watches: dict[int, Watch | None] = {}
        self._consoles: dict[int, ConsoleSession | None] = {}

    def opened(self) -> None:
        """Count the client in."""
        self._factory.connections.add(self)

    def closed(self) -> None:
        """End what the client was watching; its jobs go on."""
        self._factory.connections.discard(self)
        for watch in tuple(self._watches.values()):
            if watch is not None:
                watch.close()
        for console in tuple(self._consoles.values()):
            if console is not None:
                console.close()

    @commands.Hello.responder
    def hello(self, protocol: int, version: str) -> Answer:
        """Refuse clients of another protocol."""
        if protocol != PROTOCOL:
            raise BadParameter(
                f"this command (version {version}) speaks API {protocol}, the master"
                f" (version {__version__}) API {PROTOCOL}: use the master's version"
            )
        return {"result": __version__}

    @commands.SubmitJobs.responder
    async def submit_jobs(self, requests: tuple[SubmitRequest, ...]) -> Answer:
        """Submit jobs."""
        return {"result": await self._master.submit(requests)}

    @commands.RunJobs.responder
    async def run_jobs(
        self, watch: int, requests: tuple[SubmitRequest, ...], ends_only: bool
    ) -> Answer:
        """Submit jobs, and begin to send their changes."""
        self._check_room(watch, self._watches)
        self._watches[watch] = None
        try:
            job_ids = await self._master.submit(requests)
        finally:
            del self._watches[watch]
        if self.is_open:
            self._begin_watch(watch, [JobMark(job_id) for job_id in job_ids], ends_only)
        return {"result": job_ids}

    @commands.CancelJob.responder
    async def cancel_job(self, job_id: int) -> Answer:
        """Cancel a job."""
        return {"result": await self._master.cancel(job_id)}

    @commands.ChangePriority.responder
    async def change_priority(self, job_id: int, priority: int) -> Answer:
        """Give a job another priority."""
        return {"result": await self._master.change_priority(job_id, priority)}

    @commands.ArchiveJobs.responder
    async def archive_jobs(self, job_ids: tuple[int, ...]) -> Answer:
        """Archive jobs."""
        return {"result": await self._master.archive(job_ids)}

    @commands.AutoArchiveJobs.responder
    async def auto_archive_jobs(self, age_seconds: float) -> Answer:
        """Archive old jobs."""
        if not age_seconds >= 0:
            raise BadParameter(f"age_seconds: {age_seconds} is less than 0")
        return {"result": await self._master.archive_older(age_seconds)}

    @commands.DrainQueue.responder
    async def drain_queue(self, is_drained: bool, reason: str) -> Answer:
        """Take no more jobs, or take them again."""
        return {"result": await self._master.drain(is_drained, reason)}

    @commands.GetQueueInfo.responder
    async def get_queue_info(self) -> Answer:
        """Show the queue."""
        return {"result": await self._master.queue_info()}

    @commands.Why.responder
    async def why(self, job_id: int) -> Answer:
        """Say why a job waits."""
        return {"result": tuple(await self._master.why(job_id))}

    @commands.Locks.responder
    async def locks(self) -> Answer:
        """List locks."""
        return {"result": tuple(await self._master.locks())}

    @commands.Query.responder
    async def query(self, request: QueryRequest) -> Answer:
        """List objects."""
        return {"result": await self._master.query(request)}

    @commands.QueryFields.responder
    def query_fields(self, kind: QueryKind) -> Answer:
        """List the fields of a kind."""
        return {"result": tuple(self._master.fields(kind))}

    @commands.GetClusterInfo.responder
    async def get_cluster_info(self) -> Answer:
        """Show the cluster."""
        return {"result": await self._master.cluster_info()}

    @commands.IssueJoinToken.responder
    async def issue_join_token(self, node_name: str, lifetime_seconds: float) -> Answer:
        """Issue a join token."""
        return {"result": await self._master.issue_token(node_name, lifetime_seconds)}

    @commands.Enrol.responder
    async def enrol(self, request: EnrolRequest) -> Answer:
        """Let a node in."""
        return {"result": await self._master.enrol(request)}

    @commands.StandDown.responder
    async def stand_down(self, successor: str) -> Answer:
        """End in favour of another."""
        await self._master.stand_down(successor)
        return {"result": None}

    @commands.WatchJobs.responder
    def watch_jobs(
        self, watch: int, jobs: tuple[JobMark, ...], ends_only: bool
    ) -> Answer:
        """Begin to send the changes of jobs."""
        self._check_room(watch, self._watches)
        self._begin_watch(watch, jobs, ends_only)
        return {"result": None}

    @commands.UnwatchJobs.responder
    def unwatch_jobs(self, watch: int) -> Answer:
        """End a watch."""
        if source := self._watches.get(watch):
            source.close()
        return {"result": None}

    @commands.ConsoleTail.responder
    async def console_tail(self, instance: str, lines: int) -> Answer:
        """The end of a console's log."""
        if not 1 <= lines <= 100_000:
            raise BadParameter(f"lines: {lines} is not between 1 and 100000")
        return {"result": await self._master.console_tail(instance, lines)}

    @commands.ConsoleOpen.responder
    async def console_open(self, session: int, instance: str) -> Answer:
        """Attach to a console."""
        self._check_room(session, self._consoles)
        self._consoles[session] = None

        def output(data: bytes) -> Deferred[None]:
            return Deferred.fromCoroutine(self._send_output(session, data))

        try:
            console = await self._master.console_open(instance, output)
        except BaseException:
            del self._consoles[session]
            raise
        self._consoles[session] = console
        _ = Deferred.fromCoroutine(self._send_end(session, console))
        if not self.is_open:
            console.close()
        return {"result": None}

    @commands.ConsoleInput.responder
    async def console_input(self, session: int, data: bytes) -> Answer:
        """Type at a console."""
        console = self._consoles.get(session)
        if console is None:
            raise NotFound(f"console session {session} is not open")
        await console.write(data)
        return {"result": None}

    @commands.ConsoleClose.responder
    def console_close(self, session: int) -> Answer:
        """Detach from a console."""
        if console := self._consoles.get(session):
            console.close()
        return {"result": None}

    @staticmethod
    def _check_room(number: int, streams: Mapping[int, object]) -> None:
        if number in streams:
            raise AlreadyExists(f"number {number} is in use on this connection")
        if len(streams) >= MAX_STREAMS:
            raise NoResources(f"more than {MAX_STREAMS} at once on one connection")

    def _begin_watch(
        self, number: int, marks: Sequence[JobMark], ends_only: bool
    ) -> None:
        source = self._watches[number] = self._master.watch(marks, ends_only)
        _ = Deferred.fromCoroutine(self._send_updates(number, source))

    async def _send_updates(self, number: int, source: Watch) -> None:
        last: Sequence[msgspec.Raw] = ()
        error: WireError | None = None
        try:
            while (updates := await source.next()) is not None:
                *earlier, last = events(updates)
                for event in earlier:
                    await self.ask(commands.JobEvents, watch=number, updates=event)
                if source.is_over:
                    break
                await self.ask(commands.JobEvents, watch=number, updates=last)
                last = ()
        except ConnectionClosed:
            return
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001 - told to the client, logged if it is a bug
            error = wire_error(Failure(), self._log)
        finally:
            source.close()
            self._watches.pop(number, None)
        self.tell(commands.JobsEnded, watch=number, updates=last, error=error)

    async def _send_output(self, session: int, data: bytes) -> None:
        for at in range(0, len(data), CONSOLE_PIECE):
            with suppress(ConnectionClosed):
                await self.ask(
                    commands.ConsoleOutput,
                    session=session,
                    data=data[at : at + CONSOLE_PIECE],
                )

    async def _send_end(self, session: int, console: ConsoleSession) -> None:
        error: WireError | None = None
        try:
            await console.ended()
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001 - told to the client, logged if it is a bug
            error = wire_error(Failure(), self._log)
        finally:
            self._consoles.pop(session, None)
        with suppress(ConnectionClosed):
            await self.ask(commands.ConsoleEnded, session=session, error=error)


def events(updates: Iterable[JobUpdate]) -> Iterator[Sequence[msgspec.Raw]]:
    """Updates as JSON, in messages of bounded length."""
    event: list[msgspec.Raw] = []
    length = 0
    for update in updates:
        for piece in _pieces(update):
            data = msgspec.json.encode(piece)
            if event and length + len(data) > EVENT_BYTES:
                yield event
                event, length = [], 0
            event.append(msgspec.Raw(data))
            length += len(data)
    if event:
        yield event


def _pieces(update: JobUpdate) -> Iterator[JobUpdate]:
    """An update in parts of a bounded number of log lines."""
    lines = update.lines
    if len(lines) <= LINES_PER_EVENT:
        yield update
        return
    for at in range(0, len(lines), LINES_PER_EVENT):
        yield replace(update, lines=lines[at : at + LINES_PER_EVENT])
