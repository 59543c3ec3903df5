"""Nodes: reserving, admitting and removing them."""

from __future__ import annotations

from ganetix.config.snapshot import Snapshot
from ganetix.errors import AuthenticationFailed, NodeUnreachable, WrongState
from ganetix.flow.retry import retry
from ganetix.jobs.work import Outcome
from ganetix.objects import JoinToken, Node
from ganetix.objects.base import Value
from ganetix.objects.node_calls import (
    NodeInfo,
    NodeInfoRequest,
    NodeVerify,
    VerifyRequest,
)
from ganetix.opcodes import OpNodeAdd, OpNodeEnrol, OpNodeRemove
from ganetix.plan.node import (
    admission_problems,
    admit,
    check_removable,
    enrolled,
    removal,
    reserve,
    unfinished_on,
    withdrawal,
    withdrawn,
)
from ganetix.rpc.methods import NODE_INFO, NODE_LEAVE, NODE_VERIFY, Nothing
from ganetix.units.base import Context
from ganetix.units.cluster_modify import let_nodes_know
from ganetix.units.instance_clear import clear_intent

# About a minute in all: the new node's daemon may be starting just now.
PAUSES_SECONDS = (0.2, 0.3, 0.5, *(1.0,) * 59)


class NodeAdd:
    """``OpNodeAdd``: reserve name and addresses."""

    async def gather(
        self, op: OpNodeAdd, context: Context
    ) -> tuple[Snapshot, str, float]:
        """The configuration, a UUID for the node, the time."""
        return context.snapshot, context.services.new_uuid(), context.now

    def plan(self, op: OpNodeAdd, facts: tuple[Snapshot, str, float]) -> Node:
        """Refuse what cannot be reserved."""
        (token,) = reserve(op, *facts).put_tokens
        return token.node

    async def act(self, op: OpNodeAdd, context: Context, plan: Node) -> Outcome:
        """The reservation is one change."""
        now = context.now
        return Outcome(
            result={"uuid": plan.uuid, "name": plan.name},
            change=lambda snapshot: reserve(op, snapshot, plan.uuid, now),
        )


class EnrolFacts(Value, frozen=True, kw_only=True):
    """A node that has its certificate, and what its daemon says."""

    token: JoinToken
    info: NodeInfo
    found: NodeVerify
    version: str
    now: float


class NodeEnrol:
    """``OpNodeEnrol``: check the new node's daemon, then make it a member."""

    async def gather(self, op: OpNodeEnrol, context: Context) -> EnrolFacts | None:
        """Wait until its daemon answers, and ask it; None of one that is a member."""
        snapshot = context.snapshot
        if op.node_uuid in snapshot.nodes and op.node_uuid not in snapshot.tokens:
            return None
        token = enrolled(snapshot, op.node_uuid, op.name)
        node = token.node
        cluster = context.snapshot.cluster
        context.say(f"waiting for {node.name} at {node.primary_ip}")
        info = await retry(
            context.services.clock,
            lambda: context.services.rpc.call(node, NODE_INFO, NodeInfoRequest()),
            (NodeUnreachable, AuthenticationFailed),
            PAUSES_SECONDS,
        )
        request = VerifyRequest(
            hypervisors=cluster.enabled_hypervisors,
            disk_templates=cluster.enabled_disk_templates,
            addresses=tuple({node.primary_ip, node.secondary_ip}),
        )
        found = await context.call(node, NODE_VERIFY, request)
        for problem in found.problems:
            context.progress.warn(f"{node.name}: {problem}")
        return EnrolFacts(
            token=token,
            info=info,
            found=found,
            version=context.services.version,
            now=context.now,
        )

    def plan(self, op: OpNodeEnrol, facts: EnrolFacts | None) -> Node | None:
        """Refuse a node that does not fit."""
        if facts is None:
            return None
        problems = admission_problems(
            facts.token, facts.version, facts.now, facts.info, facts.found
        )
        if problems:
            name = facts.token.node.name
            raise WrongState(f"node {name} cannot join: {'; '.join(problems)}")
        return facts.token.node

    async def act(
        self, op: OpNodeEnrol, context: Context, plan: Node | None
    ) -> Outcome:
        """Make it a member, and wait until the nodes of its group know."""
        if plan is None:
            context.say(f"node {op.name} is a member already")
            return Outcome(result={"uuid": op.node_uuid, "name": op.name})
        before = context.snapshot
        snapshot = await context.commit(lambda now: admit(now, plan.uuid, plan.name))
        group = snapshot.groups[snapshot.nodes[plan.uuid].group].name
        again = " again" if plan.uuid in before.nodes else ""
        context.say(f"node {plan.name} is a member of group {group}{again}")
        say_promotions(context, before, snapshot)
        await let_nodes_know(context, plan.group)
        return Outcome(result={"uuid": plan.uuid, "name": plan.name})


class NodeRemove:
    """``OpNodeRemove``: a member, or the reservation of one that has not joined."""

    async def gather(self, op: OpNodeRemove, context: Context) -> Snapshot:
        """The configuration."""
        return context.snapshot

    def plan(self, op: OpNodeRemove, facts: Snapshot) -> Node | JoinToken:
        """Refuse the master, and nodes with instances."""
        return withdrawn(op, facts) or check_removable(facts, op.name)

    async def act(
        self, op: OpNodeRemove, context: Context, plan: Node | JoinToken
    ) -> Outcome:
        """Clear what was cut short there, have the node forget the cluster, forget it.

        The locks keep every job away that could begin something on the node.
        """
        if isinstance(plan, JoinToken):
            return self._withdraw(context, plan)
        await self._clear(context, plan)
        if plan.offline:
            context.progress.warn(f"{plan.name} is offline: it was not told to leave")
        else:
            try:
                await context.call(plan, NODE_LEAVE, Nothing())
            except (NodeUnreachable, AuthenticationFailed) as error:
                context.progress.warn(f"{plan.name} was not told to leave: {error}")
        for node in removal(context.snapshot, plan).put:
            context.say(f"node {node.name} becomes a master candidate")
        return Outcome(
            result={"uuid": plan.uuid, "name": plan.name},
            change=lambda now: removal(now, plan),
        )

    def _withdraw(self, context: Context, token: JoinToken) -> Outcome:
        node = token.node
        again = " again" if node.uuid in context.snapshot.nodes else ""
        context.say(f"{node.name} was reserved and had not joined{again}")
        if again and token.used:
            context.progress.warn(
                f"the host of {node.name} has a new certificate already, which is not"
                " obeyed: it has to join again all the same"
            )
        return Outcome(
            result={"uuid": node.uuid, "name": node.name},
            change=lambda now: withdrawal(now, node.uuid),
        )

    async def _clear(self, context: Context, node: Node) -> None:
        for intent in unfinished_on(context.snapshot, node):
            try:
                if node.offline:
                    raise NodeUnreachable(f"{node.name} is offline")
                await clear_intent(context, intent)
            except (NodeUnreachable, AuthenticationFailed) as error:
                context.progress.warn(
                    f"what is left of {intent.instance.name} stays on {node.name}:"
                    f" {error}"
                )


def say_promotions(context: Context, before: Snapshot, after: Snapshot) -> None:
    """Name those in the job's log who have become candidates."""
    for uuid, node in after.nodes.items():
        old = before.nodes.get(uuid)
        if node.master_candidate and not (old and old.master_candidate):
            context.say(f"node {node.name} becomes a master candidate")
