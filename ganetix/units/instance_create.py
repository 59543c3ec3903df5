"""Creating an instance."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import ConfigConflict, NoResources
from ganetix.jobs.work import Outcome
from ganetix.objects import Instance, Node, NodeGroup
from ganetix.objects.base import Value
from ganetix.objects.intent import InstanceIntent
from ganetix.opcodes import OpInstanceCreate
from ganetix.plan.guest import guest_spec
from ganetix.plan.instance import build_instance, check_request, macs_in_use
from ganetix.plan.params import backend_params
from ganetix.plan.place import NodeState, place, refusal
from ganetix.rpc.methods import (
    CREATE_CHECK,
    DISKS_CREATE,
    GUEST_START,
    OS_CREATE,
    CreateCheck,
    DisksCreate,
    GuestStart,
    OsCreate,
)
from ganetix.units.base import Context
from ganetix.units.instance_clear import forget, purge
from ganetix.units.node_states import ask_states
from ganetix.units.rollback import Rollback


class CreateFacts(Value, frozen=True, kw_only=True):
    """The instance as asked for, and what the possible nodes said."""

    snapshot: Snapshot
    instance: Instance
    candidates: tuple[Node, ...]
    states: dict[str, NodeState]


class CreatePlan(Value, frozen=True, kw_only=True):
    """The instance with its node decided, and what that was decided upon."""

    instance: Instance
    node: Node
    facts: CreateFacts


class InstanceCreate:
    """``OpInstanceCreate``: place, check, make disks, install, start."""

    async def gather(self, op: OpInstanceCreate, context: Context) -> CreateFacts:
        """Ask the node, or all of the group, for memory and disk."""
        snapshot = context.snapshot
        services = context.services
        instance = build_instance(op, snapshot, services.new_uuid, services.random_byte)
        if op.node is not None:
            candidates: tuple[Node, ...] = (snapshot.node(op.node),)
        else:
            candidates = snapshot.nodes_of(snapshot.group(op.group).uuid)
        states = await ask_states(context, candidates, instance.disk_template)
        return CreateFacts(
            snapshot=snapshot,
            instance=instance,
            candidates=candidates,
            states=states,
        )

    def plan(self, op: OpInstanceCreate, facts: CreateFacts) -> CreatePlan:
        """Choose the node; refuse if none, or not the one asked for, can take it."""
        instance = facts.instance
        if op.node is None:
            group = facts.snapshot.group(op.group)
            memory, disk = _needs(instance, facts.snapshot, group)
            placement = place(
                facts.snapshot, facts.candidates, facts.states, memory, disk
            )
            node = facts.snapshot.nodes[placement.node_uuid]
        else:
            (node,) = facts.candidates
            _check_room(instance, node, facts.snapshot, facts.states)
        return CreatePlan(
            instance=replace(instance, primary_node=node.uuid), node=node, facts=facts
        )

    async def act(
        self, op: OpInstanceCreate, context: Context, plan: CreatePlan
    ) -> Outcome:
        """Make it on its node; the last batch brings it into the configuration."""
        intent = await self._claim(op, context, plan)
        instance = intent.instance
        node = context.snapshot.nodes[instance.primary_node]
        guest = guest_spec(instance, context.snapshot)
        if op.node is None:
            context.say(f"node {node.name} was chosen: it has the most free memory")
        async with Rollback(context.progress) as undo:

            async def step(name: str, text: str) -> None:
                context.progress.check_cancelled()
                begun = replace(intent, step=name)
                await context.commit(lambda _: Edits(put_intents=(begun,)))
                context.say(text)

            async def clear() -> None:
                await purge(context, node, instance)
                await forget(context, instance)

            undo.push(f"remove what was made on {node.name}", clear)
            if instance.disks:
                count = len(instance.disks)
                noun = "disk" if count == 1 else "disks"
                await step("disks", f"creating {count} {noun} on {node.name}")
                await context.call(node, DISKS_CREATE, DisksCreate(guest=guest))
            if not op.no_install:
                await step("install", f"installing {instance.os}")
                await context.call(node, OS_CREATE, OsCreate(guest=guest))
            if op.start:
                await step("start", f"starting {instance.name}")
                await context.call(node, GUEST_START, GuestStart(guest=guest))
            context.progress.check_cancelled()
        return Outcome(
            result={"uuid": instance.uuid, "name": instance.name, "node": node.name},
            change=lambda _: Edits(put=(instance,), delete_intents=(instance.uuid,)),
        )

    async def _claim(
        self, op: OpInstanceCreate, context: Context, plan: CreatePlan
    ) -> InstanceIntent:
        """Have the intent on record, which promises the memory to this instance.

        Others decide on the same nodes meanwhile. If they took the memory first, the
        node is chosen anew among what is left.
        """
        while True:
            guest = guest_spec(plan.instance, context.snapshot)
            await context.call(plan.node, CREATE_CHECK, CreateCheck(guest=guest))
            intent = InstanceIntent(
                instance=plan.instance, job_id=context.progress.job_id, step="begin"
            )
            begin = partial(_begin, op, plan.facts.states, intent)
            try:
                await context.commit(begin)
            except NoResources:
                if op.node is not None:
                    raise
            else:
                return intent
            context.progress.check_cancelled()
            # Nothing is changed by this, but what stood in the way is durable then.
            newest = await context.commit(lambda _: Edits())
            plan = self.plan(op, replace(plan.facts, snapshot=newest))


def _needs(instance: Instance, snapshot: Snapshot, group: NodeGroup) -> tuple[int, int]:
    """MiB of memory and of disk that an instance takes in that group."""
    memory = backend_params(instance, snapshot, group).memory_mib
    return memory, sum(disk.size_mib for disk in instance.disks)


def _check_room(
    instance: Instance, node: Node, snapshot: Snapshot, states: dict[str, NodeState]
) -> None:
    state = states.get(node.uuid)
    needs = _needs(instance, snapshot, snapshot.groups[node.group])
    if reason := refusal(snapshot, node, state, *needs):
        raise NoResources(f"node {node.name} {reason}", node=node.name)


def _begin(
    op: OpInstanceCreate,
    states: dict[str, NodeState],
    intent: InstanceIntent,
    snapshot: Snapshot,
) -> Edits:
    """The intent, unless the configuration moved on so that it cannot be begun."""
    instance = intent.instance
    check_request(op, snapshot)
    node = snapshot.node(instance.primary_node)
    _check_room(instance, node, snapshot, states)
    taken = macs_in_use(snapshot)
    for nic in instance.nics:
        if nic.mac in taken:
            raise ConfigConflict(f"mac {nic.mac} was taken just now; try again")
    return Edits(put_intents=(intent,))
