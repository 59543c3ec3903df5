"""What all ways of moving an instance to another node have in common."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from ganetix.config.snapshot import Snapshot
from ganetix.errors import ClusterFault, GanetixError, WrongState
from ganetix.jobs.work import Outcome
from ganetix.objects import GuestInfo, GuestSpec, Instance, Node
from ganetix.objects.base import Value
from ganetix.objects.intent import InstanceIntent, IntentAction
from ganetix.plan.instance_move import (
    MoveOp,
    at_step,
    chosen_target,
    claim,
    is_switched,
    possible_targets,
    without,
)
from ganetix.plan.place import NodeState
from ganetix.rpc.methods import (
    CREATE_CHECK,
    CreateCheck,
)
from ganetix.units.base import Context
from ganetix.units.instance_settle import (
    guest_on,
    release,
    settle_earlier,
    settle_move,
)
from ganetix.units.node_states import ask_states


class MoveFacts(Value, frozen=True, kw_only=True):
    """An instance, what its node said, and what the possible targets said.

    ``silence`` is why its node said nothing; empty if it did, or is offline.
    """

    snapshot: Snapshot
    instance: Instance
    source: Node
    guest: GuestInfo | None
    silence: str
    candidates: tuple[Node, ...]
    states: dict[str, NodeState]


class MovePlan(Value, frozen=True, kw_only=True):
    """From where to where; ``confirms``: its node is there to say that it stopped."""

    instance: Instance
    source: Node
    target: Node
    states: dict[str, NodeState]
    confirms: bool
    is_live: bool = False
    timeout: float = 0.0
    warnings: tuple[str, ...] = ()


async def gather_move(op: MoveOp, context: Context) -> MoveFacts:
    """Ask the instance's node for its guest, and the possible targets for room."""
    await settle_earlier(context, context.snapshot.instance(op.name))
    snapshot = context.snapshot
    instance = snapshot.instance(op.name)
    candidates = possible_targets(op, instance, snapshot)
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
        candidates=candidates,
        states=await ask_states(context, candidates, instance.disk_template),
    )


def plan_failover(facts: MoveFacts, timeout: float, *, ignore: bool) -> MovePlan:
    """Refuse where nobody can say that the instance does not run any more."""
    name, source = facts.instance.name, facts.source
    warnings: tuple[str, ...] = ()
    if facts.silence and not ignore:
        raise WrongState(
            f"node {source.name} does not answer, so instance {name} may still run"
            f" there: {facts.silence}. Once it is dead for sure, 'gnt-node modify"
            f" --offline yes {source.name}' says so; --ignore-consistency does without"
        )
    if facts.silence:
        warnings = (
            f"node {source.name} does not answer; {name} is started elsewhere although"
            " it may still run there",
        )
    target = chosen_target(
        facts.instance, facts.candidates, facts.states, facts.snapshot
    )
    return MovePlan(
        instance=facts.instance,
        source=source,
        target=target,
        states=facts.states,
        confirms=not source.offline and not facts.silence,
        timeout=timeout,
        warnings=warnings,
    )


async def begin(
    context: Context, plan: MovePlan, action: IntentAction, step: str
) -> InstanceIntent:
    """Have the move on record before its first step; its target promises the memory."""
    for warning in plan.warnings:
        context.progress.warn(warning)
    verb = "moving" if action == "migrate" else "failing over"
    context.say(
        f"{verb} {plan.instance.name} from {plan.source.name} to {plan.target.name}"
    )
    intent = InstanceIntent(
        instance=plan.instance,
        action=action,
        job_id=context.progress.job_id,
        step=step,
        target_node=plan.target.uuid,
    )
    await context.commit(partial(claim, intent, plan.states))
    return intent


async def end(
    context: Context, intent: InstanceIntent, plan: MovePlan, how: str
) -> Outcome:
    """Tidy up where it was, or leave that to the recovery if the node is away."""
    source, target = plan.source, plan.target
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


async def check_room(context: Context, target: Node, spec: GuestSpec) -> None:
    """Whether hypervisor, memory and disks of a node can take the guest."""
    # What runs already, or is installed, needs no OS definition.
    await context.call(
        target, CREATE_CHECK, CreateCheck(guest=replace(spec, os="", disks=()))
    )
