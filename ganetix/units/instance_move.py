"""What all ways of moving an instance to another node have in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import ClusterFault, GanetixError, NoResources, WrongState
from ganetix.jobs.work import Outcome
from ganetix.objects import GuestInfo, GuestSpec, Instance, Node
from ganetix.objects.base import Value
from ganetix.objects.guest_calls import CreateCheck
from ganetix.objects.intent import InstanceIntent, IntentAction
from ganetix.objects.node_calls import NodeInfo
from ganetix.plan.instance_move import (
    MoveOp,
    at_step,
    claim,
    is_switched,
    possible_targets,
    without,
)
from ganetix.plan.place import NodeState, closed
from ganetix.rpc.methods import CREATE_CHECK
from ganetix.units.base import Context
from ganetix.units.instance_settle import (
    guest_on,
    release,
    settle_earlier,
    settle_move,
)
from ganetix.units.node_states import ask_each, states_of
from ganetix.units.placing import choose_target, tell_choice


class Possible(Value, frozen=True, kw_only=True):
    """The nodes that may take an instance; one alone if it ``is_named``.

    ``infos`` are what they said, and the instance's own node; ``iallocator`` is to
    choose.
    """

    nodes: tuple[Node, ...]
    infos: dict[str, NodeInfo]
    is_named: bool
    iallocator: str | None


class MoveFacts(Value, frozen=True, kw_only=True):
    """An instance, what its node said, and what the possible targets said.

    ``silence`` is why its node said nothing; empty if it did, or is offline.
    """

    snapshot: Snapshot
    instance: Instance
    source: Node
    guest: GuestInfo | None
    silence: str
    possible: Possible


class MovePlan(Value, frozen=True, kw_only=True):
    """From where to where; ``confirms``: its node is there to say that it stopped."""

    instance: Instance
    source: Node
    possible: Possible
    confirms: bool
    is_live: bool = False
    timeout: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def states(self) -> dict[str, NodeState]:
        """The room of the possible nodes."""
        return states_of(self.possible.infos, self.instance.disk_template)


async def gather_move(op: MoveOp, context: Context) -> MoveFacts:
    """Ask the instance's node for its guest, and the possible targets for room."""
    await settle_earlier(context, context.snapshot.instance(op.name))
    snapshot = context.snapshot
    instance = snapshot.instance(op.name)
    source = snapshot.nodes[instance.primary_node]
    guest: GuestInfo | None = None
    silence = ""
    if not source.offline:
        try:
            guest = await guest_on(context, source, instance)
        except ClusterFault as error:
            silence = str(error)
    return MoveFacts(
        snapshot=snapshot,
        instance=instance,
        source=source,
        guest=guest,
        silence=silence,
        possible=await _possible(op, context, instance, snapshot),
    )


async def _possible(
    op: MoveOp, context: Context, instance: Instance, snapshot: Snapshot
) -> Possible:
    """Ask the targets for room, and the instance's node so that allocators know it."""
    nodes = possible_targets(op, instance, snapshot)
    home = snapshot.nodes[instance.primary_node]
    is_named = op.node is not None

    def not_heard(node: Node, error: GanetixError) -> None:
        if is_named:
            raise error
        if node is not home:
            context.progress.warn(f"node {node.name} is left out: {error}")

    asked = nodes if is_named else (home, *nodes)
    return Possible(
        nodes=nodes,
        infos=await ask_each(context, asked, (instance.disk_template,), not_heard),
        is_named=is_named,
        iallocator=op.iallocator,
    )


def plan_failover(
    facts: MoveFacts, timeout: float, *, ignore: bool | None = None
) -> MovePlan:
    """Refuse where nobody can say that the instance does not run any more.

    :param ignore: that it may run there; None where the request cannot say so
    """
    name, source = facts.instance.name, facts.source
    warnings: tuple[str, ...] = ()
    if facts.silence and not ignore:
        raise WrongState(
            f"node {source.name} does not answer, so instance {name} may still run"
            f" there: {facts.silence}. Once it is dead for sure, 'gnt-node modify"
            f" --offline yes {source.name}' says so"
            + ("; --ignore-consistency does without" if ignore is not None else "")
        )
    if facts.silence:
        warnings = (
            f"node {source.name} does not answer; {name} is started elsewhere although"
            " it may still run there",
        )
    return MovePlan(
        instance=facts.instance,
        source=source,
        possible=facts.possible,
        confirms=not source.offline and not facts.silence,
        timeout=timeout,
        warnings=warnings,
    )


