"""The template of instances without disks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from ganetix.errors import BadParameter
from ganetix.interfaces import IStorage, Say

if TYPE_CHECKING:
    from ganetix.objects import GuestDisk
    from ganetix.objects.node_calls import DiskInfo, DiskSpace


@implementer(IStorage)
class DisklessStorage:
    """Holds nothing, and refuses to."""

    template = "diskless"

    def check(self) -> Deferred[Sequence[str]]:
        """Always works."""
        return succeed(())

    def create(self, instance_uuid: str, disk: GuestDisk, say: Say) -> Deferred[None]:
        """Refused: the template has no disks."""
        return fail(_no_disks())

    def remove(self, instance_uuid: str, disk_uuid: str) -> Deferred[bool]:
        """There is none."""
        return succeed(False)

    def remove_all(self, instance_uuid: str) -> Deferred[int]:
        """There are none."""
        return succeed(0)

    def path(self, instance_uuid: str, disk: GuestDisk) -> Path:
        """Refused: the template has no disks."""
        raise _no_disks()

    def disks(self) -> Deferred[Sequence[DiskInfo]]:
        """There are none."""
        return succeed(())

    def space(self) -> Deferred[DiskSpace | None]:
        """Takes none."""
        return succeed(None)


def _no_disks() -> BadParameter:
    return BadParameter("an instance of disk template diskless cannot have disks")
