"""Queries that nodes answer: one call a node, of which a row was asked for.

So a query on one group never contacts another's nodes, nor one that is marked offline.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ganetix.api.types import QueryRequest, QueryResult, RowSource
from ganetix.errors import GanetixError, NodeUnreachable, NotFound
from ganetix.interfaces import INodeRpc
from ganetix.objects import Node
from ganetix.objects.base import Value
from ganetix.objects.guest_calls import GuestListRequest
from ganetix.objects.node_calls import NodeInfo, NodeInfoRequest, VerifyRequest
from ganetix.query.group import GROUPS, GroupRow
from ganetix.query.health import HEALTH, HealthRow
from ganetix.query.instance import InstanceRow, instances_of
from ganetix.query.node import NODES, NodeRow
from ganetix.query.os import OSES, os_rows
from ganetix.query.result import config_result, result_of
from ganetix.query.status import NodeState
from ganetix.query.storage import STORAGE, VOLUMES, storage_rows, volume_rows
from ganetix.query.table import Column
from ganetix.query.view import View
from ganetix.rpc.fanout import Failed, Offline, Ok, ask_all
from ganetix.rpc.methods import (
    DISK_LIST,
    GUEST_LIST,
    NODE_INFO,
    NODE_VERIFY,
    OS_LIST,
    Method,
    Nothing,
)

S = TypeVar("S")
Q = TypeVar("Q")
R = TypeVar("R")


class Heard(Value, Generic[R], frozen=True, kw_only=True):
    """Answers by node UUID, for each node whether it answered, and how long it took.

    ``failures`` are what came of the others that were asked.
    """

    answers: dict[str, R]
    states: dict[str, NodeState]
    failures: dict[str, GanetixError]
    seconds: float


class LiveQueries:
    """Asks nodes, and makes tables of what they say and what is configured."""

    def __init__(self, clock: IReactorTime, rpc: INodeRpc) -> None:
        self._clock = clock
        self._rpc = rpc

    async def groups(self, view: View, request: QueryRequest) -> QueryResult:
        """Node groups, with the resources of their nodes."""
        columns = GROUPS.pick(request.fields)
        groups = view.groups(request.names, request.group)[: request.limit]
        if not _wants_live(columns):
            return config_result(
                columns, [GroupRow(view=view, group=g) for g in groups]
            )
        nodes = [n for group in groups for n in view.nodes((), group.uuid)]
        heard = await self._infos(view, nodes)
        rows: list[tuple[GroupRow, RowSource]] = []
        for group in groups:
            members = view.nodes((), group.uuid)
            infos = tuple(
                heard.answers[n.uuid] for n in members if n.uuid in heard.answers
            )
            silent = any(n.uuid not in heard.answers and not n.offline for n in members)
            row = GroupRow(view=view, group=group, infos=None if silent else infos)
            rows.append((row, "unreachable" if silent else "live"))
        return result_of(columns, rows, heard.seconds)

    async def nodes(self, view: View, request: QueryRequest) -> QueryResult:
        """Nodes, with their resources."""
        columns = NODES.pick(request.fields)
        nodes = view.nodes(request.names, request.group)[: request.limit]
        if not _wants_live(columns):
            return config_result(columns, [NodeRow(view=view, node=n) for n in nodes])
        heard = await self._infos(view, nodes)
        rows = [
            (
                NodeRow(view=view, node=node, info=heard.answers.get(node.uuid)),
                heard.states[node.uuid],
            )
            for node in nodes
        ]
        return result_of(columns, rows, heard.seconds)

    async def instances(self, view: View, request: QueryRequest) -> QueryResult:
        """Instances, with what their primary nodes know of their guests."""
        columns = instances_of(view).pick(request.fields)
        chosen = view.instances(request.names, request.group)[: request.limit]
        if not _wants_live(columns):
            rows = [InstanceRow(view=view, instance=instance) for instance in chosen]
            return config_result(columns, rows)
        uuids = dict.fromkeys(instance.primary_node for instance in chosen)
        nodes = [view.snapshot.nodes[uuid] for uuid in uuids]
        hypervisors = tuple(dict.fromkeys(i.hypervisor for i in chosen))
        heard = await self._ask(
            nodes, GUEST_LIST, GuestListRequest(hypervisors=hypervisors)
        )
        guests = {
            (node, guest.uuid): guest
            for node, answer in heard.answers.items()
            for guest in answer.guests
        }
        live = [
            (
                InstanceRow(
                    view=view,
                    instance=instance,
                    guest=guests.get((instance.primary_node, instance.uuid)),
                    node=heard.states[instance.primary_node],
                ),
                heard.states[instance.primary_node],
            )
            for instance in chosen
        ]
        return result_of(columns, live, heard.seconds)

    async def oses(self, view: View, request: QueryRequest) -> QueryResult:
        """The OS definitions of one group's nodes."""
        columns = OSES.pick(request.fields)
        group = view.snapshot.group(request.group)
        nodes = [node for node in view.nodes((), group.uuid) if node.vm_capable]
        heard = await self._ask(nodes, OS_LIST, Nothing())
        online = [node.name for node in nodes if heard.states[node.uuid] != "offline"]
        if online and not heard.answers:
            raise NodeUnreachable(
                f"no node of group {group.name} answers: {', '.join(online)}"
            )
        rows = os_rows(
            group.name,
            nodes,
            {uuid: answer.definitions for uuid, answer in heard.answers.items()},
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
        return result_of(
            columns, [(row, "live") for row in rows[: request.limit]], heard.seconds
        )

    async def volumes(self, view: View, request: QueryRequest) -> QueryResult:
        """Disks on nodes."""
        columns = VOLUMES.pick(request.fields)
        nodes = view.nodes(request.names, request.group)
        heard = await self._ask(nodes, DISK_LIST, Nothing())
        rows = volume_rows(view, nodes, heard.answers, heard.states)
        return result_of(columns, rows[: request.limit], heard.seconds)

    async def storage(self, view: View, request: QueryRequest) -> QueryResult:
        """The space that nodes have for disks."""
        columns = STORAGE.pick(request.fields)
        nodes = view.nodes(request.names, request.group)
        heard = await self._infos(view, nodes)
        rows = storage_rows(view, nodes, heard.answers, heard.states)
        return result_of(columns, rows[: request.limit], heard.seconds)

    async def health(self, view: View, request: QueryRequest) -> QueryResult:
        """What nodes find wrong with themselves."""
        columns = HEALTH.pick(request.fields)
        nodes = view.nodes(request.names, request.group)[: request.limit]
        cluster = view.snapshot.cluster
        check = VerifyRequest(
            hypervisors=cluster.enabled_hypervisors,
            disk_templates=cluster.enabled_disk_templates,
        )
        verifying = Deferred.fromCoroutine(self._ask(nodes, NODE_VERIFY, check))
        infos = await self._infos(view, nodes)
        found = await verifying
        failures = infos.failures | found.failures
        rows = [
            HealthRow(
                view=view,
                node=node,
                now=self._clock.seconds(),
                info=infos.answers.get(node.uuid),
                found=found.answers.get(node.uuid),
                failure=failures.get(node.uuid),
            )
            for node in nodes
        ]
        return result_of(
            columns,
            [(row, row.source) for row in rows],
            max(infos.seconds, found.seconds),
        )

    async def _infos(self, view: View, nodes: Sequence[Node]) -> Heard[NodeInfo]:
        templates = view.snapshot.cluster.enabled_disk_templates
        return await self._ask(
            nodes, NODE_INFO, NodeInfoRequest(disk_templates=templates)
        )

    async def _ask(
        self, nodes: Sequence[Node], method: Method[Q, R], request: Q
    ) -> Heard[R]:
        began = self._clock.seconds()
        answers: dict[str, R] = {}
        states: dict[str, NodeState] = {}
        failures: dict[str, GanetixError] = {}
        for uuid, answer in (await ask_all(self._rpc, nodes, method, request)).items():
            match answer:
                case Ok(payload=payload):
                    answers[uuid] = payload
                    states[uuid] = "live"
                case Failed(error=error):
                    states[uuid] = "unreachable"
                    failures[uuid] = error
                case Offline():
                    states[uuid] = "offline"
        seconds = self._clock.seconds() - began
        return Heard(answers=answers, states=states, failures=failures, seconds=seconds)


def _wants_live(columns: Sequence[Column[S]]) -> bool:
    return any(column.info.live for column in columns)
