"""Memory that nodes have promised, and what is left if one of them fails. Pure.

It knows nothing of disks: who asks says where each guest could go on.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence

from ganetix.objects.base import Value


class Guest(Value, frozen=True, kw_only=True):
    """A guest that should run; ``targets`` are UUIDs of nodes, None is any other."""

    name: str
    memory_mib: int
    targets: tuple[str, ...] | None = None


class Room(Value, frozen=True, kw_only=True):
    """A node's memory in MiB; ``free_mib`` is promised to nobody, and not reserved.

    ``guests`` should run here; ``movable`` are those of them that can go on elsewhere.
    ``is_open``: the node may take guests of others.
    """

    uuid: str
    name: str
    total_mib: int
    reserved_mib: int
    free_mib: int
    guests: tuple[Guest, ...] = ()
    movable: tuple[Guest, ...] = ()
    is_open: bool = True

    @property
    def promised_mib(self) -> int:
        """What the guests may use."""
        return sum(guest.memory_mib for guest in self.guests)

    @property
    def is_overcommitted(self) -> bool:
        """Whether guests may use more than there is for them."""
        return self.promised_mib > self.total_mib - self.reserved_mib


class Stranded(Value, frozen=True, kw_only=True):
    """Guests of a node that would find no room if it failed."""

    node_name: str
    guests: tuple[Guest, ...]


def stranded(rooms: Sequence[Room]) -> Iterator[Stranded]:
    """For each node: the guests that would find no room if it alone failed.

    Guests with few targets choose first, then the largest, and each takes the node that
    it fits best. That is not the best of all orders: where little is left, a guest may
    be named for which there is a place.
    """
    free = {room.uuid: room.free_mib for room in rooms if room.is_open}
    for room in rooms:
        left = {uuid: mib for uuid, mib in free.items() if uuid != room.uuid}
        if homeless := tuple(_homeless(room.movable, left)):
            yield Stranded(node_name=room.name, guests=homeless)


def _homeless(guests: Iterable[Guest], left: dict[str, int]) -> Iterator[Guest]:
    free_to_go: list[Guest] = []
    for guest in sorted(guests, key=_order):
        if guest.targets is None:
            free_to_go.append(guest)
        elif not _settled(guest, guest.targets, left):
            yield guest
    spaces = sorted(left.values()) if free_to_go else []
    for guest in free_to_go:
        at = bisect_left(spaces, guest.memory_mib)
        if at == len(spaces):
            yield guest
        else:
            insort(spaces, spaces.pop(at) - guest.memory_mib)


def _order(guest: Guest) -> tuple[float, int, str]:
    choices = float("inf") if guest.targets is None else len(guest.targets)
    return choices, -guest.memory_mib, guest.name


def _settled(guest: Guest, targets: Iterable[str], left: dict[str, int]) -> bool:
    """Whether one of the targets has room; it is taken from ``left``."""
    there = [uuid for uuid in targets if left.get(uuid, -1) >= guest.memory_mib]
    if not there:
        return False
    best = min(there, key=lambda uuid: (left[uuid], uuid))
    left[best] -= guest.memory_mib
    return True
