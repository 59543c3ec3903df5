"""Ways in which the guests of nodes could live on others, kept as long as they hold."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

import numpy as np

from ganetix.plan.capacity.going import Ask
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
        self._sorted_at: tuple[int, int] | None = None
        self._sorted: list[tuple[int, int]] = []
        self._disks: list[int] = []

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

    def find(self, node: int, asks: Iterable[Ask]) -> bool:
        """Look for a way: each guest where it leaves the least, the largest first."""
        state = self._state
        group = state.hardware.group_of[node]
        self._sort(group)
        left, disk = self._sorted.copy(), self._disks.copy()
        place = state.hardware.place_of[node]
        left.remove((state.rows[node][UNALLOCATED], place))
        taken: dict[int, int] = {}
        taken_disk: dict[int, int] = {}
        for memory, size in asks:
            at = bisect_left(left, (memory + 1, 0))
            while size is not None and at < len(left) and disk[left[at][1]] <= size:
                at += 1
            if at == len(left):
                return False
            free, place = left.pop(at)
            insort(left, (free - memory, place))
            taken[place] = taken.get(place, 0) + memory
            if size is not None:
                disk[place] -= size
                taken_disk[place] = taken_disk.get(place, 0) + size
        for needed, parts in ((self._memory, taken), (self._disk, taken_disk)):
            needed[node] = ANYTHING
            needed[node, list(parts)] = list(parts.values())
        self._tenancies[node] = state.tenancies[node]
        return True

    def _sort(self, group: int) -> None:
        """Know what the nodes of a group have, as they are now."""
        state = self._state
        if self._sorted_at == (group, state.clock):
            return
        rows = [state.rows[node] for node in state.hardware.members[group].tolist()]
        self._sorted = sorted((row[UNALLOCATED], at) for at, row in enumerate(rows))
        self._disks = [row[DISK] for row in rows]
        self._sorted_at = group, state.clock

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
