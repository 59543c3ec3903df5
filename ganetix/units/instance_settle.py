"""Ending moves of instances that were cut short: finished where they can be, or undone.

Each step says what may have happened. Before anything was sent the instance stays;
once the configuration has it on its target it goes on there; in between the node that
sent it is asked, and nobody runs the guest until that has answered.
"""

from __future__ import annotations

from functools import partial

from ganetix.errors import ClusterFault, GanetixError, WrongState
from ganetix.objects import GuestInfo, Instance, Node
from ganetix.objects.guest_calls import (
    GuestListRequest,
    GuestName,
    GuestPurge,
    GuestStart,
)
from ganetix.objects.intent import InstanceIntent
from ganetix.plan.guest import guest_spec
from ganetix.plan.instance_move import (
    at_step,
    is_alive,
    is_switched,
    other_node,
    switched,
    without,
)
from ganetix.rpc.methods import (
    GUEST_ACCEPT,
    GUEST_LIST,
    GUEST_PURGE,
    GUEST_SEND_CANCEL,
    GUEST_START,
)
from ganetix.units.base import Context


async def settle_move(context: Context, intent: InstanceIntent) -> str:
    """End a move that no job works on any more; a line that says how it came out.

    Fails, with the move still on record, while a node is not reachable whose word or
    work is needed.
    """
    uuid, name = intent.instance.uuid, intent.instance.name
    if uuid not in context.snapshot.instances:
        await context.commit(partial(without, intent))
        return f"{name} is gone"
    if not is_switched(intent, context.snapshot) and intent.step == "send":
        await _ask_whether_it_left(context, intent)
    instance = context.snapshot.instances[uuid]
    if intent.step != "release":
        await _set_going(context, intent, instance)
        await context.commit(partial(at_step, intent, "release"))
    await release(context, intent)
    home = context.snapshot.nodes[instance.primary_node].name
    line = f"{name}: its {intent.action} was cut short; it is on {home}"
    context.say(line)
    return line


async def settle_earlier(context: Context, instance: Instance) -> None:
    """End what an earlier job left of a move, before another begins something.

    What keeps the instance from being used is raised; what only remains to be tidied
    up is left for later.
    """
    intent = context.snapshot.intents.get(instance.uuid)
    if intent is None or not intent.is_move:
        return
    try:
        await settle_move(context, intent)
    except GanetixError as error:
        if intent.step == "send" and not is_switched(intent, context.snapshot):
            raise WrongState(
                f"instance {instance.name} was being moved, and nobody knows yet where"
                f" it runs: {error}",
                instance=instance.name,
            ) from error
        context.progress.warn(f"an earlier move is not tidied up yet: {error}")


async def release(context: Context, intent: InstanceIntent) -> None:
    """Tidy up the node that the instance is not on, and forget the move.

    Only notes and processes go: whatever disks there may be are the instance's own.
    """
    node = other_node(intent, context.snapshot)
    if node is not None and not node.offline:
        request = GuestPurge(
            uuid=intent.instance.uuid,
            hypervisors=(intent.instance.hypervisor,),
            disk_templates=(),
        )
        await context.call(node, GUEST_PURGE, request)
    await context.commit(partial(without, intent))


async def guest_on(
    context: Context, node: Node, instance: Instance
) -> GuestInfo | None:
    """What a node says of an instance's guest."""
    request = GuestListRequest(hypervisors=(instance.hypervisor,))
    guests = (await context.call(node, GUEST_LIST, request)).guests
    return next((guest for guest in guests if guest.uuid == instance.uuid), None)


async def _ask_whether_it_left(context: Context, intent: InstanceIntent) -> None:
    """Call the guest back, or record that it is the target's."""
    instance = intent.instance
    source = context.snapshot.nodes.get(instance.primary_node)
    name = GuestName(hypervisor=instance.hypervisor, uuid=instance.uuid)
    if source is None or source.offline:
        # Dead for sure, so it is enough that all of the guest has arrived.
        target = context.snapshot.nodes[intent.target_node]
        if target.offline:
            return
        try:
            await context.call(target, GUEST_ACCEPT, name)
        except WrongState:
            return
    else:
        await context.call(source, GUEST_SEND_CANCEL, name)
        guest = await guest_on(context, source, instance)
        if guest is None or guest.state != "left":
            return
    await context.commit(partial(switched, intent, "accept"))


async def _set_going(
    context: Context, intent: InstanceIntent, instance: Instance
) -> None:
    """Have the guest run where the instance is, if it is to run."""
    node = context.snapshot.nodes[instance.primary_node]
    if node.offline:
        return
    guest = await guest_on(context, node, instance)
    if guest is not None and guest.state == "arriving":
        name = GuestName(hypervisor=instance.hypervisor, uuid=instance.uuid)
        try:
            await context.call(node, GUEST_ACCEPT, name)
        except ClusterFault as error:
            context.progress.warn(f"{instance.name} could not go on: {error}")
            guest = None
        else:
            return
    if instance.admin_state != "up" or is_alive(guest):
        return
    context.say(f"starting {instance.name} on {node.name}")
    spec = guest_spec(instance, context.snapshot)
    await context.call(node, GUEST_START, GuestStart(guest=spec))
