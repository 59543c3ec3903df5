"""The queue of a lock: places by priority, sharers of one priority in one place."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from ganetix.locking.info import Owner

if TYPE_CHECKING:
    from ganetix.locking.shared import Hold


class Claim:
    """Somebody waiting for a lock.

    ``hold`` is what was granted; ``waiter`` is told of it a turn later.
    """

    __slots__ = (
        "_withdraw",
        "hold",
        "owner",
        "place",
        "priority",
        "shared",
        "since",
        "timer",
        "waiter",
    )

    def __init__(
        self,
        shared: bool,
        priority: int,
        owner: Owner,
        since: float,
        withdraw: Callable[[Claim], None],
    ) -> None:
        self.shared = shared
        self.priority = priority
        self.owner = owner
        self.since = since
        self.place: Place | None = None
        self.hold: Hold | None = None
        self.timer: IDelayedCall | None = None
        self._withdraw = withdraw
        self.waiter: Deferred[Hold] = Deferred(self._cancelled)

    def _cancelled(self, _waiter: Deferred[Hold]) -> None:
        self._withdraw(self)

    def stop_timer(self) -> None:
        """Let the time-out not happen any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Place:
    """A place in the queue: one exclusive claim, or a group of shared ones."""

    __slots__ = ("claims", "priority", "shared")

    def __init__(self, shared: bool, priority: int) -> None:
        self.shared = shared
        self.priority = priority
        self.claims: dict[Claim, None] = {}


class PendingQueue:
    """A heap of priorities, for each a list of places in the order of arrival.

    A shared claim joins the shared place of its priority if there is one, and so
    overtakes the exclusive claims that came after that place was taken.
    """

    __slots__ = ("_heap", "_places", "_sharers")

    def __init__(self) -> None:
        self._heap: list[int] = []
        self._places: dict[int, OrderedDict[Place, None]] = {}
        self._sharers: dict[int, Place] = {}

    @property
    def best_priority(self) -> int | None:
        """The most urgent priority that anybody waits with."""
        return self._heap[0] if self._heap else None

    def add(self, claim: Claim) -> None:
        """Give the claim its place."""
        priority = claim.priority
        place = self._sharers.get(priority) if claim.shared else None
        if place is None:
            place = Place(claim.shared, priority)
            places = self._places.get(priority)
            if places is None:
                places = self._places[priority] = OrderedDict()
                heappush(self._heap, priority)
            places[place] = None
            if claim.shared:
                self._sharers[priority] = place
        place.claims[claim] = None
        claim.place = place

    def remove(self, claim: Claim) -> None:
        """Take a claim out; nobody else's place changes."""
        place = claim.place
        if place is None:
            return
        claim.place = None
        del place.claims[claim]
        if not place.claims:
            self._drop(place)

    def first(self) -> Place | None:
        """The place that is served next."""
        if not self._heap:
            return None
        return next(iter(self._places[self._heap[0]]))

    def best_sharers(self) -> Place | None:
        """The sharers of the best priority, wherever in it they stand."""
        return self._sharers.get(self._heap[0]) if self._heap else None

    def take(self, place: Place) -> tuple[Claim, ...]:
        """Take a place out of the queue: its claims."""
        self._drop(place)
        claims = tuple(place.claims)
        for claim in claims:
            claim.place = None
        return claims

    def take_all(self) -> tuple[Claim, ...]:
        """Empty the queue: all claims in the order they would have been served."""
        claims = tuple(self)
        for claim in claims:
            claim.place = None
        self._heap.clear()
        self._places.clear()
        self._sharers.clear()
        return claims

    def __iter__(self) -> Iterator[Claim]:
        for priority in sorted(self._heap):
            for place in self._places[priority]:
                yield from place.claims

    def __bool__(self) -> bool:
        return bool(self._heap)

    def _drop(self, place: Place) -> None:
        priority = place.priority
        places = self._places[priority]
        del places[place]
        if place.shared:
            del self._sharers[priority]
        if places:
            return
        del self._places[priority]
        if self._heap[0] == priority:
            heappop(self._heap)
        else:
            # Few priorities are in use at once, whatever the number of claims.
            self._heap.remove(priority)
            heapify(self._heap)
