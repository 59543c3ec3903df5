"""The cluster as a whole: verifying and ending it."""

from __future__ import annotations

from msgspec import to_builtins
from twisted.internet.defer import Deferred

from ganetix.config.snapshot import Snapshot
from ganetix.config.ssconf import ssconf_files
from ganetix.errors import GanetixError, WrongState
from ganetix.flow.settle import settle
from ganetix.jobs.work import Outcome
from ganetix.objects import Node
from ganetix.objects.base import Value
from ganetix.opcodes import OpClusterDestroy, OpClusterVerify
from ganetix.plan.verify import Expected, Finding, NodeReport, verify
from ganetix.rpc.methods import (
    DISK_LIST,
    GUEST_LIST,
    NODE_LEAVE,
    NODE_VERIFY,
    GuestListRequest,
    Nothing,
    VerifyRequest,
)
from ganetix.units.base import Context
from ganetix.units.instance_clear import clear_intent, forget


class VerifyFacts(Value, frozen=True, kw_only=True):
    """What one group's nodes answered, and what the master holds true."""

    snapshot: Snapshot
    group_uuid: str
    expected: Expected
    reports: dict[str, NodeReport]
    failures: dict[str, str]
    cut_short: frozenset[str]
    moving: frozenset[str]


class ClusterVerify:
    """``OpClusterVerify``: one group."""

    async def gather(self, op: OpClusterVerify, context: Context) -> VerifyFacts:
        """Clear what was cut short if that is wanted; then ask every node once."""
        group = context.snapshot.group(op.group)
        if op.repair:
            await _repair(context, group.uuid)
        behind = await context.services.distribution.settled(group.uuid)
        for name in behind:
            context.progress.warn(f"ssconf did not reach {name}")
        snapshot = context.snapshot
        nodes = [n for n in snapshot.nodes_of(group.uuid) if not n.offline]
        context.say(f"verifying group {group.name}: {len(nodes)} nodes")
        reports: dict[str, NodeReport] = {}
        failures: dict[str, str] = {}

        async def ask(node: Node) -> None:
            try:
                reports[node.uuid] = await _report(context, node)
            except GanetixError as error:
                failures[node.uuid] = str(error)

        await settle([Deferred.fromCoroutine(ask(node)) for node in nodes])
        newest = context.snapshot
        return VerifyFacts(
            snapshot=snapshot,
            group_uuid=group.uuid,
            expected=Expected(
                version=context.services.version,
                now=context.now,
                ca_fingerprint=context.services.ca_fingerprint,
                ssconf=ssconf_files(snapshot),
            ),
            reports=reports,
            failures=failures,
            cut_short=_cut_short(context, newest) & snapshot.intents.keys(),
            moving=_moved(snapshot, newest),
        )

    def plan(self, op: OpClusterVerify, facts: VerifyFacts) -> tuple[Finding, ...]:
        """The findings."""
        return verify(
            facts.snapshot,
            facts.group_uuid,
            facts.expected,
            facts.reports,
            facts.failures,
            facts.cut_short,
            facts.moving,
        )

    async def act(
        self, op: OpClusterVerify, context: Context, plan: tuple[Finding, ...]
    ) -> Outcome:
        """Report."""
        snapshot = context.snapshot
        group = snapshot.group(op.group)
        nodes = snapshot.nodes_of(group.uuid)
        return Outcome(
            result={
                "findings": to_builtins(plan),
                "groups": [group.name],
                "checked_nodes": len(nodes),
                "checked_instances": sum(
                    len(snapshot.instances_on(node.uuid)) for node in nodes
                ),
            }
        )


async def _report(context: Context, node: Node) -> NodeReport:
    cluster = context.snapshot.cluster
    request = VerifyRequest(
        hypervisors=cluster.enabled_hypervisors,
        disk_templates=cluster.enabled_disk_templates,
        addresses=tuple({node.primary_ip, node.secondary_ip}),
    )
    found = await context.call(node, NODE_VERIFY, request)
    guests = await context.call(
        node, GUEST_LIST, GuestListRequest(hypervisors=cluster.enabled_hypervisors)
    )
    disks = await context.call(node, DISK_LIST, Nothing())
    return NodeReport(found=found, guests=guests.guests, disks=disks.disks)


def _moved(old: Snapshot, new: Snapshot) -> frozenset[str]:
    """UUIDs of instances that came, changed or went: locks keep only old ones still."""
    return frozenset(
        uuid
        for before, after in (
            (old.instances, new.instances),
            (old.intents, new.intents),
        )
        if before is not after
        for uuid in before.keys() | after.keys()
        if before.get(uuid) is not after.get(uuid)
    )


def _cut_short(context: Context, snapshot: Snapshot) -> frozenset[str]:
    return frozenset(
        uuid
        for uuid, intent in snapshot.intents.items()
        if not context.services.is_active(intent.job_id)
    )


async def _repair(context: Context, group_uuid: str) -> None:
    snapshot = context.snapshot
    for uuid in _cut_short(context, snapshot):
        intent = snapshot.intents[uuid]
        nodes = (intent.instance.primary_node, intent.target_node)
        known = (snapshot.nodes[n] for n in nodes if n in snapshot.nodes)
        if any(node.group != group_uuid for node in known):
            continue
        try:
            await clear_intent(context, intent)
        except GanetixError as error:
            context.progress.warn(f"{intent.instance.name}: {error}")
        else:
            await forget(context, intent.instance)


class ClusterDestroy:
    """``OpClusterDestroy``: the end of a cluster that is empty but for its master."""

    async def gather(self, op: OpClusterDestroy, context: Context) -> Snapshot:
        """The configuration."""
        return context.snapshot

    def plan(self, op: OpClusterDestroy, facts: Snapshot) -> Node:
        """The master's node; ``WrongState`` if there is more than that."""
        if facts.instances or facts.intents:
            names = sorted(
                {i.name for i in facts.instances.values()}
                | {i.instance.name for i in facts.intents.values()}
            )
            raise WrongState(f"the cluster has instances: {', '.join(names)}")
        others = sorted(
            node.name
            for node in facts.nodes.values()
            if node.uuid != facts.cluster.master_node
        )
        if others:
            raise WrongState(
                f"the cluster has nodes beside the master: {', '.join(others)}"
            )
        return facts.nodes[facts.cluster.master_node]

    async def act(self, op: OpClusterDestroy, context: Context, plan: Node) -> Outcome:
        """The node forgets the cluster; the master ends when this job has."""
        await context.call(plan, NODE_LEAVE, Nothing())
        context.say(f"node {plan.name} has forgotten the cluster; the master ends")
        context.services.farewell()
        return Outcome(result={"destroyed": True})
