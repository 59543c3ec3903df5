"""Node groups."""

from __future__ import annotations

from functools import partial

from msgspec import to_builtins
from msgspec.structs import replace

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import ConfigConflict
from ganetix.jobs.work import Outcome
from ganetix.objects import NodeGroup
from ganetix.opcodes import (
    OpGroupAdd,
    OpGroupAssignNodes,
    OpGroupModify,
    OpGroupRemove,
    OpGroupRename,
)
from ganetix.plan.group import (
    Assignment,
    GroupChange,
    assigned,
    changed_group,
    check_removable,
    modified,
    new_group,
    renamed,
)
from ganetix.units.base import BeginsLate, Context
from ganetix.units.cluster_modify import say_promotions


class GroupAdd(BeginsLate):
    """``OpGroupAdd``."""

    async def gather(self, op: OpGroupAdd, context: Context) -> tuple[Snapshot, str]:
        """The configuration, and a UUID for the group."""
        return context.snapshot, context.services.new_uuid()

    def plan(self, op: OpGroupAdd, facts: tuple[Snapshot, str]) -> NodeGroup:
        """Refuse a name that is taken and parameters that cannot be."""
        return new_group(op, *facts)

    async def act(self, op: OpGroupAdd, context: Context, plan: NodeGroup) -> Outcome:
        """One change."""
        return Outcome(
            result={"uuid": plan.uuid, "name": plan.name},
            change=lambda now: Edits(put=(new_group(op, now, plan.uuid),)),
        )


class GroupModify(BeginsLate):
    """``OpGroupModify``."""

    async def gather(self, op: OpGroupModify, context: Context) -> Snapshot:
        """The configuration."""
        return context.snapshot

    def plan(self, op: OpGroupModify, facts: Snapshot) -> GroupChange:
        """Refuse what cannot be."""
        return changed_group(op, facts)

    async def act(
        self, op: OpGroupModify, context: Context, plan: GroupChange
    ) -> Outcome:
        """One change; it fails if the group is not what was decided upon."""
        same = replace(op, name=plan.before.uuid, expected_serial=plan.before.serial_no)
        say_promotions(context, modified(same, context.snapshot))
        return Outcome(
            result={
                "uuid": plan.before.uuid,
                "name": plan.before.name,
                "changes": to_builtins(plan.changes),
            },
            change=partial(modified, same),
        )


class GroupRename(BeginsLate):
    """``OpGroupRename``."""

    async def gather(self, op: OpGroupRename, context: Context) -> Snapshot:
        """The configuration."""
        return context.snapshot

    def plan(self, op: OpGroupRename, facts: Snapshot) -> NodeGroup:
        """Refuse a name that is taken."""
        return renamed(op, facts)

    async def act(
        self, op: OpGroupRename, context: Context, plan: NodeGroup
    ) -> Outcome:
        """One change: all else refers to the group by its UUID."""
        same = replace(op, name=plan.uuid)
        return Outcome(
            result={"uuid": plan.uuid, "before": op.name, "after": plan.name},
            change=lambda now: Edits(put=(renamed(same, now),)),
        )


class GroupRemove(BeginsLate):
    """``OpGroupRemove``."""

    async def gather(self, op: OpGroupRemove, context: Context) -> Snapshot:
        """The configuration."""
        return context.snapshot

    def plan(self, op: OpGroupRemove, facts: Snapshot) -> NodeGroup:
        """Refuse a group that is needed or not empty."""
        return check_removable(facts, op.name)

    async def act(
        self, op: OpGroupRemove, context: Context, plan: NodeGroup
    ) -> Outcome:
        """One change."""
        return Outcome(
            result={"uuid": plan.uuid, "name": plan.name},
            change=lambda now: Edits(delete=(check_removable(now, plan.uuid),)),
        )


class GroupAssignNodes(BeginsLate):
    """``OpGroupAssignNodes``."""

    async def gather(self, op: OpGroupAssignNodes, context: Context) -> Snapshot:
        """The configuration."""
        return context.snapshot

    def plan(self, op: OpGroupAssignNodes, facts: Snapshot) -> Assignment:
        """Refuse moves that would split instances."""
        return assigned(op, facts)

    async def act(
        self, op: OpGroupAssignNodes, context: Context, plan: Assignment
    ) -> Outcome:
        """One change of all nodes."""
        snapshot = context.snapshot
        names = sorted(snapshot.nodes[uuid].name for uuid in plan.moves)
        for uuid in plan.moves:
            node = snapshot.nodes[uuid]
            old = snapshot.groups[node.group].name
            context.say(f"node {node.name} moves from group {old} to {plan.group.name}")
        for name in plan.splits.new:
            context.progress.warn(f"instance {name} is split over two groups now")
        for name in plan.splits.old:
            context.progress.warn(f"instance {name} stays split over two groups")

        say_promotions(context, plan.edits)

        def change(now: Snapshot) -> Edits:
            newest = assigned(op, now)
            if newest.moves != plan.moves:
                raise ConfigConflict("nodes changed groups meanwhile; try again")
            return newest.edits

        return Outcome(
            result={
                "group": plan.group.name,
                "moved": names,
                "split": list(plan.splits.new),
            },
            change=change if plan.moves else None,
        )
