"""Creating an instance."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import BadParameter, ConfigConflict, GanetixError, NoResources
from ganetix.jobs.work import Outcome
from ganetix.objects import GuestSpec, Instance, Node
from ganetix.objects.base import Value
from ganetix.objects.guest_calls import CreateCheck, DisksCreate, GuestStart, OsCreate
from ganetix.objects.intent import InstanceIntent
from ganetix.objects.node_calls import NodeInfo
from ganetix.opcodes import OpInstanceCreate
from ganetix.plan.guest import guest_spec
from ganetix.plan.instance import build_instance, check_request, macs_in_use
from ganetix.plan.params import backend_params
from ganetix.plan.place import NodeState, closed, refusal
from ganetix.rpc.methods import CREATE_CHECK, DISKS_CREATE, GUEST_START, OS_CREATE
from ganetix.units.base import Context
from ganetix.units.instance_clear import forget, purge
from ganetix.units.node_states import ask_infos, states_of
from ganetix.units.placing import Choice, NewPlace, Ranking, tell_choice
from ganetix.units.rollback import Rollback


class CreateFacts(Value, frozen=True, kw_only=True):
    """The instance as asked for, what the possible nodes said, which was chosen."""

    snapshot: Snapshot
    instance: Instance
    infos: dict[str, NodeInfo]
    choice: Choice

    @property
    def states(self) -> dict[str, NodeState]:
        """Room by node UUID."""
        return states_of(self.infos, self.instance.disk_template)


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
        infos = await ask_infos(context, candidates, instance.disk_template)
        return CreateFacts(
            snapshot=snapshot,
            instance=instance,
            infos=infos,
            choice=await self._choose(op, context, snapshot, instance, infos),
        )

    def plan(self, op: OpInstanceCreate, facts: CreateFacts) -> CreatePlan:
        """Refuse if the node, chosen or asked for, cannot take it."""
        instance = facts.instance
        node = facts.snapshot.nodes[facts.choice.node_uuid]
        _check_room(instance, node, facts.snapshot, facts.states)
        return CreatePlan(
            instance=replace(instance, primary_node=node.uuid), node=node, facts=facts
        )

    async def act(
        self, op: OpInstanceCreate, context: Context, plan: CreatePlan
    ) -> Outcome:
        """Make it on its node; the last batch brings it into the configuration."""
        if op.dry_run:
            return await _would_be(op, plan, context)
        intent = await self._claim(op, context, plan)
        instance = intent.instance
        node = context.snapshot.nodes[instance.primary_node]
        guest = guest_spec(instance, context.snapshot)
        tell_choice(plan.facts.choice, node, context)
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

    async def _choose(
        self,
        op: OpInstanceCreate,
        context: Context,
        snapshot: Snapshot,
        instance: Instance,
        infos: dict[str, NodeInfo],
    ) -> Choice:
        if op.node is not None:
            return Choice(node_uuid=snapshot.node(op.node).uuid, said="")
        group = snapshot.group(op.group)
        place = await NewPlace.of(context, snapshot, instance, group, infos)
        return await place.chosen(context, op.iallocator)

    async def _claim(
        self, op: OpInstanceCreate, context: Context, plan: CreatePlan
    ) -> InstanceIntent:
        """Have the intent on record, which promises the memory to this instance.

        Others decide on the same nodes meanwhile. If they took the memory first, the
        node is chosen anew among what is left. So it is if the node was closed before
        it could be locked.
        """
        while True:
            guest = guest_spec(plan.instance, context.snapshot)
            await _check_there(context, plan.node, guest)
            intent = InstanceIntent(
                instance=plan.instance, job_id=context.progress.job_id, step="begin"
            )
            begin = partial(_begin, op, plan.facts.states, intent)
            try:
                await context.commit(begin)
                if op.node is not None:
                    return intent
                await self._lock(context, intent)
            except NoResources:
                if op.node is not None:
                    raise
            else:
                return intent
            context.progress.check_cancelled()
            # Nothing is changed by this, but what stood in the way is durable then.
            newest = await context.commit(lambda _: Edits())
            old = plan.facts
            choice = await self._choose(op, context, newest, old.instance, old.infos)
            plan = self.plan(op, replace(old, snapshot=newest, choice=choice))

    async def _lock(self, context: Context, intent: InstanceIntent) -> None:
        """Lock the node that was chosen; ``NoResources`` if it is closed by now."""
        chosen = intent.instance.primary_node
        try:
            await context.progress.hold_nodes([chosen])
            node = context.snapshot.nodes[chosen]
            if reason := closed(node):
                raise NoResources(f"node {node.name} {reason}", node=node.name)
        except GanetixError:
            await forget(context, intent.instance)
            raise


async def _would_be(
    op: OpInstanceCreate, plan: CreatePlan, context: Context
) -> Outcome:
    """What a dry run answers."""
    facts, choice = plan.facts, plan.facts.choice
    tell_choice(choice, plan.node, context)
    ranking = Ranking()
    if op.node is None:
        group = facts.snapshot.groups[plan.node.group]
        place = await NewPlace.of(
            context, facts.snapshot, facts.instance, group, facts.infos
        )
        ranking = await place.ranking(context, choice)
    return Outcome(
        result={
            "dry_run": True,
            "name": plan.instance.name,
            "node": plan.node.name,
            "score": ranking.score,
            "said": choice.said,
            "runners_up": [
                {"node": one.nodes[0], "score": one.score} for one in ranking.runners_up
            ],
            "refusals": dict(sorted(ranking.refusals.items())),
        }
    )


async def _check_there(context: Context, node: Node, guest: GuestSpec) -> None:
    """Have the node look whether it can make the guest; what it refuses names it."""
    try:
        await context.call(node, CREATE_CHECK, CreateCheck(guest=guest))
    except BadParameter as error:
        raise BadParameter(f"node {node.name}: {error.message}") from error


def _check_room(
    instance: Instance, node: Node, snapshot: Snapshot, states: dict[str, NodeState]
) -> None:
    state = states.get(node.uuid)
    memory = backend_params(instance, snapshot, snapshot.groups[node.group]).memory_mib
    disk = sum(each.size_mib for each in instance.disks)
    if reason := refusal(snapshot, node, state, memory, disk):
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
