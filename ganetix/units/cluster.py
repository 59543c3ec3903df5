"""The end of a cluster."""

from __future__ import annotations

from ganetix.config.snapshot import Snapshot
from ganetix.errors import WrongState
from ganetix.jobs.work import Outcome
from ganetix.objects import Node
from ganetix.objects.words import some
from ganetix.opcodes import OpClusterDestroy
from ganetix.rpc.methods import NODE_LEAVE, Nothing
from ganetix.units.base import Context


class ClusterDestroy:
    """``OpClusterDestroy``: the end of a cluster that is empty but for its master."""

    async def gather(self, op: OpClusterDestroy, context: Context) -> Snapshot:
        """The configuration."""
        return context.snapshot

    def plan(self, op: OpClusterDestroy, facts: Snapshot) -> Node:
        """The master's node; ``WrongState`` if there is more than that."""
        if facts.instances or facts.intents:
            names = {i.name for i in facts.instances.values()}
            names |= {i.instance.name for i in facts.intents.values()}
            raise WrongState(f"the cluster has instances: {some(names)}")
        others = [
            node.name
            for node in facts.nodes.values()
            if node.uuid != facts.cluster.master_node
        ]
        if others:
            raise WrongState(f"the cluster has nodes beside the master: {some(others)}")
        return facts.nodes[facts.cluster.master_node]

    async def act(self, op: OpClusterDestroy, context: Context, plan: Node) -> Outcome:
        """The node forgets the cluster; the master ends when this job has."""
        await context.call(plan, NODE_LEAVE, Nothing())
        context.say(f"node {plan.name} has forgotten the cluster; the master ends")
        context.services.farewell()
        return Outcome(result={"destroyed": True})
