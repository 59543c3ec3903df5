"""Whether instances find nodes, told from sums alone if possible.

They are placed one after the other, wherever the score is best; what is told here holds
wherever that is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.hardware import Flags, Floats, Ints, ints

ENDLESS = np.int64(1 << 40)


class Demand:
    """What guests ask for that are to be placed in this order.

    A guest fits if some of a node's memory, and of its disk if it needs any, is left
    with it.
    """

    def __init__(self, guests: Sequence[Guest]) -> None:
        self.count = len(guests)
        memory = ints(guest.used_memory for guest in guests)
        disk = ints(guest.disk if guest.is_local else 0 for guest in guests)
        local = ints(int(guest.is_local) for guest in guests)
        self._memory_steps = _Steps(memory)
        self._disk_steps = _Steps(disk[local > 0])
        self._some_local = bool(local.any())
        # Of guests that are alike, one after the other, the last one has it hardest.
        alike = (memory[1:] == memory[:-1]) & (disk[1:] == disk[:-1])
        alike &= local[1:] == local[:-1]
        last = np.flatnonzero(np.append(~alike, True)) if self.count else local
        self._memory, self._disk = memory[last, None], disk[last, None]
        self._local: Flags = local[last, None] > 0
        self._before = last
        self._largest = _before(np.maximum.accumulate(memory), last)
        self._largest_disk = _before(np.maximum.accumulate(disk), last)
        self._least_sum: Floats = np.maximum(
            _before(np.add.accumulate(memory), last).astype(np.float64), 1.0
        )
        self._least_sum_disk: Floats = np.maximum(
            _before(np.add.accumulate(disk), last).astype(np.float64), 1.0
        )

    def is_met(self, free: Ints, disk: Ints, *, has_room: bool = False) -> bool | None:
        """Whether nodes with so much free have room, however chosen; None: unknown.

        :param has_room: it is known that there is some way
        """
        if not self.count:
            return True
        fits = self._fits(free, disk)
        if not has_room and not self._may_fit(fits, free, disk):
            return False
        return True if self._cannot_be_blocked(fits, free, disk) else None

    def is_impossible(self, free: Ints, disk: Ints) -> bool:
        """Whether nodes with so much free, or with less, surely have no room."""
        if not self.count:
            return False
        return not self._may_fit(self._fits(free, disk), free, disk)

    def _fits(self, free: Ints, disk: Ints) -> Flags:
        """Where each guest would fit if it was the first one."""
        fits: Flags = free > self._memory
        if self._some_local:
            fits &= (disk > self._disk) | ~self._local
        return fits

    def _may_fit(self, fits: Flags, free: Ints, disk: Ints) -> bool:
        if not fits.any(axis=1).all() or not self._memory_steps.fit(free):
            return False
        return not self._some_local or self._disk_steps.fit(disk)

    def _cannot_be_blocked(self, fits: Flags, free: Ints, disk: Ints) -> bool:
        """Whether no guest can find all nodes taken by those before it.

        They would have to fill each node where it fits, in memory or on disk, and there
        are too few of them for that, or they are too small together.
        """
        limit = 1.0 + 1e-9
        to_block = np.where(fits, free - self._memory, 0)
        share: Floats = to_block / self._least_sum
        if not self._some_local:
            safe: Flags = np.add.reduce(share, axis=1) > limit
            if not safe.all():
                needed = _guests(to_block, self._largest)
                safe |= np.add.reduce(needed, axis=1) > self._before
            return bool(safe.all())
        by_disk = np.where(self._local, disk - self._disk, ENDLESS)
        by_disk[~fits] = 0
        share_disk: Floats = by_disk / self._least_sum_disk
        either = np.minimum(share, share_disk)
        safe = np.add.reduce(either, axis=1) > 2.0 * limit
        if safe.all():
            return True
        only_memory = np.where(share_disk > 1.0, share, 0.0).sum(axis=1)
        only_disk = np.where(share > 1.0, share_disk, 0.0).sum(axis=1)
        safe |= (only_memory > limit) | (only_disk > limit)
        if not safe.all():
            needed = np.minimum(
                _guests(to_block, self._largest), _guests(by_disk, self._largest_disk)
            )
            safe |= np.add.reduce(needed, axis=1) > self._before
        return bool(safe.all())


class _Steps:
    """Sizes of one quantity, the largest first."""

    def __init__(self, sizes: Ints) -> None:
        sizes = np.sort(sizes[sizes > 0])[::-1]
        self._total = int(sizes.sum())
        self._last = np.flatnonzero(np.append(sizes[1:] != sizes[:-1], len(sizes) > 0))
        self._sizes = sizes[self._last, None]

    def fit(self, room: Ints) -> bool:
        """Whether the largest ones have room at all, each node taking what it can."""
        left = np.maximum(room - 1, 0)
        if int(np.add.reduce(left)) < self._total:
            return False
        if not len(self._last):
            return True
        slots: Ints = np.add.reduce(left // self._sizes, axis=1)
        return bool((slots > self._last).all())


def _before(running: Ints, last: Ints) -> Ints:
    """What a running figure was just before each of some guests."""
    found: Ints = np.append(0, running)[last, None]
    return found


def _guests(amounts: Ints, largest: Ints) -> Ints:
    """How many guests at least it takes to fill amounts."""
    found = -(-amounts // np.maximum(largest, 1))
    endless = np.where(amounts > 0, ENDLESS, 0)
    return np.minimum(np.where(largest > 0, found, endless), ENDLESS)
