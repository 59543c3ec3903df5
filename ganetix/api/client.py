"""The client's end of the master's AMP socket, with typed methods.

A job that is followed survives a restart of the master: the client connects again
and goes on from what it has seen.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, IReactorUNIX
from twisted.internet.task import deferLater

from ganetix.api import commands
from ganetix.api.link import (
    ConsoleClient,
    Follow,
    Link,
    OnOutput,
    OnUpdate,
    answer,
    dial,
)
from ganetix.api.types import (
    ClusterInfo,
    FieldInfo,
    QueryKind,
    QueryRequest,
    QueryResult,
)
from ganetix.api.wire import ApiCommand
from ganetix.errors import (
    GanetixError,
    Unavailable,
)
from ganetix.jobs.model import Job
from ganetix.jobs.values import (
    JobMark,
    LockInfo,
    QueueInfo,
    SubmitRequest,
)
from ganetix.objects.node import Enrolment, EnrolRequest, IssuedToken

RECONNECT_SECONDS = 60.0
FIRST_DELAY = 0.2

T = TypeVar("T")
Say = Callable[[str], object]
Values = dict[str, object]


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
        self._reactor = reactor
        self._clock = IReactorTime(reactor)
        self._socket_path = socket_path
        self._master_name = master_name
        self._say = say
        self._link: Link | None = None
        self._numbers = itertools.count(1)
        self._told_of_loss = False
        self.master_version = ""

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
            self._run(requests, on_update, ends_only, on_submit, reconnect_seconds)
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
            self._follow(job_ids, on_update, ends_only, reconnect_seconds)
        )

    def close(self) -> None:
        """Close the connection."""
        if self._link is not None:
            self._link.hang_up()

    def ask(self, command: type[ApiCommand], **values: object) -> Deferred[Any]:
        """One command's ``result``; fails with what the master raised."""
        return Deferred.fromCoroutine(self._ask(command, values))

    async def _ask(self, command: type[ApiCommand], values: dict[str, object]) -> Any:
        return await answer(await self._open_link(), command, values)

    async def _hello(self) -> str:
        await self._open_link()
        return self.master_version

    async def _open_link(self) -> Link:
        if self._link is not None and self._link.is_open:
            return self._link
        link, self.master_version = await dial(
            self._reactor, self._socket_path, self._master_name
        )
        if self._link is not None and self._link.is_open:
            link.hang_up()
            return self._link
        self._link = link
        return link

    async def _console_open(self, instance: str, on_output: OnOutput) -> ConsoleClient:
        link = await self._open_link()
        number = next(self._numbers)
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

    async def _run(
        self,
        requests: Sequence[SubmitRequest],
        on_update: OnUpdate,
        ends_only: bool,
        on_submit: Callable[[tuple[int, ...]], object],
        reconnect_seconds: float,
    ) -> list[Job]:
        follow = Follow(on_update)
        ids: tuple[int, ...] = ()

        def submitted(job_ids: tuple[int, ...]) -> None:
            nonlocal ids
            ids = job_ids
            follow.expect(ids)
            on_submit(ids)

        values: Values = {"requests": tuple(requests), "ends_only": ends_only}
        await self._watch_once(follow, commands.RunJobs, values, submitted)
        await self._follow_on(follow, ends_only, reconnect_seconds)
        return [follow.jobs[job_id] for job_id in ids]

    async def _follow(
        self,
        job_ids: Sequence[int],
        on_update: OnUpdate,
        ends_only: bool,
        reconnect_seconds: float,
    ) -> list[Job]:
        follow = Follow(on_update)
        follow.expect(job_ids)
        await self._follow_on(follow, ends_only, reconnect_seconds)
        return [follow.jobs[job_id] for job_id in job_ids]

    async def _follow_on(
        self, follow: Follow, ends_only: bool, reconnect_seconds: float
    ) -> None:
        lost_at: float | None = None
        delay = FIRST_DELAY
        while follow.open_marks:
            events = follow.events
            values: Values = {"jobs": follow.open_marks, "ends_only": ends_only}
            try:
                await self._watch_once(follow, commands.WatchJobs, values)
            except Unavailable:
                if self._link is None:
                    raise
            if not follow.open_marks:
                break
            now = self._clock.seconds()
            if lost_at is None or follow.events > events:
                lost_at, delay = now, FIRST_DELAY
            if now - lost_at >= reconnect_seconds:
                raise Unavailable(
                    f"ganetix-master did not come back within {reconnect_seconds:g} s;"
                    f" {_go_on(follow.open_marks)} when it runs again"
                )
            self._tell_loss(reconnect_seconds)
            await deferLater(self._clock, delay)
            delay = min(2.0, delay * 1.5)

    async def _watch_once(
        self,
        follow: Follow,
        command: type[ApiCommand],
        values: Values,
        on_answer: Callable[[Any], object] = lambda result: None,
    ) -> None:
        """Follow until the watch ends: with the jobs, or with the connection."""
        link = await self._open_link()
        number = next(self._numbers)
        ended = follow.ended
        link.follows[number] = follow
        try:
            on_answer(await answer(link, command, {"watch": number, **values}))
            self._tell_return()
            await ended
        except Exception as error:
            if link.is_open and not isinstance(error, GanetixError):
                _ = self.ask(commands.UnwatchJobs, watch=number).addErrback(
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


def _go_on(marks: Sequence[JobMark]) -> str:
    if len(marks) == 1:
        return f"job {marks[0].job_id} goes on"
    return f"{len(marks)} jobs go on"
