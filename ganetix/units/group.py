"""Node groups."""

from __future__ import annotations

from ganetix.config.snapshot import Edits
from ganetix.errors import AlreadyExists
from ganetix.jobs.work import Outcome
from ganetix.objects import NodeGroup
from ganetix.opcodes import OpGroupAdd
from ganetix.units.base import Context


class GroupAdd:
    """``OpGroupAdd``."""

    async def gather(self, op: OpGroupAdd, context: Context) -> tuple[str, ...]:
        """The names that are taken."""
        return tuple(group.name for group in context.snapshot.groups.values())

    def plan(self, op: OpGroupAdd, facts: tuple[str, ...]) -> None:
        """Refuse a name that is taken."""
        if op.name in facts:
            raise AlreadyExists(f"there is a group {op.name!r} already")

    async def act(self, op: OpGroupAdd, context: Context, plan: None) -> Outcome:
        """One change."""
        group = NodeGroup(
            uuid=context.services.new_uuid(),
            name=op.name,
            alloc_policy=op.alloc_policy,
        )
        return Outcome(
            result={"uuid": group.uuid, "name": group.name},
            change=lambda _: Edits(put=(group,)),
        )
