"""``OpComputeCapacity``: told again if nothing has shrunk, else computed."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import asdict, replace
from twisted.internet.defer import Deferred

from ganetix.config.snapshot import Snapshot
from ganetix.errors import BadParameter, GanetixError, RemoteFailure
from ganetix.flow.settle import settle
from ganetix.jobs.work import Outcome
from ganetix.objects import CapacityOverrides, CapacityParams, InstanceSize, Node
from ganetix.objects.base import Value
from ganetix.objects.node_calls import NodeInfo
from ganetix.opcodes.capacity import (
    OpClusterBalance,
    OpClusterExport,
    OpComputeCapacity,
)
from ganetix.plan.capacity.model import TEMPLATES, CapCluster, TieredResult
from ganetix.plan.capacity.report import (
    GroupReport,
    cluster_report,
    rows_of,
    with_overrides,
)
from ganetix.plan.capacity.requests import BUILTIN, Capacities, Capacity
from ganetix.plan.capacity.view import request_of
from ganetix.plan.params import capacity_params
from ganetix.units.base import Context
from ganetix.units.node_states import ask_each
from ganetix.units.placing import DEFAULT, allocator_name, ask, described


class ClusterExport:
    """``OpClusterExport``: what capacity is computed from, as htools reads it."""

    async def gather(self, op: OpClusterExport, context: Context) -> CapCluster:
        """Configuration and nodes."""
        return await _seen(op.groups, context)

    def plan(self, op: OpClusterExport, facts: CapCluster) -> CapCluster:
        """Nothing to decide."""
        return facts

    async def act(
        self, op: OpClusterExport, context: Context, plan: CapCluster
    ) -> Outcome:
        """The text."""
        return Outcome(result={"text": context.services.allocation.exported(plan)})


class ClusterBalance:
    """``OpClusterBalance``: a plan; the moves are jobs of their own."""

    async def gather(self, op: OpClusterBalance, context: Context) -> CapCluster:
        """Configuration and nodes."""
        return await _seen(op.groups, context)

    def plan(self, op: OpClusterBalance, facts: CapCluster) -> CapCluster:
        """Nothing to decide here."""
        return facts

    async def act(
        self, op: OpClusterBalance, context: Context, plan: CapCluster
    ) -> Outcome:
        """The moves."""
        work = context.services.allocation.balanced(plan, op.max_moves)
        found = await context.progress.while_wanted(work)
        return Outcome(result=found)


class CapacityFacts(Value, frozen=True, kw_only=True):
    """Parameters by group, what is known already, and what nodes said of the rest."""

    snapshot: Snapshot
    now: float
    params: dict[str, CapacityParams]
    kept: dict[str, GroupReport]
    infos: dict[str, NodeInfo]


class ComputeCapacity:
    """``OpComputeCapacity`` (R40-R42)."""

    async def gather(self, op: OpComputeCapacity, context: Context) -> CapacityFacts:
        """Look what is kept, and ask the nodes of all other groups."""
        snapshot, now = context.snapshot, context.now
        if op.default_template not in (None, *TEMPLATES):
            raise BadParameter(
                f"default_template: {op.default_template!r} is not one of"
                f" {', '.join(TEMPLATES)}"
            )
        for change in op.what_if:
            kind, _, value = change.partition("=")
            if kind != "cpu-ratio":
                snapshot.node(value)
        groups = (
            [snapshot.group(name) for name in op.groups]
            if op.groups
            else list(snapshot.groups.values())
        )
        params = {
            group.uuid: with_overrides(
                capacity_params(snapshot.cluster, group), op.overrides
            )
            for group in groups
        }
        kept: dict[str, GroupReport] = {}
        wants_nodes = op.explain or bool(op.what_if)
        if op.cached and op.iallocator in (None, DEFAULT) and not wants_nodes:
            for uuid, wanted in params.items():
                found = context.services.capacities.find(
                    snapshot, uuid, wanted, op.fits, now
                )
                if found is not None:
                    kept[uuid] = replace(found, cached=True)
        infos = await _ask_nodes(context, [u for u in params if u not in kept])
        return CapacityFacts(
            snapshot=snapshot, now=now, params=params, kept=kept, infos=infos
        )

    def plan(self, op: OpComputeCapacity, facts: CapacityFacts) -> CapacityFacts:
        """Nothing to decide: it changes nothing."""
        return facts

    async def act(
        self, op: OpComputeCapacity, context: Context, plan: CapacityFacts
    ) -> Outcome:
        """Compute what is missing, groups side by side."""
        name = allocator_name(op.iallocator, plan.snapshot)
        missing = [uuid for uuid in plan.params if uuid not in plan.kept]
        computed: Mapping[str, GroupReport] = {}
        if name != BUILTIN and missing:
            try:
                computed = await _by_program(op, name, context, plan, missing)
            except GanetixError as error:
                if op.iallocator not in (None, DEFAULT):
                    raise
                # Few programs know this request; the built-in allocator always does.
                context.progress.warn(f"{error.message}; computing it here")
        if not computed:
            works = [_computed(op, context, plan, uuid) for uuid in missing]
            reports = await settle([Deferred.fromCoroutine(work) for work in works])
            computed = dict(zip(missing, reports, strict=True))
        if name == allocator_name(None, plan.snapshot):
            for uuid, report in computed.items():
                context.services.capacities.keep(
                    plan.snapshot, uuid, plan.params[uuid], op.fits, report
                )
        every = {**plan.kept, **computed}
        if op.explain or op.what_if:
            for uuid in plan.params:
                lines = await _explained(op, context, plan, uuid)
                every[uuid] = replace(every[uuid], explanation=lines)
        ordered = {uuid: every[uuid] for uuid in plan.params}
        return Outcome(result=cluster_report(ordered, plan.now))


async def _ask_nodes(context: Context, groups: list[str]) -> dict[str, NodeInfo]:
    snapshot = context.snapshot
    nodes = [node for uuid in groups for node in snapshot.nodes_of(uuid)]

    def not_heard(node: Node, error: GanetixError) -> None:
        context.progress.warn(f"{node.name} counts as offline: {error.message}")

    templates = snapshot.cluster.enabled_disk_templates
    return await ask_each(context, nodes, templates, not_heard)


async def _seen(groups: tuple[str, ...], context: Context) -> CapCluster:
    """The groups of these names, none named: all, with what their nodes say now."""
    snapshot = context.snapshot
    uuids = [snapshot.group(name).uuid for name in groups] or list(snapshot.groups)
    infos = await _ask_nodes(context, uuids)
    return await described(context, snapshot, infos, uuids)


async def _fits(
    op: OpComputeCapacity, context: Context, plan: CapacityFacts, uuid: str
) -> tuple[int, ...]:
    """How many fit of each size that was asked for."""
    cluster, params = await _view(context, plan, [uuid]), plan.params[uuid]
    counts = []
    for size in op.fits:
        request = request_of(replace(params, max_inst_spec=size))
        work = context.services.allocation.tiered(cluster, request)
        found = await context.progress.while_wanted(work)
        counts.append(_count(found, size))
    return tuple(counts)


async def _explained(
    op: OpComputeCapacity, context: Context, plan: CapacityFacts, uuid: str
) -> tuple[str, ...]:
    """Lines about one group; changes of another group's nodes are left out."""
    names = {node.name for node in plan.snapshot.nodes_of(uuid)}
    changes = [
        change
        for change in op.what_if
        if change.startswith("cpu-ratio=") or change.partition("=")[2] in names
    ]
    if op.what_if and not changes and not op.explain:
        return ()
    cluster = await _view(context, plan, [uuid])
    request = request_of(plan.params[uuid])
    work = context.services.allocation.explained(cluster, request, changes)
    return await context.progress.while_wanted(work)


