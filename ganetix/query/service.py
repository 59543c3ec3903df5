"""Answers queries: configuration at once, live fields by one call a node.

Takes no lock, and asks only nodes of which a row was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ganetix.api.types import Cell, FieldInfo, QueryKind, QueryRequest, QueryResult
from ganetix.config.snapshot import Snapshot
from ganetix.errors import BadParameter
from ganetix.interfaces import INodeRpc
from ganetix.jobs.model import Job, LogLine
from ganetix.objects import HvParams
from ganetix.query.cluster import CLUSTERS, cluster_origins, cluster_parameters
from ganetix.query.group import GROUPS
from ganetix.query.health import HEALTH
from ganetix.query.instance import instances_of
from ganetix.query.job import JOBS, JobRow
from ganetix.query.live import LiveQueries
from ganetix.query.node import NODES
from ganetix.query.os import OSES
from ganetix.query.reservation import RESERVATIONS, reservation_rows
from ganetix.query.result import config_result, config_rows
from ganetix.query.storage import STORAGE, VOLUMES
from ganetix.query.view import View

DEFAULT_JOB_LIMIT = 1000
MOST_DIGITS = 18


class ConfigSource(Protocol):
    """Where the configuration is."""

    def snapshot(self) -> Snapshot:
        """The configuration as it is now."""


class JobSource(Protocol):
    """Where jobs are."""

    def jobs(
        self,
        limit: int | None,
        ids: Sequence[int] | None,
        finished: bool,
        archived: bool,
    ) -> Deferred[Sequence[Job]]:
        """Jobs by id, the newest last; ``NotFound`` for an id that is none."""

    def log(self, job_id: int, after_serial: int) -> Deferred[Sequence[LogLine]]:
        """Log lines beyond a serial."""

    def why(self, job_id: int) -> str | None:
        """Why a job waits, in a line; None if it does not."""


class QueryService:
    """Answers queries from the configuration, the job queue and the nodes.

    :param hv_defaults: hypervisors' built-in parameters: what ``hv/NAME`` fields
        there are, and their values where nobody set another
    """

    def __init__(
        self,
        clock: IReactorTime,
        config: ConfigSource,
        rpc: INodeRpc,
        queue: JobSource,
        hv_defaults: Mapping[str, HvParams] | None = None,
    ) -> None:
        self._clock = clock
        self._config = config
        self._live = LiveQueries(clock, rpc)
        self._queue = queue
        self._hv_defaults = hv_defaults or {}

    def query(self, request: QueryRequest) -> Deferred[QueryResult]:
        """The table asked for; ``BadParameter`` or ``NotFound`` for wrong names."""
        return Deferred.fromCoroutine(self._query(request))

    def fields(self, kind: QueryKind) -> tuple[FieldInfo, ...]:
        """The fields of a kind."""
        tables: Mapping[QueryKind, tuple[FieldInfo, ...]] = {
            "cluster": CLUSTERS.fields,
            "node": NODES.fields,
            "group": GROUPS.fields,
            "instance": instances_of(self._view()).fields,
            "job": JOBS.fields,
            "os": OSES.fields,
            "reservation": RESERVATIONS.fields,
            "volume": VOLUMES.fields,
            "storage": STORAGE.fields,
            "health": HEALTH.fields,
        }
        return tables[kind]

    async def _query(self, request: QueryRequest) -> QueryResult:
        if request.limit is not None and request.limit < 1:
            raise BadParameter(f"limit: {request.limit} is not at least 1")
        if request.archived and request.kind != "job":
            raise BadParameter(f"archived: {request.kind}s are not archived")
        if request.group is not None and request.kind in ("job", "cluster"):
            raise BadParameter(f"group: {request.kind}s are in no group")
        match request.kind:
            case "cluster":
                return config_rows(CLUSTERS, request, [self._view()])
            case "group":
                return await self._live.groups(self._view(), request)
            case "node":
                return await self._live.nodes(self._view(), request)
            case "instance":
                return await self._live.instances(self._view(), request)
            case "job":
                return await self._query_jobs(request)
            case "os":
                return await self._live.oses(self._view(), request)
            case "reservation":
                found = reservation_rows(
                    self._view(), request.names, request.group, self._clock.seconds()
                )
                return config_rows(RESERVATIONS, request, found)
            case "volume":
                return await self._live.volumes(self._view(), request)
            case "storage":
                return await self._live.storage(self._view(), request)
            case "health":
                return await self._live.health(self._view(), request)

    def cluster_parameters(self) -> dict[str, Cell]:
        """All parameters of the cluster by name, as they are in effect."""
        return cluster_parameters(self._view())

    def cluster_origins(self) -> dict[str, str]:
        """Where those of them come from that inherit, by name."""
        return cluster_origins(self._view())

    async def _query_jobs(self, request: QueryRequest) -> QueryResult:
        columns = JOBS.pick(request.fields)
        ids = [_job_id(name) for name in request.names]
        limit = request.limit or (None if ids else DEFAULT_JOB_LIMIT)
        jobs = await self._queue.jobs(limit, ids or None, True, request.archived)
        wanted = {column.info.name for column in columns}
        rows = []
        for job in jobs:
            log: Sequence[LogLine] = ()
            why: str | None = None
            if "oplog" in wanted and job.log_serial:
                log = await self._queue.log(job.id, 0)
            if "why" in wanted and job.ended is None:
                why = self._queue.why(job.id)
            rows.append(JobRow(job=job, log=tuple(log), why=why))
        return config_result(columns, rows)

    def _view(self) -> View:
        return View(self._config.snapshot(), self._hv_defaults)


def _job_id(name: str) -> int:
    if not name.isascii() or not name.isdigit() or len(name) > MOST_DIGITS:
        raise BadParameter(f"job id: {name[:80]!r} is not a number")
    return int(name)
