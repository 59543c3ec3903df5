"""The last capacity of each group, told again while nothing has shrunk (R29)."""

from __future__ import annotations

from ganetix.config.snapshot import Snapshot
from ganetix.objects import CapacityParams, InstanceSize
from ganetix.objects.base import Value
from ganetix.plan.capacity.keeping import still_holds
from ganetix.plan.capacity.report import GroupReport


class _Kept(Value, frozen=True, kw_only=True):
    """A result, and what it was computed from."""

    report: GroupReport
    snapshot: Snapshot
    params: CapacityParams
    sizes: tuple[InstanceSize, ...]


class CapacityBook:
    """Results by group, in memory only."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def find(
        self,
        snapshot: Snapshot,
        group_uuid: str,
        params: CapacityParams,
        sizes: tuple[InstanceSize, ...],
        now: float,
    ) -> GroupReport | None:
        """What was computed with the same parameters and still holds."""
        kept = self._kept.get(group_uuid)
        if kept is None or kept.params != params or kept.sizes != sizes:
            return None
        age = now - kept.report.ctime
        if not 0 <= age <= snapshot.cluster.cache_seconds:
            return None
        if not still_holds(kept.snapshot, snapshot, group_uuid):
            return None
        return kept.report

    def keep(
        self,
        snapshot: Snapshot,
        group_uuid: str,
        params: CapacityParams,
        sizes: tuple[InstanceSize, ...],
        report: GroupReport,
    ) -> None:
        """Remember a result, computed from that configuration."""
        self._kept[group_uuid] = _Kept(
            report=report, snapshot=snapshot, params=params, sizes=sizes
        )
        for gone in self._kept.keys() - snapshot.groups.keys():
            del self._kept[gone]

    def forget(self, group_uuid: str | None = None) -> None:
        """Forget a group's result, or all."""
        if group_uuid is None:
            self._kept.clear()
        else:
            self._kept.pop(group_uuid, None)
