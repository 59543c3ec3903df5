"""Work that was begun: what must be found again after a crash."""

from __future__ import annotations

from typing import Literal

from ganetix.objects.base import Value
from ganetix.objects.instance import Instance

IntentAction = Literal["create", "remove", "failover", "migrate"]


class InstanceIntent(Value, frozen=True, kw_only=True):
    """An instance being created, removed or moved.

    Written before the first step on its node; ``step`` is the last step begun. A
    created instance comes into the configuration in the batch that deletes this
    record; one that is removed leaves it in the batch that writes this record. One
    that is moved, to ``target_node``, stays there; ``instance`` is how it was before.
    """

    instance: Instance
    action: IntentAction = "create"
    job_id: int
    step: str
    target_node: str = ""

    @property
    def is_move(self) -> bool:
        """Whether the instance only changes its place, and must not be cleared away."""
        return self.action in ("failover", "migrate")
