"""The commands of the master's AMP socket, and those it sends to its clients.

Arguments are values of :mod:`ganetix.api.types`; every answer stands under ``result``.
"""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.protocols import amp

from ganetix.api.types import (
    ClusterInfo,
    FieldInfo,
    QueryKind,
    QueryRequest,
    QueryResult,
)
from ganetix.api.wire import ApiCommand, Json
from ganetix.errors import WireError
from ganetix.jobs.values import (
    JobMark,
    JobUpdate,
    LockInfo,
    QueueInfo,
    SubmitRequest,
)
from ganetix.objects.node import Enrolment, EnrolRequest, IssuedToken

Arguments = list[tuple[bytes, amp.Argument]]


def _values(**types: object) -> Arguments:
    return [(name.encode(), Json(kind)) for name, kind in types.items()]


class Hello(ApiCommand):
    """Say which protocol and version the client speaks; answers the master's version.

    Refused if the protocols differ.
    """

    arguments: ClassVar[Arguments] = _values(protocol=int, version=str)
    response: ClassVar[Arguments] = _values(result=str)


class SubmitJobs(ApiCommand):
    """Submit jobs, all or none; answers their ids once they are durable."""

    arguments: ClassVar[Arguments] = _values(requests=tuple[SubmitRequest, ...])
    response: ClassVar[Arguments] = _values(result=tuple[int, ...])


class RunJobs(ApiCommand):
    """Submit jobs as ``SubmitJobs`` does, and watch them as ``WatchJobs`` does."""

    arguments: ClassVar[Arguments] = _values(
        watch=int, requests=tuple[SubmitRequest, ...], ends_only=bool
    )
    response: ClassVar[Arguments] = _values(result=tuple[int, ...])


class CancelJob(ApiCommand):
    """Cancel a job; answers whether that was possible, and a line for the user."""

    arguments: ClassVar[Arguments] = _values(job_id=int)
    response: ClassVar[Arguments] = _values(result=tuple[bool, str])


class ChangePriority(ApiCommand):
    """Give a job another priority; answers as ``CancelJob`` does."""

    arguments: ClassVar[Arguments] = _values(job_id=int, priority=int)
    response: ClassVar[Arguments] = _values(result=tuple[bool, str])


class ArchiveJobs(ApiCommand):
    """Archive jobs that have ended; answers for each as ``CancelJob`` does."""

    arguments: ClassVar[Arguments] = _values(job_ids=tuple[int, ...])
    response: ClassVar[Arguments] = _values(result=tuple[tuple[bool, str], ...])


class AutoArchiveJobs(ApiCommand):
    """Archive all jobs that ended so many seconds ago or earlier; how many."""

    arguments: ClassVar[Arguments] = _values(age_seconds=float)
    response: ClassVar[Arguments] = _values(result=int)


class DrainQueue(ApiCommand):
    """Take no more jobs, and why; or take them again. Answers how the queue is."""

    arguments: ClassVar[Arguments] = _values(is_drained=bool, reason=str)
    response: ClassVar[Arguments] = _values(result=QueueInfo)


class GetQueueInfo(ApiCommand):
    """The job queue at a glance."""

    arguments: ClassVar[Arguments] = []
    response: ClassVar[Arguments] = _values(result=QueueInfo)


class WatchJobs(ApiCommand):
    """Send ``JobEvents`` for all that is new beyond these marks, and from now on.

    ``JobsEnded`` comes last.
    ``watch`` is a number that the client chooses. With ``ends_only`` nothing is told
    of a job but its end, and no lines.
    """

    arguments: ClassVar[Arguments] = _values(
        watch=int, jobs=tuple[JobMark, ...], ends_only=bool
    )
    response: ClassVar[Arguments] = _values(result=None)


class UnwatchJobs(ApiCommand):
    """End a watch; one that has ended is no error."""

    arguments: ClassVar[Arguments] = _values(watch=int)
    response: ClassVar[Arguments] = _values(result=None)


