"""The hypervisors and storages of this node, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ganetix.errors import BadParameter
from ganetix.interfaces import IHypervisor, IStorage

if TYPE_CHECKING:
    from ganetix.objects import GuestSpec

T = TypeVar("T")


class Providers:
    """Looks up what runs guests and what keeps disks."""

    def __init__(
        self,
        hypervisors: Mapping[str, IHypervisor],
        storages: Mapping[str, IStorage],
    ) -> None:
        self.hypervisors = dict(hypervisors)
        self.storages = dict(storages)

    def hypervisor(self, name: str) -> IHypervisor:
        """The hypervisor of that name; ``BadParameter`` if there is none."""
        return _find("hypervisor", name, self.hypervisors)

    def storage(self, template: str) -> IStorage:
        """The storage of that disk template; ``BadParameter`` if there is none."""
        return _find("disk template", template, self.storages)

    def disk_paths(self, guest: GuestSpec) -> Sequence[Path]:
        """The paths of a guest's disks, in their order."""
        return [
            self.storage(disk.template).path(guest.uuid, disk) for disk in guest.disks
        ]


def _find(kind: str, name: str, known: Mapping[str, T]) -> T:
    if name not in known:
        raise BadParameter(
            f"this node has no {kind} {name!r}; it has: {', '.join(sorted(known))}"
        )
    return known[name]
