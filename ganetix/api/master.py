"""What the AMP server asks of the master: the one door to queue, config and nodes.

``MasterApi`` is implemented where the master is put together; tests have a fake in
:mod:`ganetix.testing.api`. Every method may fail with any ``GanetixError``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from ganetix.api.types import (
    ClusterInfo,
    FieldInfo,
    QueryKind,
    QueryRequest,
    QueryResult,
)
from ganetix.jobs.values import (
    JobMark,
    JobUpdate,
    LockInfo,
    QueueInfo,
    SubmitRequest,
)
from ganetix.objects.node import Enrolment, EnrolRequest, IssuedToken

TakeOutput = Callable[[bytes], "Deferred[None]"]
"""Takes console output; fires when there is room for more."""


class Watch(Protocol):
    """The changes of jobs from some point on."""

    async def next(self) -> Sequence[JobUpdate] | None:
        """The next changes, when there are some; None after the last job's last."""

    @property
    def is_over(self) -> bool:
        """Whether nothing comes after what ``next`` gave last."""

    def close(self) -> None:
        """Ask for no more; a waiting ``next`` ends with None."""


class ConsoleSession(Protocol):
    """An attached console."""

    def write(self, data: bytes) -> Deferred[None]:
        """Type bytes at the console."""

    def close(self) -> None:
        """Detach."""

    def ended(self) -> Deferred[None]:
        """A fresh Deferred: fires at the end of the session, or fails with why."""


class MasterApi(Protocol):
    """The master, as its socket's clients see it."""

    def submit(self, requests: Sequence[SubmitRequest]) -> Deferred[tuple[int, ...]]:
        """Submit jobs, all or none; fires with their ids when they are durable."""

    def cancel(self, job_id: int) -> Deferred[tuple[bool, str]]:
        """Cancel a job; whether that was possible, and a line for the user."""

    def change_priority(self, job_id: int, priority: int) -> Deferred[tuple[bool, str]]:
        """Give a job another priority; whether that was possible, and a line."""

    def archive(self, job_ids: Sequence[int]) -> Deferred[tuple[tuple[bool, str], ...]]:
        """Archive jobs; of each whether it is archived now, and a line."""

    def archive_older(self, age_seconds: float) -> Deferred[int]:
        """Archive all jobs that ended so many seconds ago or earlier; how many."""

    def drain(self, is_drained: bool, reason: str) -> Deferred[QueueInfo]:
        """Take no more jobs, or take them again; how the queue is then."""

    def queue_info(self) -> Deferred[QueueInfo]:
        """The job queue at a glance."""

    def watch(self, marks: Sequence[JobMark], ends_only: bool) -> Watch:
        """Follow jobs from these marks on, or wait for their ends.

        ``Watch.next`` raises ``NotFound`` if there is one missing.
        """

    def why(self, job_id: int) -> Deferred[Sequence[str]]:
        """Why a job waits: printable lines, none if it does not."""

    def locks(self) -> Deferred[Sequence[LockInfo]]:
        """All locks that are held or waited for."""

    def query(self, request: QueryRequest) -> Deferred[QueryResult]:
        """List objects."""

    def fields(self, kind: QueryKind) -> Sequence[FieldInfo]:
        """The fields of a kind."""

    def cluster_info(self) -> Deferred[ClusterInfo]:
        """The cluster at a glance."""

    def issue_token(
        self, node_name: str, lifetime_seconds: float
    ) -> Deferred[IssuedToken]:
        """A one-time join token for a node that has a reservation."""

    def enrol(self, request: EnrolRequest) -> Deferred[Enrolment]:
        """Certificate and ssconf for a node that shows its token."""

    def stand_down(self, successor: str) -> Deferred[None]:
        """End as soon as this is answered, in favour of a node of that name."""

    def console_tail(self, instance_name: str, lines: int) -> Deferred[str]:
        """The last lines of an instance's console log."""

    def console_open(
        self, instance_name: str, output: TakeOutput
    ) -> Deferred[ConsoleSession]:
        """Attach to an instance's console; what it writes goes to ``output``."""