class Begun(Value, frozen=True, kw_only=True):
    """A move that is on record: where to, and its intent as it was then."""

    target: Node
    spec: GuestSpec
    intent: InstanceIntent


async def begin(
    context: Context,
    plan: MovePlan,
    action: IntentAction,
    step: str,
    spec_on: Callable[[Node], GuestSpec],
) -> Begun:
    """Have the move on record before its first step; its target promises the memory.

    A target that is not named is chosen, reserved thus, then locked. If others were
    first, or it is closed by now, another one is chosen.

    :param spec_on: the guest as it is to be on a node
    """
    for warning in plan.warnings:
        context.progress.warn(warning)
    while True:
        target = await _target(context, plan)
        spec = spec_on(target)
        await _check_room(context, target, spec)
        intent = InstanceIntent(
            instance=plan.instance,
            action=action,
            job_id=context.progress.job_id,
            step=step,
            target_node=target.uuid,
        )
        try:
            await context.commit(partial(claim, intent, plan.states))
            if not plan.possible.is_named:
                await _lock(context, plan, intent)
        except NoResources:
            if plan.possible.is_named:
                raise
        else:
            verb = "moving" if action == "migrate" else "failing over"
            name = plan.instance.name
            context.say(f"{verb} {name} from {plan.source.name} to {target.name}")
            return Begun(target=target, spec=spec, intent=intent)
        context.progress.check_cancelled()
        # Nothing is changed by this, but what stood in the way is durable then.
        await context.commit(lambda _: Edits())


async def _target(context: Context, plan: MovePlan) -> Node:
    """The node that is named or, as things are now, chosen."""
    possible, snapshot = plan.possible, context.snapshot
    if possible.is_named:
        (node,) = possible.nodes
        return node
    choice = await choose_target(
        context,
        snapshot,
        snapshot.instances[plan.instance.uuid],
        [snapshot.nodes[node.uuid] for node in possible.nodes],
        possible.infos,
        possible.iallocator,
    )
    target = snapshot.nodes[choice.node_uuid]
    tell_choice(choice, target, context)
    return target


async def _lock(context: Context, plan: MovePlan, intent: InstanceIntent) -> None:
    """Lock both nodes; ``NoResources`` if the chosen one is closed by now."""
    nodes = {plan.source.uuid, intent.target_node}
    try:
        await context.progress.hold_nodes(nodes)
        target = context.snapshot.nodes[intent.target_node]
        if reason := closed(target):
            raise NoResources(f"node {target.name} {reason}", node=target.name)
    except GanetixError:
        await context.commit(partial(without, intent))
        raise


async def end(
    context: Context, intent: InstanceIntent, plan: MovePlan, target: Node, how: str
) -> Outcome:
    """Tidy up where it was, or leave that to the recovery if the node is away."""
    source = plan.source
    result = {"from": source.name, "to": target.name, "how": how}
    if not plan.confirms:
        return Outcome(result=result, change=partial(without, intent))
    if intent.instance.uuid in context.snapshot.intents:
        await context.commit(partial(at_step, intent, "release"))
        try:
            await release(context, intent)
        except ClusterFault as error:
            context.progress.warn(
                f"what is left on {source.name} is removed when that answers: {error}"
            )
    return Outcome(result=result)


async def settle_after(context: Context, intent: InstanceIntent) -> bool:
    """End a move that failed half-way; whether the instance is on its target then.

    What cannot be done now is done by the recovery.
    """
    try:
        await settle_move(context, intent)
    except GanetixError as error:
        context.progress.warn(
            f"the move of {intent.instance.name} is not at its end yet: {error}"
        )
        return False
    return is_switched(intent, context.snapshot)


async def _check_room(context: Context, target: Node, spec: GuestSpec) -> None:
    """Whether hypervisor, memory and disks of a node can take the guest."""
    # What runs already, or is installed, needs no OS definition.
    await context.call(
        target, CREATE_CHECK, CreateCheck(guest=replace(spec, os="", disks=()))
    )
