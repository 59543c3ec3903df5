"""Changing the cluster object, and telling all nodes."""

from __future__ import annotations

from functools import partial

from msgspec import to_builtins
from msgspec.structs import replace

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import NodeUnreachable
from ganetix.jobs.work import Outcome
from ganetix.objects import Node
from ganetix.objects.node_calls import VerifyRequest
from ganetix.objects.words import some
from ganetix.opcodes import OpClusterModify, OpClusterRedistribute, OpClusterRename
from ganetix.plan.cluster_modify import (
    ClusterChange,
    changed_cluster,
    check_interface,
    modified,
    renamed,
)
from ganetix.rpc.methods import NODE_VERIFY
from ganetix.units.base import Context


class ClusterModify:
    """``OpClusterModify``."""

    async def gather(
        self, op: OpClusterModify, context: Context
    ) -> tuple[Snapshot, tuple[str, ...] | None]:
        """The configuration, and interfaces of the master node if one is to be used.

        An allocator that is to be the default is looked for.
        """
        if op.default_iallocator is not None:
            await context.services.allocation.find(op.default_iallocator)
        snapshot = context.snapshot
        interfaces = None
        if op.master_netdev or op.master_ip:
            master = snapshot.nodes[snapshot.cluster.master_node]
            asked = VerifyRequest(interfaces=True)
            interfaces = (await context.call(master, NODE_VERIFY, asked)).interfaces
        return snapshot, interfaces

    def plan(
        self, op: OpClusterModify, facts: tuple[Snapshot, tuple[str, ...] | None]
    ) -> ClusterChange:
        """Refuse what cannot be."""
        snapshot, interfaces = facts
        change = changed_cluster(op, snapshot)
        if interfaces is not None:
            check_interface(change.after.master_netdev, interfaces)
        return change

    async def act(
        self, op: OpClusterModify, context: Context, plan: ClusterChange
    ) -> Outcome:
        """One change; it fails if the cluster is not what was decided upon."""
        same = replace(op, expected_serial=plan.before.serial_no)
        say_promotions(context, modified(same, context.snapshot))
        return Outcome(
            result={"changes": to_builtins(plan.changes)},
            change=partial(modified, same),
        )


class ClusterRename:
    """``OpClusterRename``."""

    async def gather(self, op: OpClusterRename, context: Context) -> Snapshot:
        """The configuration."""
        return context.snapshot

    def plan(self, op: OpClusterRename, facts: Snapshot) -> str:
        """Refuse the name that it has; that name."""
        renamed(op, facts)
        return facts.cluster.name

    async def act(self, op: OpClusterRename, context: Context, plan: str) -> Outcome:
        """Rename it, and wait until all nodes know."""
        await context.commit(partial(renamed, op))
        context.say(f"cluster {plan} is named {op.name} now")
        await let_nodes_know(context)
        return Outcome(result={"before": plan, "after": op.name})


class ClusterRedistribute:
    """``OpClusterRedistribute``."""

    async def gather(self, op: OpClusterRedistribute, context: Context) -> Snapshot:
        """The configuration."""
        return context.snapshot

    def plan(self, op: OpClusterRedistribute, facts: Snapshot) -> tuple[str, ...]:
        """Names of the nodes that are offline: they are not told."""
        return tuple(sorted(n.name for n in facts.nodes.values() if n.offline))

    async def act(
        self, op: OpClusterRedistribute, context: Context, plan: tuple[str, ...]
    ) -> Outcome:
        """Write the files everywhere; fails with the names of those without them."""
        if plan:
            context.progress.warn(f"offline, and not told: {some(plan)}")
        behind = await context.services.distribution.repeat()
        if behind:
            raise NodeUnreachable(
                f"ssconf did not reach {some(behind)}; they are tried again"
            )
        count = len(context.snapshot.nodes) - len(plan)
        return Outcome(result={"nodes": count, "offline": list(plan)})


async def let_nodes_know(context: Context, group: str | None = None) -> None:
    """Wait until nodes have the current ssconf; a warning names those without it.

    :param group: the UUID of the group whose nodes are waited for; None is all
    """
    if behind := await context.services.distribution.settled(group):
        context.progress.warn(f"ssconf did not reach {some(behind)} yet")


def say_promotions(context: Context, edits: Edits) -> None:
    """Name the nodes that become master candidates by a change."""
    nodes = context.snapshot.nodes
    for each in edits.put:
        before = nodes.get(each.uuid)
        if before is None or not isinstance(each, Node):
            continue
        if each.master_candidate and not before.master_candidate:
            context.say(f"node {each.name} becomes a master candidate")
