"""The master's one door: what its clients may ask, and who answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime

import ganetix
from ganetix.api.candidates import candidate_infos
from ganetix.api.console import RelayedConsole, console_tail
from ganetix.api.master import ConsoleSession, TakeOutput, Watch
from ganetix.api.types import (
    ClusterInfo,
    FieldInfo,
    QueryKind,
    QueryRequest,
    QueryResult,
)
from ganetix.config.store import ConfigStore
from ganetix.interfaces import INodeRpc
from ganetix.jobs.queue import JobQueue
from ganetix.jobs.values import (
    JobMark,
    LockInfo,
    QueueInfo,
    SubmitRequest,
)
from ganetix.objects.node import Enrolment, EnrolRequest, IssuedToken
from ganetix.plan.crypto import renewal_text
from ganetix.query.service import QueryService
from ganetix.state.replicate import Replicator
from ganetix.state.store import StateStore

IssueToken = Callable[[str, float], "Deferred[IssuedToken]"]
Enrol = Callable[[EnrolRequest], "Deferred[Enrolment]"]


class Door:
    """Implements ``api.master.MasterApi`` by handing on to whoever knows."""

    def __init__(
        self,
        *,
        clock: IReactorTime,
        config: ConfigStore,
        store: StateStore,
        queue: JobQueue,
        queries: QueryService,
        rpc: INodeRpc,
        issue_token: IssueToken,
        enrol: Enrol,
        stand_down: Callable[[str], None] = lambda successor: None,
        replicator: Replicator | None = None,
        ca_expires: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._config = config
        self._store = store
        self._queue = queue
        self._queries = queries
        self._rpc = rpc
        self._issue_token = issue_token
        self._enrol = enrol
        self._stand_down = stand_down
        self._replicator = replicator
        self._ca_expires = ca_expires
        self._started = clock.seconds()

    def submit(self, requests: Sequence[SubmitRequest]) -> Deferred[tuple[int, ...]]:
        """Submit jobs, all or none."""
        return self._store.attended(self._queue.submit(requests))

    def cancel(self, job_id: int) -> Deferred[tuple[bool, str]]:
        """Cancel a job."""
        return self._store.attended(self._queue.cancel(job_id))

    def change_priority(self, job_id: int, priority: int) -> Deferred[tuple[bool, str]]:
        """Give a job another priority; whether that was possible, and a line."""
        changed = self._queue.change_priority(job_id, priority)
        return self._store.attended(changed)

    def archive(self, job_ids: Sequence[int]) -> Deferred[tuple[tuple[bool, str], ...]]:
        """Archive jobs; of each whether it is archived now, and a line."""
        return self._store.attended(self._queue.archive(job_ids))

    def archive_older(self, age_seconds: float) -> Deferred[int]:
        """Archive all jobs that ended so many seconds ago or earlier; how many."""
        return self._store.attended(self._queue.archive_older(age_seconds))

    def drain(self, is_drained: bool, reason: str) -> Deferred[QueueInfo]:
        """Take no more jobs, or take them again; how the queue is then."""

        async def drain() -> QueueInfo:
            if is_drained:
                await self._queue.drain(reason)
            else:
                await self._queue.undrain()
            return self._queue.info()

        return self._store.attended(Deferred.fromCoroutine(drain()))

    def queue_info(self) -> Deferred[QueueInfo]:
        """The job queue at a glance."""
        return succeed(self._queue.info())

    def watch(self, marks: Sequence[JobMark], ends_only: bool) -> Watch:
        """Follow jobs."""
        return self._queue.watch(marks, ends_only)

    def why(self, job_id: int) -> Deferred[Sequence[str]]:
        """Why a job waits."""

        async def why() -> Sequence[str]:
            await self._queue.job(job_id)
            line = self._queue.why(job_id)
            return (line,) if line else ()

        return Deferred.fromCoroutine(why())

    def locks(self) -> Deferred[Sequence[LockInfo]]:
        """All locks that are held or waited for."""
        names = self._names()
        return succeed(
            tuple(
                replace(lock, name=names.get(lock.name, lock.name))
                for lock in self._queue.locks()
            )
        )

    def query(self, request: QueryRequest) -> Deferred[QueryResult]:
        """List objects."""
        return self._queries.query(request)

    def fields(self, kind: QueryKind) -> Sequence[FieldInfo]:
        """The fields of a kind."""
        return self._queries.fields(kind)

    def cluster_info(self) -> Deferred[ClusterInfo]:
        """The cluster at a glance."""
        snapshot = self._config.snapshot()
        cluster = snapshot.cluster
        renewal = cluster.ca_renewal
        counts = self._queue.counts()
        return succeed(
            ClusterInfo(
                name=cluster.name,
                uuid=cluster.uuid,
                version=ganetix.__version__,
                master_node=snapshot.nodes[cluster.master_node].name,
                primary_ip_version=cluster.primary_ip_version,
                default_group=snapshot.groups[cluster.default_group].name,
                revision=self._store.revision,
                started=self._started,
                nodes=len(snapshot.nodes),
                groups=len(snapshot.groups),
                instances=len(snapshot.instances),
                jobs_queued=counts.queued + counts.waiting,
                jobs_running=counts.running,
                parameters=self._queries.cluster_parameters(),
                origins=self._queries.cluster_origins(),
                serial_no=cluster.serial_no,
                ctime=cluster.ctime,
                mtime=cluster.mtime,
                tags=cluster.tags,
                drain=self._queue.info().drain,
                ca_expires=self._ca_expires(),
                ca_renewal=renewal_text(renewal) if renewal else "",
                faults=(self._store.fault,) if self._store.fault else (),
                epoch=cluster.epoch,
                candidates=candidate_infos(snapshot, self._replicator)
                if self._replicator
                else (),
            )
        )

    def issue_token(
        self, node_name: str, lifetime_seconds: float
    ) -> Deferred[IssuedToken]:
        """A one-time join token for a node that has a reservation."""
        return self._issue_token(node_name, lifetime_seconds)

    def enrol(self, request: EnrolRequest) -> Deferred[Enrolment]:
        """Certificate and ssconf for a node that shows its token."""
        return self._enrol(request)

    def stand_down(self, successor: str) -> Deferred[None]:
        """End as soon as this is answered, in favour of a node of that name."""
        self._stand_down(successor)
        return succeed(None)

    def console_tail(self, instance_name: str, lines: int) -> Deferred[str]:
        """The last lines of an instance's console log."""
        snapshot = self._config.snapshot()
        tail = console_tail(self._rpc, snapshot, instance_name, lines)
        return Deferred.fromCoroutine(tail)

    def console_open(
        self, instance_name: str, output: TakeOutput
    ) -> Deferred[ConsoleSession]:
        """Attach to an instance's console."""
        snapshot = self._config.snapshot()
        return maybeDeferred(RelayedConsole, self._rpc, snapshot, instance_name, output)

    def _names(self) -> dict[str, str]:
        snapshot = self._config.snapshot()
        named = (*snapshot.groups.values(), *snapshot.nodes.values())
        return {each.uuid: each.name for each in named}
