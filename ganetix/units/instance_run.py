"""Starting, stopping, rebooting and removing instances."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import (
    ClusterFault,
    GanetixError,
    NodeUnreachable,
    RemoteFailure,
    Unavailable,
    WrongState,
)
from ganetix.jobs.work import Outcome
from ganetix.objects import GuestInfo, GuestSpec, Instance, Node
from ganetix.objects.base import Value
from ganetix.objects.guest_calls import (
    GuestListRequest,
    GuestName,
    GuestStart,
    GuestStop,
)
from ganetix.objects.intent import InstanceIntent
from ganetix.objects.words import counted
from ganetix.opcodes import (
    OpInstanceReboot,
    OpInstanceRemove,
    OpInstanceShutdown,
    OpInstanceStartup,
)
from ganetix.plan.guest import guest_spec
from ganetix.rpc.methods import GUEST_LIST, GUEST_RESET, GUEST_START, GUEST_STOP
from ganetix.units.base import Context
from ganetix.units.instance_clear import purge
from ganetix.units.instance_settle import settle_earlier

OUTCOME_UNKNOWN = (NodeUnreachable, RemoteFailure, Unavailable)
"""After these nobody knows whether the node has done what it was asked."""

OUTCOMES = {
    "shutdown": "the guest powered off",
    "ended": "the guest did not power off in time and was ended",
    "was-down": "the guest was down already",
}


class Target(Value, frozen=True, kw_only=True):
    """An instance, its node, what the node is told of it, what it runs of it."""

    instance: Instance
    node: Node
    guest: GuestSpec
    running: GuestInfo | None


async def find_target(name: str, context: Context) -> Target:
    """The instance and what its node says of it."""
    await settle_earlier(context, context.snapshot.instance(name))
    snapshot = context.snapshot
    instance = snapshot.instance(name)
    node = snapshot.nodes[instance.primary_node]
    if node.offline:
        raise WrongState(f"node {node.name} of instance {instance.name} is offline")
    request = GuestListRequest(hypervisors=(instance.hypervisor,))
    answer = await context.call(node, GUEST_LIST, request)
    return Target(
        instance=instance,
        node=node,
        guest=guest_spec(instance, snapshot),
        running=next((g for g in answer.guests if g.uuid == instance.uuid), None),
    )


async def set_admin_state(
    context: Context, instance: Instance, state: Literal["up", "down"]
) -> None:
    """Record what the administrator wishes, so that it outlives a crash."""

    def change(snapshot: Snapshot) -> Edits:
        current = snapshot.instances[instance.uuid]
        if current.admin_state == state and current.admin_state_source == "admin":
            return Edits()
        wished = replace(current, admin_state=state, admin_state_source="admin")
        return Edits(put=(wished,))

    await context.commit(change)


async def stop_guest(context: Context, target: Target, seconds: float) -> str:
    """Stop the guest; a line that says how it went."""
    request = GuestStop(
        hypervisor=target.instance.hypervisor,
        uuid=target.instance.uuid,
        timeout_seconds=seconds,
    )
    stopped = await context.call(target.node, GUEST_STOP, request)
    line = OUTCOMES[stopped.outcome]
    context.say(f"{target.instance.name}: {line}")
    return line


async def shut_down(context: Context, target: Target, seconds: float) -> str:
    """Record that it should be down, and stop it; a line that says how it went.

    If that surely failed, the wish is taken back.
    """
    await set_admin_state(context, target.instance, "down")
    try:
        return await stop_guest(context, target, seconds)
    except GanetixError as error:
        is_known = not isinstance(error, OUTCOME_UNKNOWN)
        if is_known and target.instance.admin_state == "up":
            await set_admin_state(context, target.instance, "up")
        raise


def is_alive(target: Target) -> bool:
    """Whether the node runs the guest."""
    return target.running is not None and target.running.is_up


class InstanceStartup:
    """``OpInstanceStartup``."""

    async def gather(self, op: OpInstanceStartup, context: Context) -> Target:
        """The instance and its guest."""
        return await find_target(op.name, context)

    def plan(self, op: OpInstanceStartup, facts: Target) -> Target:
        """Always possible: starting one that runs only records the wish."""
        return facts

    async def act(
        self, op: OpInstanceStartup, context: Context, plan: Target
    ) -> Outcome:
        """Record the wish, start; a start that surely failed takes the wish back."""
        instance = plan.instance
        if is_alive(plan):
            context.say(f"{instance.name} runs already on {plan.node.name}")
            await set_admin_state(context, instance, "up")
            return Outcome(result={"started": False, "node": plan.node.name})
        await set_admin_state(context, instance, "up")
        context.say(f"starting {instance.name} on {plan.node.name}")
        try:
            await context.call(plan.node, GUEST_START, GuestStart(guest=plan.guest))
        except GanetixError as error:
            is_known = not isinstance(error, OUTCOME_UNKNOWN)
            if is_known and instance.admin_state != "up":
                await set_admin_state(context, instance, "down")
            raise
        return Outcome(result={"started": True, "node": plan.node.name})


class InstanceShutdown:
    """``OpInstanceShutdown``."""

    async def gather(self, op: OpInstanceShutdown, context: Context) -> Target:
        """The instance and its guest."""
        return await find_target(op.name, context)

    def plan(self, op: OpInstanceShutdown, facts: Target) -> Target:
        """Always possible: stopping one that is down only records the wish."""
        return facts

    async def act(
        self, op: OpInstanceShutdown, context: Context, plan: Target
    ) -> Outcome:
        """Record the wish, then ask the guest, then end it."""
        return Outcome(result={"how": await shut_down(context, plan, op.timeout)})


class InstanceReboot:
    """``OpInstanceReboot``."""

    async def gather(self, op: OpInstanceReboot, context: Context) -> Target:
        """The instance and its guest."""
        return await find_target(op.name, context)

    def plan(self, op: OpInstanceReboot, facts: Target) -> Target:
        """Refuse if the instance does not run."""
        if not is_alive(facts):
            state = facts.running.state if facts.running else "not there"
            raise WrongState(
                f"instance {facts.instance.name} does not run (it is {state});"
                " start it instead"
            )
        return facts

    async def act(
        self, op: OpInstanceReboot, context: Context, plan: Target
    ) -> Outcome:
        """Stop and start, or reset."""
        instance = plan.instance
        await set_admin_state(context, instance, "up")
        if op.mode == "hard":
            name = GuestName(hypervisor=instance.hypervisor, uuid=instance.uuid)
            await context.call(plan.node, GUEST_RESET, name)
            context.say(f"{instance.name} was reset")
            return Outcome(result={"how": "reset"})
        how = await stop_guest(context, plan, op.timeout)
        context.say(f"starting {instance.name} on {plan.node.name}")
        await context.call(plan.node, GUEST_START, GuestStart(guest=plan.guest))
        return Outcome(result={"how": how})


class InstanceRemove:
    """``OpInstanceRemove``: point of no return is the batch that takes it out."""

    async def gather(self, op: OpInstanceRemove, context: Context) -> Target:
        """The instance and its guest; without the node only if failures are ignored."""
        try:
            return await find_target(op.name, context)
        except (ClusterFault, WrongState) as error:
            if not op.ignore_failures:
                raise
            context.progress.warn(str(error))
        snapshot = context.snapshot
        instance = snapshot.instance(op.name)
        return Target(
            instance=instance,
            node=snapshot.nodes[instance.primary_node],
            guest=guest_spec(instance, snapshot),
            running=None,
        )

    def plan(self, op: OpInstanceRemove, facts: Target) -> Target:
        """Always possible."""
        return facts

    async def act(
        self, op: OpInstanceRemove, context: Context, plan: Target
    ) -> Outcome:
        """Stop it, take it out of the configuration, then remove it from its node."""
        instance = plan.instance
        if is_alive(plan):
            try:
                await shut_down(context, plan, op.timeout)
            except ClusterFault as error:
                if not op.ignore_failures:
                    raise
                context.progress.warn(str(error))
        context.progress.check_cancelled()
        intent = InstanceIntent(
            instance=instance,
            action="remove",
            job_id=context.progress.job_id,
            step="purge",
        )

        def leave(snapshot: Snapshot) -> Edits:
            current = snapshot.instances[instance.uuid]
            return Edits(delete=(current,), put_intents=(intent,))

        await context.commit(leave)
        try:
            removed = await purge(context, plan.node, instance)
        except GanetixError as error:
            if not op.ignore_failures:
                raise ClusterFault(
                    f"{instance.name} is out of the configuration, but {error};"
                    f" what it left on {plan.node.name} is removed when that answers"
                ) from error
            context.progress.warn(
                f"{error}; what it left on {plan.node.name} is removed when that"
                " answers"
            )
            return Outcome(result={"disks": 0})
        context.say(
            f"{instance.name} was removed with {counted(removed.disks, 'disk')}"
        )
        return Outcome(
            result={"disks": removed.disks},
            change=lambda _: Edits(delete_intents=(instance.uuid,)),
        )
