"""Failing instances over: stopped where they are, started on another node."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from ganetix.errors import ClusterFault, GanetixError
from ganetix.jobs.work import Outcome
from ganetix.objects import GuestSpec, Instance, Node
from ganetix.objects.guest_calls import GuestStart, GuestStop
from ganetix.objects.intent import InstanceIntent
from ganetix.opcodes import OpInstanceFailover
from ganetix.plan.guest import guest_spec
from ganetix.plan.instance_move import switched, without
from ganetix.rpc.methods import GUEST_START, GUEST_STOP
from ganetix.units.base import Context
from ganetix.units.instance_move import (
    MoveFacts,
    MovePlan,
    begin,
    end,
    gather_move,
    plan_failover,
    settle_after,
)
from ganetix.units.instance_run import OUTCOME_UNKNOWN, OUTCOMES


class InstanceFailover:
    """``OpInstanceFailover``."""

    async def gather(self, op: OpInstanceFailover, context: Context) -> MoveFacts:
        """The instance, its node and the others."""
        return await gather_move(op, context)

    def plan(self, op: OpInstanceFailover, facts: MoveFacts) -> MovePlan:
        """Choose the node; refuse what could make the instance run twice."""
        return plan_failover(facts, op.timeout, ignore=op.ignore_consistency)

    async def act(
        self, op: OpInstanceFailover, context: Context, plan: MovePlan
    ) -> Outcome:
        """Stop it, put it on its target in one batch, start it."""
        return await fail_over(context, plan)


async def fail_over(context: Context, plan: MovePlan) -> Outcome:
    """Move an instance that is stopped for it."""
    instance = plan.instance
    begun = await begin(
        context, plan, "failover", "stop", partial(_spec_on, context, instance)
    )
    intent, target = begun.intent, begun.target
    try:
        context.progress.check_cancelled()
        if plan.confirms:
            await _stop(context, plan)
    except GanetixError:
        await settle_after(context, intent)
        raise
    snapshot = await context.commit(partial(switched, intent, "start"))
    context.say(f"{instance.name} is on {target.name} now")
    if snapshot.instances[instance.uuid].admin_state == "up":
        context.say(f"starting {instance.name} on {target.name}")
        await _start(context, intent, target, begun.spec)
    return await end(context, intent, plan, target, "failover")


async def _stop(context: Context, plan: MovePlan) -> None:
    request = GuestStop(
        hypervisor=plan.instance.hypervisor,
        uuid=plan.instance.uuid,
        timeout_seconds=plan.timeout,
    )
    stopped = await context.call(plan.source, GUEST_STOP, request)
    context.say(f"{plan.instance.name}: {OUTCOMES[stopped.outcome]}")


async def _start(
    context: Context, intent: InstanceIntent, target: Node, spec: GuestSpec
) -> None:
    """Start it. A start of which nobody heard how it went is the recovery's."""
    try:
        await context.call(target, GUEST_START, GuestStart(guest=spec))
    except OUTCOME_UNKNOWN:
        raise
    except GanetixError as error:
        await context.commit(partial(without, intent))
        raise ClusterFault(
            f"instance {intent.instance.name} is on {target.name} now, but could not"
            f" be started: {error}"
        ) from error


def _spec_on(context: Context, instance: Instance, target: Node) -> GuestSpec:
    moved = replace(instance, primary_node=target.uuid)
    return guest_spec(moved, context.snapshot)
