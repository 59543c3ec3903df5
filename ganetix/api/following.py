"""Following jobs to their ends, also through a restart of the master."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ganetix.api import commands
from ganetix.api.connection import Connection
from ganetix.api.link import Follow, OnUpdate, answer
from ganetix.api.wire import ApiCommand
from ganetix.errors import GanetixError, Unavailable
from ganetix.jobs.model import Job
from ganetix.jobs.values import JobMark, SubmitRequest

FIRST_DELAY = 0.2

Say = Callable[[str], object]
Values = dict[str, object]


class Following:
    """Follows jobs over a connection; when it is lost, goes on from what was seen.

    :param say: gets lines about a connection that was lost and came back
    """

    def __init__(self, clock: IReactorTime, connection: Connection, say: Say) -> None:
        self._clock = clock
        self._connection = connection
        self._say = say
        self._told_of_loss = False

    async def run(
        self,
        requests: Sequence[SubmitRequest],
        on_update: OnUpdate,
        ends_only: bool,
        on_submit: Callable[[tuple[int, ...]], object],
        reconnect_seconds: float,
    ) -> list[Job]:
        """Submit jobs and follow them; they, ended."""
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

    async def follow(
        self,
        job_ids: Sequence[int],
        on_update: OnUpdate,
        ends_only: bool,
        reconnect_seconds: float,
    ) -> list[Job]:
        """The jobs, ended, in this order."""
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
                if not self._connection.was_open:
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
        link = await self._connection.link()
        number = self._connection.number()
        ended = follow.ended
        link.follows[number] = follow
        try:
            on_answer(await answer(link, command, {"watch": number, **values}))
            self._tell_return()
            await ended
        except Exception as error:
            if link.is_open and not isinstance(error, GanetixError):
                unwatching = self._connection.ask(
                    commands.UnwatchJobs, {"watch": number}
                )
                _ = Deferred.fromCoroutine(unwatching).addErrback(
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
