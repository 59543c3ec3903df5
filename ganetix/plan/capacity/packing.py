"""Ways in which the guests of nodes could live on others, kept as long as they hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.hardware import Flags, Ints
from ganetix.plan.capacity.state import DISK, UNALLOCATED, ClusterState

ANYTHING = -(1 << 62)
"""Less than any node has free."""


class Packings:
    """For each node, what the others of its group would take in, if a way was found.

    A way that was found holds until a node that has part in it has too little left;
    then there may be another one. That guests have room does not say that they find it.
    """

    def __init__(self, state: ClusterState) -> None:
        self._state = state
        shape = state.peers.shape
        self._memory: Ints = np.full(shape, ANYTHING, dtype=np.int64)
        self._disk: Ints = np.full(shape, ANYTHING, dtype=np.int64)
        self._tenancies: list[int | None] = [None] * shape[0]

    def holds(self, node: int) -> bool:
        """Whether the guests of a node surely have room on the others."""
        state = self._state
        if self._tenancies[node] != state.tenancies[node]:
            return False
        members = state.hardware.members[state.hardware.group_of[node]]
        width = len(members)
        numbers = state.numbers
        has_memory = numbers[UNALLOCATED].take(members) > self._memory[node, :width]
        if not has_memory.all():
            return False
        has_disk = numbers[DISK].take(members) > self._disk[node, :width]
        return bool(has_disk.all())

    def find(self, node: int, guests: Sequence[Guest]) -> bool:
        """Look for a way: each guest where most memory is left, the largest first."""
        state = self._state
        members = state.hardware.members[state.hardware.group_of[node]]
        place = state.hardware.place_of[node]
        free = state.numbers[UNALLOCATED].take(members)
        disk = state.numbers[DISK].take(members)
        left, disk_left = free.copy(), disk.copy()
        left[place] = ANYTHING
        taking: set[int] = set()
        taking_disk: set[int] = set()
        for guest in sorted(guests, key=lambda guest: -guest.used_memory):
            at = int(left.argmax())
            if left[at] <= guest.used_memory:
                return False
            left[at] -= guest.used_memory
            taking.add(at)
            if guest.is_local:
                if disk_left[at] <= guest.disk:
                    return False
                disk_left[at] -= guest.disk
                taking_disk.add(at)
        for needed, was, now, places in (
            (self._memory, free, left, taking),
            (self._disk, disk, disk_left, taking_disk),
        ):
            needed[node] = ANYTHING
            part = list(places)
            needed[node, part] = was[part] - now[part]
        self._tenancies[node] = state.tenancies[node]
        return True

    def unknown(self, nodes: Iterable[int]) -> list[int]:
        """Those of some nodes whose guests may have no room."""
        state = self._state
        numbers = state.numbers
        holds: Flags = np.zeros(len(state.rows), dtype=np.bool_)
        for members in state.hardware.members:
            free = numbers[UNALLOCATED].take(members)
            disk = numbers[DISK].take(members)
            rows = members, slice(len(members))
            holds[members] = (free > self._memory[rows]).all(axis=1)
            holds[members] &= (disk > self._disk[rows]).all(axis=1)
        now, then = state.tenancies, self._tenancies
        return [node for node in nodes if not holds[node] or now[node] != then[node]]
