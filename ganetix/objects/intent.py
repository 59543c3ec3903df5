"""Work that was begun: what must be found again after a crash."""

from __future__ import annotations

from typing import Literal

from ganetix.objects.base import Value
from ganetix.objects.instance import Instance


class InstanceIntent(Value, frozen=True, kw_only=True):
    """An instance being created or removed; not, or no longer, in the configuration.

    Written before the first step on its node; ``step`` is the last step begun. A
    created instance comes into the configuration in the batch that deletes this
    record; one that is removed leaves it in the batch that writes this record.
    """

    instance: Instance
    action: Literal["create", "remove"] = "create"
    job_id: int
    step: str
