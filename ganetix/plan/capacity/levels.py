"""Sizes that do not fit, and the way to smaller ones that do.

What fails of a size fails of no smaller one for the same reason, once a policy lets
them pass alike. So the first size that fits is found by bisection, as is the last one
that fails just as its neighbour.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

from ganetix.plan.capacity.fill import Filling
from ganetix.plan.capacity.model import FAILURE_MODES, FailureMode
from ganetix.plan.capacity.size import Size
from ganetix.plan.capacity.step import Counts
from ganetix.plan.capacity.trial import MODE


class Level(NamedTuple):
    """Sizes that fail alike, and what of, the most frequent last.

    ``size`` is the last one tried; ``larger`` so many came before it. No more than
    ``limit`` may be placed with smaller ones.
    """

    size: Size
    order: tuple[FailureMode, ...]
    larger: int = 0
    limit: int | None = None

    @property
    def sizes(self) -> Iterator[Size]:
        """From the last one tried to the first."""
        for times in range(self.larger + 1):
            yield self.size.shrunk(self.order[-1], -times)


def by_frequency(found: Counts) -> tuple[FailureMode, ...]:
    """All modes, the most frequent last; of equally frequent ones the later mode."""
    return tuple(sorted(FAILURE_MODES, key=lambda mode: found[MODE[mode]]))


def level_of(
    filling: Filling, size: Size, found: Counts, limit: int | None = None
) -> Generator[None, None, Level]:
    """The level of a size with such failures: down to the last that fails alike.

    With a limit each size counts by itself, once anything is placed.
    """
    order = by_frequency(found)
    main = order[-1]
    if filling.outcome(size)[0] or (limit is not None and filling.placed):
        return Level(size, order, 0, limit)
    alike = (False, found)
    end = next(_pieces(filling, size, main), 0)
    low, high = 0, 1
    while high < end:
        yield
        if filling.outcome(size.shrunk(main, high)) != alike:
            break
        low, high = high, 2 * high
    high = min(high, end)
    while high - low > 1:
        yield
        middle = (low + high) // 2
        if filling.outcome(size.shrunk(main, middle)) == alike:
            low = middle
        else:
            high = middle
    return Level(size.shrunk(main, low), order, low, limit)


def way_out(
    filling: Filling, levels: list[Level]
) -> Generator[None, None, tuple[Size, int | None] | None]:
    """From the last level up: the first size that fits with less of one quantity.

    Also how many of it may be placed.
    """
    checked = filling.request.capacity_checks
    if checked and (yield from filling.hopeless_steps()):
        return None
    for level in reversed(levels):
        *others, main = level.order
        for size in level.sizes:
            some_fit = False
            for mode in (main, *reversed(others)):
                found, fitted = yield from _sufficient(filling, size, mode)
                if found is not None:
                    return found, level.limit
                some_fit = some_fit or (fitted and mode != main)
            if not some_fit:
                # A larger one that fails alike fits no better; with less of what the
                # level is about it comes to sizes that were tried.
                break
    return None


def _sufficient(
    filling: Filling, size: Size, mode: FailureMode
) -> Generator[None, None, tuple[Size | None, bool]]:
    """The largest size with less of one quantity that fits; never the very smallest.

    Also whether there was one that only redundancy stands against.
    """
    start, fitted = 0, False
    passed: list[Size] = []
    dead_ends = filling.dead_ends
    while True:
        times = yield from _first_event(filling, size, mode, start)
        smaller = size if times is None else size.shrunk(mode, times)
        if times is None or not filling.outcome(smaller)[0]:
            break
        fitted = True
        if (mode, smaller) in dead_ends:
            break
        fits, found = yield from filling.redundant_outcome(smaller)
        if fits:
            return smaller, True
        passed.append(smaller)
        if not found[MODE[mode]]:
            break
        start = times + 1
    dead_ends.update((mode, smaller) for smaller in passed)
    return None, fitted


def _first_event(
    filling: Filling, size: Size, mode: FailureMode, start: int
) -> Generator[None, None, int | None]:
    """How often to shrink until it fits, or something else is the matter."""

    def happens(times: int) -> bool:
        fits, found = filling.outcome(size.shrunk(mode, times))
        return fits or not found[MODE[mode]]

    for end in _pieces(filling, size, mode):
        if end <= start:
            continue
        yield
        if happens(start):
            return start
        if end - start > 1 and happens(end - 1):
            low, high = start, end - 1
            while high - low > 1:
                yield
                middle = (low + high) // 2
                if happens(middle):
                    high = middle
                else:
                    low = middle
            return high
        start = end
    return None


def _pieces(filling: Filling, size: Size, mode: FailureMode) -> Iterator[int]:
    """Numbers of steps where a policy may see a size in another way, and the last."""
    room = size.room(mode)
    if not room:
        return
    cuts = {
        cut
        for policy in filling.policies
        for bounds in policy.ranges
        for cut in size.crossing(mode, bounds.min, bounds.max)
        if 0 < cut < room
    }
    yield from sorted(cuts)
    yield room
