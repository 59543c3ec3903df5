"""Work that was begun: what must be found again after a crash."""

from __future__ import annotations

from ganetix.objects.base import Value
from ganetix.objects.instance import Instance


class CreateIntent(Value, frozen=True, kw_only=True):
    """An instance being created: written before the first step on its node.

    ``step`` is the name of the last step begun. The instance comes into the
    configuration in the batch that deletes this record.
    """

    instance: Instance
    job_id: int
    step: str
