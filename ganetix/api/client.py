"""The client's end of the master's AMP socket, with typed methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, IReactorUNIX

from ganetix.api import commands
from ganetix.api.connection import Connection
from ganetix.api.following import Following, Say
from ganetix.api.link import ConsoleClient, OnOutput, OnUpdate, answer
from ganetix.api.types import (
    ClusterInfo,
    FieldInfo,
    QueryKind,
    QueryRequest,
    QueryResult,
)
from ganetix.api.wire import ApiCommand
from ganetix.jobs.model import Job
from ganetix.jobs.values import LockInfo, QueueInfo, SubmitRequest
from ganetix.objects.node import Enrolment, EnrolRequest, IssuedToken

RECONNECT_SECONDS = 60.0

T = TypeVar("T")


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


class ApiClient:
    """Asks the master; connects again by itself when a connection was lost."""

    def __init__(
        self, reactor: IReactorUNIX, socket_path: Path, master_name: str, say: Say
    ) -> None:
        self._connection = Connection(reactor, socket_path, master_name)
        self._following = Following(IReactorTime(reactor), self._connection, say)

    def hello(self) -> Deferred[str]:
        """The master's version; makes sure of the connection."""
        return Deferred.fromCoroutine(self._hello())

    def submit(self, requests: Sequence[SubmitRequest]) -> Deferred[tuple[int, ...]]:
        """Submit jobs, all or none; their ids once they are durable."""
        return self.ask(commands.SubmitJobs, requests=tuple(requests))

    def run(
        self,
        requests: Sequence[SubmitRequest],
        on_update: OnUpdate = lambda update: None,
        ends_only: bool = False,
        on_submit: Callable[[tuple[int, ...]], object] = lambda job_ids: None,
        reconnect_seconds: float = RECONNECT_SECONDS,
    ) -> Deferred[list[Job]]:
        """Submit jobs and follow them to their ends, with one message to the master.

        :param on_submit: called with the jobs' ids once they are durable
        """
        return Deferred.fromCoroutine(
            self._following.run(
                requests, on_update, ends_only, on_submit, reconnect_seconds
            )
        )

    def cancel(self, job_id: int) -> Deferred[tuple[bool, str]]:
        """Cancel a job; whether that was possible, and a line for the user."""
        return self.ask(commands.CancelJob, job_id=job_id)

    def change_priority(self, job_id: int, priority: int) -> Deferred[tuple[bool, str]]:
        """Give a job another priority; whether that was possible, and a line."""
        return self.ask(commands.ChangePriority, job_id=job_id, priority=priority)

    def archive(self, job_ids: Sequence[int]) -> Deferred[tuple[tuple[bool, str], ...]]:
        """Archive jobs; of each whether it is archived now, and a line."""
        return self.ask(commands.ArchiveJobs, job_ids=tuple(job_ids))

    def archive_older(self, age_seconds: float) -> Deferred[int]:
        """Archive all jobs that ended so many seconds ago or earlier; how many."""
        return self.ask(commands.AutoArchiveJobs, age_seconds=float(age_seconds))

    def drain(self, is_drained: bool, reason: str) -> Deferred[QueueInfo]:
        """Take no more jobs, or take them again; how the queue is then."""
        return self.ask(commands.DrainQueue, is_drained=is_drained, reason=reason)

    def queue_info(self) -> Deferred[QueueInfo]:
        """The job queue at a glance."""
        return self.ask(commands.GetQueueInfo)

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

    def stand_down(self, successor: str) -> Deferred[None]:
        """Have the master end, in favour of a node of that name."""
        return self.ask(commands.StandDown, successor=successor)

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
        following = self.follow_many([job_id], on_update, False, reconnect_seconds)
        return following.addCallback(itemgetter(0))

    def follow_many(
        self,
        job_ids: Sequence[int],
        on_update: OnUpdate = lambda update: None,
        ends_only: bool = False,
        reconnect_seconds: float = RECONNECT_SECONDS,
    ) -> Deferred[list[Job]]:
        """The jobs in this order when all have ended; see ``follow``.

        :param ends_only: ``on_update`` gets nothing but each job's end, without lines
        """
        return Deferred.fromCoroutine(
            self._following.follow(job_ids, on_update, ends_only, reconnect_seconds)
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def ask(self, command: type[ApiCommand], **values: object) -> Deferred[Any]:
        """One command's ``result``; fails with what the master raised."""
        return Deferred.fromCoroutine(self._connection.ask(command, values))

    async def _hello(self) -> str:
        await self._connection.link()
        return self._connection.master_version

    async def _console_open(self, instance: str, on_output: OnOutput) -> ConsoleClient:
        link = await self._connection.link()
        number = self._connection.number()
        console = ConsoleClient(link, number, on_output)
        link.consoles[number] = console
        try:
            await answer(
                link, commands.ConsoleOpen, {"session": number, "instance": instance}
            )
        except BaseException:
            del link.consoles[number]
            raise
        return console
