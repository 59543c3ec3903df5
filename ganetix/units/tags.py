"""Tags of the cluster, of groups, nodes and instances."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.jobs.work import Outcome
from ganetix.opcodes.tags import TagsChange
from ganetix.plan.tags import tagged
from ganetix.units.base import BeginsLate, Context

T = TypeVar("T", bound=TagsChange)


class TagsEdit(BeginsLate, Generic[T]):
    """``OpTagsAdd`` and ``OpTagsRemove``, by what they come to."""

    def __init__(self, edits: Callable[[T, Snapshot], Edits]) -> None:
        self._edits = edits

    async def gather(self, op: T, context: Context) -> Snapshot:
        """The configuration."""
        return context.snapshot

    def plan(self, op: T, facts: Snapshot) -> str:
        """Refuse what cannot be; the object's name."""
        self._edits(op, facts)
        return tagged(facts, op.kind, op.name).name

    async def act(self, op: T, context: Context, plan: str) -> Outcome:
        """One change, made upon the newest tags: none that others added is lost."""
        return Outcome(
            result={"kind": op.kind, "name": plan, "tags": list(op.tags)},
            change=partial(self._edits, op),
        )
