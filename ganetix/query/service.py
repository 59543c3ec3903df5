"""Answers queries: configuration at once, live fields by one call a node.

Takes no lock, and asks only nodes of which a row was asked for: a query on one group
never contacts another's nodes, nor one that is marked offline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ganetix.api.types import (
    Cell,
    FieldInfo,
    QueryKind,
    QueryRequest,
    QueryResult,
    QueryRow,
    RowSource,
)
from ganetix.config.snapshot import Snapshot
from ganetix.errors import BadParameter, NodeUnreachable, NotFound
from ganetix.interfaces import INodeRpc
from ganetix.jobs.model import Job, LogLine
from ganetix.objects import HvParams, Node
from ganetix.query.cluster import CLUSTERS, cluster_origins, cluster_parameters
from ganetix.query.group import GROUPS, GroupRow
from ganetix.query.health import HEALTH, HealthRow
from ganetix.query.instance import InstanceRow, instance_table
from ganetix.query.job import JOBS, JobRow
from ganetix.query.node import NODES, NodeRow
from ganetix.query.os import OSES, os_rows
from ganetix.query.reservation import RESERVATIONS, reservation_rows
from ganetix.query.status import NodeState
from ganetix.query.storage import STORAGE, VOLUMES, storage_rows, volume_rows
from ganetix.query.table import Column, Table
from ganetix.query.view import View
from ganetix.rpc.fanout import Failed, Offline, Ok, ask_all
from ganetix.rpc.methods import (
    DISK_LIST,
    GUEST_LIST,
    NODE_INFO,
    NODE_VERIFY,
    OS_LIST,
    GuestListRequest,
    Method,
    NodeInfoRequest,
    Nothing,
    VerifyRequest,
)

DEFAULT_JOB_LIMIT = 1000
MOST_DIGITS = 18

S = TypeVar("S")
Q = TypeVar("Q")
R = TypeVar("R")


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
        self._rpc = rpc
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
            "instance": self._instances(self._view()).fields,
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
                return _config_rows(CLUSTERS, request, [self._view()])
            case "group":
                return await self._query_groups(request)
            case "node":
                return await self._query_nodes(request)
            case "instance":
                return await self._query_instances(request)
            case "job":
                return await self._query_jobs(request)
            case "os":
                return await self._query_oses(request)
            case "reservation":
                found = reservation_rows(
                    self._view(), request.names, request.group, self._clock.seconds()
                )
                return _config_rows(RESERVATIONS, request, found)
            case "volume":
                return await self._query_volumes(request)
            case "storage":
                return await self._query_storage(request)
            case "health":
                return await self._query_health(request)

    def cluster_parameters(self) -> dict[str, Cell]:
        """All parameters of the cluster by name, as they are in effect."""
        return cluster_parameters(self._view())

    def cluster_origins(self) -> dict[str, str]:
        """Where those of them come from that inherit, by name."""
        return cluster_origins(self._view())

    async def _query_groups(self, request: QueryRequest) -> QueryResult:
        columns = GROUPS.pick(request.fields)
        view = self._view()
        groups = view.groups(request.names, request.group)[: request.limit]
        if not _wants_live(columns):
            rows = [GroupRow(view=view, group=group) for group in groups]
            return _result(columns, [(row, "config") for row in rows])
        nodes = [n for group in groups for n in view.nodes((), group.uuid)]
        templates = view.snapshot.cluster.enabled_disk_templates
        asked = self._clock.seconds()
        answers, _ = await self._ask(
            nodes, NODE_INFO, NodeInfoRequest(disk_templates=templates)
        )
        live: list[tuple[GroupRow, RowSource]] = []
        for group in groups:
            members = view.nodes((), group.uuid)
            infos = tuple(answers[n.uuid] for n in members if n.uuid in answers)
            row = GroupRow(view=view, group=group, infos=infos)
            silent = sum(n.uuid not in answers and not n.offline for n in members)
            live.append((row, "unreachable" if silent else "live"))
        return _result(columns, live, self._clock.seconds() - asked)

    async def _query_nodes(self, request: QueryRequest) -> QueryResult:
        columns = NODES.pick(request.fields)
        view = self._view()
        nodes = view.nodes(request.names, request.group)[: request.limit]
        if not _wants_live(columns):
            rows = [NodeRow(view=view, node=node) for node in nodes]
            return _result(columns, [(row, "config") for row in rows])
        templates = view.snapshot.cluster.enabled_disk_templates
        asked = self._clock.seconds()
        answers, states = await self._ask(
            nodes, NODE_INFO, NodeInfoRequest(disk_templates=templates)
        )
        return _result(
            columns,
            [
                (
                    NodeRow(view=view, node=node, info=answers.get(node.uuid)),
                    states[node.uuid],
                )
                for node in nodes
            ],
            self._clock.seconds() - asked,
        )

    async def _query_instances(self, request: QueryRequest) -> QueryResult:
        view = self._view()
        columns = self._instances(view).pick(request.fields)
        chosen = view.instances(request.names, request.group)[: request.limit]
        if not _wants_live(columns):
            rows = [InstanceRow(view=view, instance=instance) for instance in chosen]
            return _result(columns, [(row, "config") for row in rows])
        uuids = dict.fromkeys(instance.primary_node for instance in chosen)
        nodes = [view.snapshot.nodes[uuid] for uuid in uuids]
        hypervisors = tuple(dict.fromkeys(i.hypervisor for i in chosen))
        asked = self._clock.seconds()
        answers, states = await self._ask(
            nodes, GUEST_LIST, GuestListRequest(hypervisors=hypervisors)
        )
        guests = {
            (node, guest.uuid): guest
            for node, answer in answers.items()
            for guest in answer.guests
        }
        return _result(
            columns,
            [
                (
                    InstanceRow(
                        view=view,
                        instance=instance,
                        guest=guests.get((instance.primary_node, instance.uuid)),
                        node=states[instance.primary_node],
                    ),
                    states[instance.primary_node],
                )
                for instance in chosen
            ],
            self._clock.seconds() - asked,
        )

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
        return _result(columns, [(row, "config") for row in rows])

    async def _query_oses(self, request: QueryRequest) -> QueryResult:
        columns = OSES.pick(request.fields)
        view = self._view()
        group = view.snapshot.group(request.group)
        nodes = [node for node in view.nodes((), group.uuid) if node.vm_capable]
        asked = self._clock.seconds()
        answers, states = await self._ask(nodes, OS_LIST, Nothing())
        online = [node.name for node in nodes if states[node.uuid] != "offline"]
        if online and not answers:
            raise NodeUnreachable(
                f"no node of group {group.name} answers: {', '.join(online)}"
            )
        rows = os_rows(
            group.name,
            nodes,
            {uuid: answer.definitions for uuid, answer in answers.items()},
        )
        if request.names:
            known = {row.name: row for row in rows}
            for name in request.names:
                if name not in known:
                    raise NotFound(
                        f"there is no OS definition {name!r} in group {group.name};"
                        f" there are {', '.join(known) or 'none'}"
                    )
            rows = [known[name] for name in dict.fromkeys(request.names)]
        age = self._clock.seconds() - asked
        return _result(columns, [(row, "live") for row in rows[: request.limit]], age)

    async def _query_volumes(self, request: QueryRequest) -> QueryResult:
        columns, view = VOLUMES.pick(request.fields), self._view()
        nodes = view.nodes(request.names, request.group)
        asked = self._clock.seconds()
        answers, states = await self._ask(nodes, DISK_LIST, Nothing())
        rows = volume_rows(view, nodes, answers, states)[: request.limit]
        return _result(columns, rows, self._clock.seconds() - asked)

    async def _query_storage(self, request: QueryRequest) -> QueryResult:
        columns, view = STORAGE.pick(request.fields), self._view()
        nodes = view.nodes(request.names, request.group)
        templates = view.snapshot.cluster.enabled_disk_templates
        asked = self._clock.seconds()
        answers, states = await self._ask(
            nodes, NODE_INFO, NodeInfoRequest(disk_templates=templates)
        )
        rows = storage_rows(view, nodes, answers, states)[: request.limit]
        return _result(columns, rows, self._clock.seconds() - asked)

    async def _query_health(self, request: QueryRequest) -> QueryResult:
        columns, view = HEALTH.pick(request.fields), self._view()
        nodes = view.nodes(request.names, request.group)[: request.limit]
        cluster = view.snapshot.cluster
        asked = self._clock.seconds()
        info = NodeInfoRequest(disk_templates=cluster.enabled_disk_templates)
        check = VerifyRequest(
            hypervisors=cluster.enabled_hypervisors,
            disk_templates=cluster.enabled_disk_templates,
        )
        verifying = Deferred.fromCoroutine(self._ask(nodes, NODE_VERIFY, check))
        infos, states = await self._ask(nodes, NODE_INFO, info)
        found, _ = await verifying
        now = self._clock.seconds()
        rows: list[tuple[HealthRow, RowSource]] = [
            (
                HealthRow(
                    view=view,
                    node=node,
                    state=states[node.uuid],
                    now=now,
                    info=infos.get(node.uuid),
                    found=found.get(node.uuid),
                ),
                states[node.uuid],
            )
            for node in nodes
        ]
        return _result(columns, rows, now - asked)

    async def _ask(
        self, nodes: Sequence[Node], method: Method[Q, R], request: Q
    ) -> tuple[dict[str, R], dict[str, NodeState]]:
        """Answers by node UUID, and for each node whether it answered."""
        results: dict[str, R] = {}
        states: dict[str, NodeState] = {}
        for uuid, answer in (await ask_all(self._rpc, nodes, method, request)).items():
            match answer:
                case Ok(payload=payload):
                    results[uuid] = payload
                    states[uuid] = "live"
                case Failed():
                    states[uuid] = "unreachable"
                case Offline():
                    states[uuid] = "offline"
        return results, states

    def _view(self) -> View:
        return View(self._config.snapshot(), self._hv_defaults)

    def _instances(self, view: View) -> Table[InstanceRow]:
        every = (
            *self._hv_defaults.values(),
            *view.snapshot.cluster.hvparams.values(),
            *(i.hvparams for i in view.snapshot.instances.values()),
        )
        return instance_table(name for params in every for name in params)


def _wants_live(columns: Sequence[Column[S]]) -> bool:
    return any(column.info.live for column in columns)


def _config_rows(
    table: Table[S], request: QueryRequest, subjects: Sequence[S]
) -> QueryResult:
    columns = table.pick(request.fields)
    chosen = subjects[: request.limit]
    return _result(columns, [(subject, "config") for subject in chosen])


def _result(
    columns: Sequence[Column[S]],
    rows: Sequence[tuple[S, RowSource]],
    age_seconds: float | None = None,
) -> QueryResult:
    return QueryResult(
        fields=tuple(column.info for column in columns),
        rows=tuple(
            QueryRow(
                cells=tuple(column.get(subject) for column in columns),
                source=source,
                age_seconds=age_seconds if source == "live" else None,
            )
            for subject, source in rows
        ),
    )


def _job_id(name: str) -> int:
    if not name.isascii() or not name.isdigit() or len(name) > MOST_DIGITS:
        raise BadParameter(f"job id: {name[:80]!r} is not a number")
    return int(name)
