"""Changing nodes: roles, flags, addresses, group; and their power."""

from __future__ import annotations

from collections.abc import Sequence

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import ClusterFault, NodeUnreachable, WrongState
from ganetix.jobs.work import Outcome
from ganetix.objects import GuestInfo, Node
from ganetix.objects.base import Value
from ganetix.objects.guest_calls import GuestListRequest, GuestPurge
from ganetix.objects.node_calls import NodeInfoRequest, VerifyRequest
from ganetix.objects.words import some
from ganetix.opcodes import OpNodeModify, OpNodePowercycle
from ganetix.plan.node_modify import (
    NodeChange,
    changed_node,
    contact_problems,
    running_names,
    stale_guests,
)
from ganetix.rpc.methods import GUEST_LIST, GUEST_PURGE, NODE_INFO, NODE_VERIFY
from ganetix.units.base import Context
from ganetix.units.cluster_modify import let_nodes_know


class ModifyFacts(Value, frozen=True, kw_only=True):
    """The configuration, and what the node itself said to the change.

    ``problems`` speak against it; ``guests`` are None of a node that was not asked.
    """

    snapshot: Snapshot
    problems: tuple[str, ...] = ()
    guests: tuple[GuestInfo, ...] | None = None


class ModifyPlan(Value, frozen=True, kw_only=True):
    """The change, what is to be warned of, and guests to be ended before."""

    change: NodeChange
    warnings: tuple[str, ...] = ()
    stale: tuple[GuestInfo, ...] = ()


class NodeModify:
    """``OpNodeModify``: one change of the configuration, promotions included."""

    async def gather(self, op: OpNodeModify, context: Context) -> ModifyFacts:
        """Hear the node where its word counts: at a new address, going or coming."""
        snapshot = context.snapshot
        change = changed_node(op, snapshot)
        if change.goes_away:
            return await self._farewell(context, change.before)
        if change.after.offline or not (change.is_moved or change.comes_back):
            return ModifyFacts(snapshot=snapshot)
        node = change.after
        context.say(f"asking {node.name} at {node.primary_ip}:{node.port}")
        request = VerifyRequest(addresses=tuple({node.primary_ip, node.secondary_ip}))
        try:
            info = await context.call(node, NODE_INFO, NodeInfoRequest())
            found = await context.call(node, NODE_VERIFY, request)
            guests = await _guests(context, node)
        except ClusterFault as error:
            return ModifyFacts(snapshot=snapshot, problems=(str(error),))
        problems = contact_problems(change, context.services.version, info, found)
        return ModifyFacts(snapshot=snapshot, problems=tuple(problems), guests=guests)

    def plan(self, op: OpNodeModify, facts: ModifyFacts) -> ModifyPlan:
        """Refuse what cannot be, and what the node objects to unless forced."""
        change = changed_node(op, facts.snapshot)
        node = change.after
        if facts.problems and not op.force:
            reason = "; ".join(facts.problems)
            raise WrongState(
                f"node {node.name} cannot be used at {node.primary_ip}: {reason}"
                " (--force changes it all the same)",
                node=node.name,
            )
        guests = facts.guests or ()
        if change.goes_away and (names := running_names(guests)) and not op.force:
            raise WrongState(
                f"node {node.name} answers and runs {some(names)}; an offline node"
                " counts as dead: stop or move them first, or give --force",
                node=node.name,
            )
        stale = stale_guests(facts.snapshot, node, guests) if change.comes_back else ()
        return ModifyPlan(change=change, warnings=facts.problems, stale=stale)

    async def act(
        self, op: OpNodeModify, context: Context, plan: ModifyPlan
    ) -> Outcome:
        """End what lives elsewhere by now, change, and wait until all nodes know."""
        for warning in plan.warnings:
            context.progress.warn(warning)
        for guest in plan.stale:
            await _end_stale(context, plan.change.after, guest)
        done: list[NodeChange] = []

        def change(snapshot: Snapshot) -> Edits:
            done[:] = [changed_node(op, snapshot)]
            return done[0].edits()

        await context.commit(change)
        for line in done[0].lines:
            context.say(line)
        await let_nodes_know(context)
        node = done[0].after
        return Outcome(
            result={
                "uuid": node.uuid,
                "name": node.name,
                "promoted": [promoted.name for promoted in done[0].promotions],
            }
        )

    async def _farewell(self, context: Context, node: Node) -> ModifyFacts:
        """What the node runs, if it still says so before it counts as dead."""
        try:
            guests = await _guests(context, node)
        except ClusterFault:
            return ModifyFacts(snapshot=context.snapshot)
        return ModifyFacts(snapshot=context.snapshot, guests=guests)


async def _guests(context: Context, node: Node) -> tuple[GuestInfo, ...]:
    hypervisors = context.snapshot.cluster.enabled_hypervisors
    request = GuestListRequest(hypervisors=hypervisors)
    return (await context.call(node, GUEST_LIST, request)).guests


async def _end_stale(context: Context, node: Node, guest: GuestInfo) -> None:
    home = context.snapshot.instances[guest.uuid].primary_node
    name = context.snapshot.nodes[home].name
    context.progress.warn(
        f"{node.name} still has {guest.name} ({guest.state}), which lives on {name}"
        " by now: ended here"
    )
    request = GuestPurge(
        uuid=guest.uuid, hypervisors=(guest.hypervisor,), disk_templates=()
    )
    await context.call(node, GUEST_PURGE, request)


class NodePowercycle:
    """``OpNodePowercycle``: refused as long as there is no helper for it."""

    async def gather(
        self, op: OpNodePowercycle, context: Context
    ) -> tuple[Snapshot, Sequence[str]]:
        """Names of what the node runs, or should run if it does not answer."""
        snapshot = context.snapshot
        node = snapshot.node(op.name)
        try:
            if node.offline:
                raise NodeUnreachable(f"{node.name} is offline")
            return snapshot, running_names(await _guests(context, node))
        except ClusterFault:
            instances = snapshot.instances_on(node.uuid)
            return snapshot, [i.name for i in instances if i.admin_state == "up"]

    def plan(
        self, op: OpNodePowercycle, facts: tuple[Snapshot, Sequence[str]]
    ) -> WrongState:
        """Why not: it is the master, it has guests, or there is no helper."""
        snapshot, names = facts
        node = snapshot.node(op.name)
        if node.uuid == snapshot.cluster.master_node:
            return WrongState(
                f"node {node.name} is the master: it cannot cut its own power"
            )
        if names and not op.force:
            return WrongState(
                f"node {node.name} runs {some(names)}: move or stop them first, or"
                " give --force"
            )
        return WrongState(
            f"node {node.name} has no out-of-band helper that could turn its power off"
            " and on; nothing was done"
        )

    async def act(
        self, op: OpNodePowercycle, context: Context, plan: WrongState
    ) -> Outcome:
        """Refuse."""
        raise plan
