"""Clearing up after work on an instance that was cut short."""

from __future__ import annotations

from functools import partial

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.jobs.work import Outcome
from ganetix.objects import Instance, Node
from ganetix.objects.guest_calls import GuestPurge, Purged
from ganetix.objects.intent import InstanceIntent
from ganetix.opcodes import OpInstanceCleanup
from ganetix.rpc.methods import GUEST_PURGE
from ganetix.units.base import Context
from ganetix.units.instance_settle import settle_move


async def purge(context: Context, node: Node, instance: Instance) -> Purged:
    """Remove guest, disks and records of an instance from its node."""
    cluster = context.snapshot.cluster
    request = GuestPurge(
        uuid=instance.uuid,
        hypervisors=tuple({*cluster.enabled_hypervisors, instance.hypervisor}),
        disk_templates=tuple({*cluster.enabled_disk_templates, instance.disk_template}),
    )
    return await context.call(node, GUEST_PURGE, request)


async def forget(context: Context, instance: Instance) -> None:
    """Delete the intent of an instance, if there is one."""

    await context.commit(partial(_without_intent, instance.uuid))


def _without_intent(instance_uuid: str, snapshot: Snapshot) -> Edits:
    present = instance_uuid in snapshot.intents
    return Edits(delete_intents=(instance_uuid,) if present else ())


class InstanceCleanup:
    """``OpInstanceCleanup``: end what a crash or an absent node left half done."""

    async def gather(
        self, op: OpInstanceCleanup, context: Context
    ) -> InstanceIntent | None:
        """The intent, if it is still there."""
        return context.snapshot.intents.get(op.instance_uuid)

    def plan(
        self, op: OpInstanceCleanup, facts: InstanceIntent | None
    ) -> InstanceIntent | None:
        """Nothing is left to do if somebody cleared up before."""
        return facts

    async def act(
        self, op: OpInstanceCleanup, context: Context, plan: InstanceIntent | None
    ) -> Outcome:
        """Purge the node or end the move, then forget the intent."""
        if plan is None:
            return Outcome(result={"removed": False})
        if context.services.is_active(plan.job_id) and (
            plan.job_id != context.progress.job_id
        ):
            return Outcome(result={"removed": False})
        line = await clear_intent(context, plan)
        return Outcome(
            result={"removed": True, "what": line},
            # Somebody else, verify for one, may have forgotten it meanwhile.
            change=partial(_without_intent, op.instance_uuid),
        )


async def clear_intent(context: Context, intent: InstanceIntent) -> str:
    """Remove what an intent left on its node, or end the move that it is.

    A line says what there was.
    """
    if intent.is_move:
        return await settle_move(context, intent)
    instance = intent.instance
    node = context.snapshot.nodes.get(intent.instance.primary_node)
    if node is None:
        return f"{instance.name}: its node is gone from the cluster"
    removed = await purge(context, node, instance)
    guest = "a guest" if removed.guest else "no guest"
    line = f"{instance.name}: {guest} and {removed.disks} disks removed on {node.name}"
    context.say(line)
    return line