class JobEvents(ApiCommand):
    """To the client: news of jobs; the next come after this one's answer."""

    arguments: ClassVar[Arguments] = _values(watch=int, updates=tuple[JobUpdate, ...])
    response: ClassVar[Arguments] = _values(result=None)


class JobsEnded(ApiCommand):
    """To the client: the watch has ended, because of ``error`` or with these news.

    There is no answer to this.
    """

    requiresAnswer = False  # noqa: N815 - read by Twisted
    arguments: ClassVar[Arguments] = _values(
        watch=int, updates=tuple[JobUpdate, ...], error=WireError | None
    )


class Why(ApiCommand):
    """Why a job waits: printable lines, none if it does not."""

    arguments: ClassVar[Arguments] = _values(job_id=int)
    response: ClassVar[Arguments] = _values(result=tuple[str, ...])


class Locks(ApiCommand):
    """All locks that are held or waited for."""

    arguments: ClassVar[Arguments] = []
    response: ClassVar[Arguments] = _values(result=tuple[LockInfo, ...])


class Query(ApiCommand):
    """List objects."""

    arguments: ClassVar[Arguments] = _values(request=QueryRequest)
    response: ClassVar[Arguments] = _values(result=QueryResult)


class QueryFields(ApiCommand):
    """The fields of a kind."""

    arguments: ClassVar[Arguments] = _values(kind=QueryKind)
    response: ClassVar[Arguments] = _values(result=tuple[FieldInfo, ...])


class GetClusterInfo(ApiCommand):
    """What ``gnt-cluster info`` shows."""

    arguments: ClassVar[Arguments] = []
    response: ClassVar[Arguments] = _values(result=ClusterInfo)


class IssueJoinToken(ApiCommand):
    """A one-time token for a node that has a reservation; lifetime in seconds."""

    arguments: ClassVar[Arguments] = _values(node_name=str, lifetime_seconds=float)
    response: ClassVar[Arguments] = _values(result=IssuedToken)


class Enrol(ApiCommand):
    """A joining node's request, passed on by the master node's daemon."""

    arguments: ClassVar[Arguments] = _values(request=EnrolRequest)
    response: ClassVar[Arguments] = _values(result=Enrolment)


class StandDown(ApiCommand):
    """End, in order, so that another node takes over; asked by the node's daemon.

    Answered before that begins.
    """

    arguments: ClassVar[Arguments] = _values(successor=str)
    response: ClassVar[Arguments] = _values(result=None)


class ConsoleTail(ApiCommand):
    """The last lines of an instance's console log."""

    arguments: ClassVar[Arguments] = _values(instance=str, lines=int)
    response: ClassVar[Arguments] = _values(result=str)


class ConsoleOpen(ApiCommand):
    """Open an instance's console; its output comes as ``ConsoleOutput``.

    ``session`` is a number that the client chooses.
    """

    arguments: ClassVar[Arguments] = _values(session=int, instance=str)
    response: ClassVar[Arguments] = _values(result=None)


class ConsoleInput(ApiCommand):
    """Bytes typed at an open console."""

    arguments: ClassVar[Arguments] = _values(session=int, data=bytes)
    response: ClassVar[Arguments] = _values(result=None)


class ConsoleClose(ApiCommand):
    """Close a console; one that has ended is no error."""

    arguments: ClassVar[Arguments] = _values(session=int)
    response: ClassVar[Arguments] = _values(result=None)


class ConsoleOutput(ApiCommand):
    """To the client: console output; the next comes after this one's answer."""

    arguments: ClassVar[Arguments] = _values(session=int, data=bytes)
    response: ClassVar[Arguments] = _values(result=None)


class ConsoleEnded(ApiCommand):
    """To the client: the console is closed, because of ``error`` or quietly."""

    arguments: ClassVar[Arguments] = _values(session=int, error=WireError | None)
    response: ClassVar[Arguments] = _values(result=None)


AnyCommand = type[ApiCommand]
Answer = dict[str, Any]
