"""Whether instances without a secondary find nodes, told from sums alone if possible.

They are placed one after the other, wherever the score is best; what is told here holds
wherever that is.
"""

from __future__ import annotations

import numpy as np

from ganetix.plan.capacity.hardware import Flags, Floats, Ints


def surely(
    memory: Ints, space: Ints, needs_disk: Flags, free: Ints, disk: Ints
) -> bool | None:
    """Whether guests find room in this order on nodes with so much free; None: unknown.

    A guest fits if some of a node's memory, and of its disk if it needs any, is left
    with it.
    """
    if not len(memory):
        return True
    free, disk = np.maximum(free, 0), np.maximum(disk, 0)
    fits = free[None, :] > memory[:, None]
    fits &= (disk[None, :] > space[:, None]) | ~needs_disk[:, None]
    if not fits.any(axis=1).all():
        return False
    if not _enough(memory, free) or not _enough(space[needs_disk], disk):
        return False
    if len(memory) == 1:
        return True
    safe = _cannot_be_blocked(memory, space, needs_disk, fits, free, disk)
    return True if safe else None


def _enough(sizes: Ints, room: Ints) -> bool:
    """Whether the largest ones have room at all, each node taking what it can."""
    sizes = np.sort(sizes[sizes > 0])[::-1]
    if not len(sizes):
        return True
    left = np.maximum(room - 1, 0)
    if int(left.sum()) < int(sizes.sum()):
        return False
    last = np.flatnonzero(np.append(sizes[1:] != sizes[:-1], True))
    slots = (left[None, :] // sizes[last][:, None]).sum(axis=1)
    return bool((slots > last).all())


def _cannot_be_blocked(
    memory: Ints,
    space: Ints,
    needs_disk: Flags,
    fits: Flags,
    free: Ints,
    disk: Ints,
) -> bool:
    """Whether no guest can find all nodes taken by those before it.

    They would have to fill each node where it fits, in memory or on disk, and there are
    too few of them for that, or they are too small together.
    """
    before = np.maximum.accumulate(memory)[:-1, None]
    before_space = np.maximum.accumulate(space)[:-1, None]
    sums = np.add.accumulate(memory)[:-1, None].astype(np.float64)
    sums_space = np.add.accumulate(space)[:-1, None].astype(np.float64)
    to_block = np.where(fits[1:], free[None, :] - memory[1:, None], 0)
    endless = np.int64(1 << 40)
    by_disk = np.where(fits[1:], disk[None, :] - space[1:, None], 0)
    by_disk = np.where(needs_disk[1:, None] | ~fits[1:], by_disk, 1 << 60)
    guests = -(-to_block // np.maximum(before, 1))
    guests = np.where(before > 0, guests, np.where(to_block > 0, endless, 0))
    guests_disk = -(-by_disk // np.maximum(before_space, 1))
    guests_disk = np.where(
        before_space > 0, guests_disk, np.where(by_disk > 0, endless, 0)
    )
    needed = np.minimum(np.minimum(guests, guests_disk), endless).sum(axis=1)
    safe = needed > np.arange(1, len(memory))
    if safe.all():
        return True
    share: Floats = to_block / np.maximum(sums, 1.0)
    share_disk: Floats = by_disk / np.maximum(sums_space, 1.0)
    only_memory = np.where(share_disk > 1.0, share, 0.0).sum(axis=1)
    only_disk = np.where(share > 1.0, share_disk, 0.0).sum(axis=1)
    either = np.minimum(share, share_disk).sum(axis=1)
    limit = 1.0 + 1e-9
    safe |= (only_memory > limit) | (only_disk > limit) | (either > 2.0 + 1e-9)
    return bool(safe.all())