async def _view(context: Context, plan: CapacityFacts, groups: list[str]) -> CapCluster:
    return await described(context, plan.snapshot, plan.infos, groups, plan.params)


async def _computed(
    op: OpComputeCapacity, context: Context, plan: CapacityFacts, uuid: str
) -> GroupReport:
    params = plan.params[uuid]
    cluster = await _view(context, plan, [uuid])
    allocation = context.services.allocation
    work = allocation.tiered(cluster, request_of(params))
    result = await context.progress.while_wanted(work)
    fits = await _fits(op, context, plan, uuid)
    return _report(plan, uuid, params, result, fits)


def _count(result: TieredResult, size: InstanceSize) -> int:
    """How many of exactly this size came first."""
    wanted = (size.memory_mib, size.disk_mib, size.vcpus)
    rows = rows_of(result.tspecs[:1])
    return sum(row[3] for row in rows if row[:3] == wanted)


def _report(
    plan: CapacityFacts,
    uuid: str,
    params: CapacityParams,
    result: TieredResult,
    fits: tuple[int, ...],
) -> GroupReport:
    group = plan.snapshot.groups[uuid]
    return GroupReport(
        name=group.name,
        alloc_policy=group.alloc_policy,
        tspecs=rows_of(result.tspecs),
        fits=fits,
        max_inst_spec=params.max_inst_spec,
        default_template=params.default_template,
        max_cpu_ratio=params.max_cpu_ratio,
        max_disk_usage=params.max_disk_usage,
        reason=result.reason or _why_none(plan, uuid, result),
        revision=plan.snapshot.revision,
        ctime=plan.now,
    )


def _why_none(plan: CapacityFacts, uuid: str, result: TieredResult) -> str:
    """Why nothing fits, where that is not for want of room; empty otherwise."""
    alone = len(plan.snapshot.nodes_of(uuid)) == 1
    if alone and not result.tspecs and result.failures.get("N1"):
        return "has one node: nothing there survives its loss"
    return ""


async def _by_program(
    op: OpComputeCapacity,
    name: str,
    context: Context,
    plan: CapacityFacts,
    groups: list[str],
) -> dict[str, GroupReport]:
    """What an external allocator says; it may not know the request at all."""
    request = Capacity(
        groups=tuple(groups),
        parameters={
            uuid: CapacityOverrides(**asdict(plan.params[uuid])) for uuid in groups
        },
    )
    cluster = await _view(context, plan, groups)
    answer = await ask(context, name, cluster, request)
    if not isinstance(answer.result, Capacities):
        raise RemoteFailure(f"allocator {name} has no capacity: {answer.info}")
    reports: dict[str, GroupReport] = {}
    for uuid in groups:
        found = answer.result.groups.get(uuid)
        if found is None:
            raise RemoteFailure(
                f"allocator {name} left out group {plan.snapshot.groups[uuid].name}"
            )
        result = TieredResult(tspecs=found.tspecs, reason=found.reason)
        params = plan.params[uuid]
        fits = await _fits(op, context, plan, uuid)
        reports[uuid] = _report(plan, uuid, params, result, fits)
    return reports
