"""Migrating instances: moved to another node while they run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from ganetix.errors import Cancelled, ClusterFault, GanetixError, WrongState
from ganetix.jobs.work import Outcome
from ganetix.objects.guest_calls import GuestName, GuestReceive, GuestSend
from ganetix.opcodes import OpInstanceMigrate
from ganetix.plan.instance_move import at_step, is_alive, switched
from ganetix.rpc.methods import (
    GUEST_ACCEPT,
    GUEST_RECEIVE,
    GUEST_SEND,
    GUEST_SEND_CANCEL,
    GUEST_SPEC,
)
from ganetix.units.base import Context
from ganetix.units.instance_failover import fail_over
from ganetix.units.instance_move import (
    MoveFacts,
    MovePlan,
    begin,
    end,
    gather_move,
    plan_failover,
    settle_after,
)

LOOK_SECONDS = 0.5

R = TypeVar("R")


class InstanceMigrate:
    """``OpInstanceMigrate``."""

    async def gather(self, op: OpInstanceMigrate, context: Context) -> MoveFacts:
        """The instance, its node and the others."""
        return await gather_move(op, context)

    def plan(self, op: OpInstanceMigrate, facts: MoveFacts) -> MovePlan:
        """Choose the node; refuse an instance that does not run."""
        name, source, guest = facts.instance.name, facts.source, facts.guest
        if guest is not None and guest.state == "running":
            planned = plan_failover(facts, 0.0)
            return replace(planned, is_live=True)
        if op.allow_failover and not is_alive(guest):
            return plan_failover(facts, 0.0)
        if facts.silence or source.offline:
            why = f"node {source.name} " + (
                "is offline" if source.offline else f"does not answer: {facts.silence}"
            )
        else:
            why = f"it is {guest.state if guest else 'down'}"
        raise WrongState(
            f"instance {name} cannot be moved while it runs: {why};"
            " 'gnt-instance failover' starts it elsewhere"
        )

    async def act(
        self, op: OpInstanceMigrate, context: Context, plan: MovePlan
    ) -> Outcome:
        """Send it, put it on its target in one batch, let it go on."""
        if not plan.is_live:
            return await fail_over(context, plan)
        return await migrate(context, plan)


async def migrate(context: Context, plan: MovePlan) -> Outcome:
    """Move an instance while it runs."""
    instance, source = plan.instance, plan.source
    name = GuestName(hypervisor=instance.hypervisor, uuid=instance.uuid)
    spec = (await context.call(source, GUEST_SPEC, name)).guest
    if spec is None:
        raise WrongState(f"instance {instance.name} does not run any more")
    begun = await begin(context, plan, "migrate", "receive", lambda _: spec)
    intent, target = begun.intent, begun.target
    try:
        context.progress.check_cancelled()
        awaited = await context.call(
            target,
            GUEST_RECEIVE,
            GuestReceive(guest=spec, address=target.secondary_ip, sender=source.uuid),
        )
        context.progress.check_cancelled()
        await context.commit(partial(at_step, intent, "send"))
        intent = replace(intent, step="send")
        sending = GuestSend(
            hypervisor=instance.hypervisor,
            uuid=instance.uuid,
            address=target.secondary_ip,
            port=awaited.port,
            receiver=target.uuid,
        )
        await _while_wanted(
            context,
            Deferred.fromCoroutine(context.call(source, GUEST_SEND, sending)),
            lambda: context.call(source, GUEST_SEND_CANCEL, name),
        )
        await context.commit(partial(switched, intent, "accept"))
        intent = replace(intent, step="accept")
        await context.call(target, GUEST_ACCEPT, name)
    except GanetixError as error:
        if not await settle_after(context, intent):
            context.progress.check_cancelled()
            raise
        context.progress.warn(str(error))
    context.say(f"{instance.name} runs on {target.name}")
    return await end(context, intent, plan, target, "migrate")


async def _while_wanted(
    context: Context, work: Deferred[R], call_back: Callable[[], Awaitable[object]]
) -> R:
    """The result of work that is called back when the user cancels the job."""

    pauses: list[Deferred[None]] = []
    is_over = False

    async def watch() -> None:
        try:
            while True:
                pauses[:] = [deferLater(context.services.clock, LOOK_SECONDS)]
                await pauses[0]
                pauses.clear()
                context.progress.check_cancelled()
        except CancelledError:
            return
        except Cancelled:
            context.say("calling it back")
        try:
            await call_back()
        except ClusterFault as error:
            if not is_over:
                context.progress.warn(f"it cannot be called back: {error}")

    def stop_watching() -> None:
        nonlocal is_over
        is_over = True
        # Only while it pauses: it may be what has brought the work to its end.
        for pause in pauses:
            pause.cancel()

    _ = Deferred.fromCoroutine(watch())
    try:
        result = await work
    except Exception:
        stop_watching()
        raise
    stop_watching()
    return result
