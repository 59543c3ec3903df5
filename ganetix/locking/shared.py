"""A lock that one may hold alone or many may share, with priorities."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime

from ganetix.errors import Bug, LockDeleted, LockTimeout
from ganetix.flow.outbox import Outbox
from ganetix.locking.info import Holder, LockState, Owner, Waiter
from ganetix.locking.levels import Mode
from ganetix.locking.pending import Claim, PendingQueue, Place

_NOBODY = PendingQueue()
"""In the place of the queue of a lock for which nobody has waited: most are such."""


class SharedLock:
    """A lock with exclusive and shared holders; lower priorities are served first.

    Within a priority it serves in the order of arrival, except that a shared claim
    joins the sharers that wait in its priority already. Whoever waits is told at the
    reactor's next turn: no waiter's code runs inside ``release``.
    """

    def __init__(
        self, name: str, clock: IReactorTime, outbox: Outbox | None = None
    ) -> None:
        self.name = name
        self._clock = clock
        self._outbox = Outbox(clock) if outbox is None else outbox
        self._holds: dict[Hold, None] = {}
        self._is_exclusive = False
        self._is_deleted = False
        self._queue = _NOBODY

    @property
    def is_deleted(self) -> bool:
        """Whether nobody can get this lock any more."""
        return self._is_deleted

    @property
    def is_idle(self) -> bool:
        """Whether nobody holds or wants it."""
        return not self._holds and not self._queue

    def acquire(
        self,
        shared: bool = False,
        priority: int = 0,
        timeout: float | None = None,
        owner: Owner = None,
    ) -> Deferred[Hold]:
        """Wait for the lock; cancelling withdraws.

        :param timeout: seconds; 0 tries once, None waits for ever
        :raises LockTimeout: it was not granted in time
        :raises LockDeleted: it was deleted, before or while waiting
        """
        if self._is_deleted:
            return fail(self._deleted_error())
        if self._is_free(shared, priority):
            return succeed(self._granted(shared, owner))
        if timeout is not None and timeout <= 0:
            return fail(self._timeout_error(0))
        now = self._clock.seconds()
        claim = Claim(shared, priority, owner, now, self._withdraw)
        if self._queue is _NOBODY:
            self._queue = PendingQueue()
        self._queue.add(claim)
        if timeout is not None:
            claim.timer = self._clock.callLater(timeout, self._expire, claim, timeout)
        return claim.waiter

    def try_acquire(
        self, shared: bool = False, priority: int = 0, owner: Owner = None
    ) -> Hold | None:
        """Take the lock if that needs no waiting.

        :raises LockDeleted: it was deleted
        """
        if self._is_deleted:
            raise self._deleted_error()
        return self._granted(shared, owner) if self._is_free(shared, priority) else None

    def change_priority(self, owner: Owner, priority: int) -> None:
        """Let an owner who waits do so with another priority, from now on.

        It stands behind those who waited with that priority already.
        """
        for claim in [c for c in self._queue if c.owner == owner]:
            self._queue.remove(claim)
            claim.priority = priority
            self._queue.add(claim)
        self._serve()

    def delete(
        self, priority: int = 0, timeout: float | None = None, owner: Owner = None
    ) -> Deferred[None]:
        """Wait for the lock exclusively, then make it unavailable for ever."""
        acquired = self.acquire(False, priority, timeout, owner)
        return acquired.addCallback(lambda hold: hold.delete())

    def state(self) -> LockState:
        """Who holds it, who waits for it."""
        mode: Mode | None = None
        if self._holds:
            mode = "exclusive" if self._is_exclusive else "shared"
        return LockState(
            name=self.name,
            mode=mode,
            holders=tuple(
                Holder(owner=h.owner, mode=_mode(h.shared), since=h.since)
                for h in self._holds
            ),
            waiters=tuple(
                Waiter(
                    owner=c.owner,
                    mode=_mode(c.shared),
                    priority=c.priority,
                    since=c.since,
                )
                for c in self._queue
            ),
        )

    def _is_free(self, shared: bool, priority: int) -> bool:
        """Whether a claim that comes now would be served at once."""
        best = self._queue.best_priority
        return self._admits(shared) and (best is None or priority < best)

    def _admits(self, shared: bool) -> bool:
        return not self._holds or (shared and not self._is_exclusive)

    def _granted(self, shared: bool, owner: Owner) -> Hold:
        hold = Hold(self, shared, owner, self._clock.seconds())
        self._holds[hold] = None
        self._is_exclusive = not shared
        return hold

    def _serve(self) -> None:
        """Grant the lock to the first place, if that can have it now.

        Sharers of a worse priority than those just granted have their turn with the
        next release, as in the design document.
        """
        place = self._queue.first()
        if place is not None and self._admits(place.shared):
            self._grant_place(place)

    def _grant_place(self, place: Place) -> None:
        for claim in self._queue.take(place):
            claim.stop_timer()
            claim.hold = self._granted(claim.shared, claim.owner)
            self._outbox.give(claim.waiter, claim.hold)

    def _release(self, hold: Hold) -> None:
        self._forget(hold)
        self._serve()

    def _downgrade(self, hold: Hold) -> None:
        self._check(hold)
        if hold.shared:
            return
        hold.shared = True
        self._is_exclusive = False
        sharers = self._queue.best_sharers()
        if sharers is not None:
            self._grant_place(sharers)

    def _delete(self, hold: Hold) -> None:
        self._check(hold)
        if len(self._holds) > 1:
            raise Bug(f"lock {self.name} is deleted while others hold it")
        self._forget(hold)
        self._is_deleted = True
        for claim in self._queue.take_all():
            claim.stop_timer()
            self._outbox.fail(claim.waiter, self._deleted_error())

    def _withdraw(self, claim: Claim) -> None:
        if claim.hold is not None:
            # Granted, but its owner was not told yet and never will be.
            claim.hold.release()
            return
        claim.stop_timer()
        self._queue.remove(claim)
        self._serve()

    def _expire(self, claim: Claim, timeout: float) -> None:
        claim.timer = None
        self._queue.remove(claim)
        self._serve()
        claim.waiter.errback(self._timeout_error(timeout))

    def _check(self, hold: Hold) -> None:
        if hold not in self._holds:
            raise Bug(f"lock {self.name} is let go by {hold.owner}, who has it not")

    def _forget(self, hold: Hold) -> None:
        self._check(hold)
        del self._holds[hold]
        if not self._holds:
            self._is_exclusive = False

    def _timeout_error(self, timeout: float) -> LockTimeout:
        owners = ", ".join(str(h.owner) for h in self._holds if h.owner is not None)
        held = f", held by {owners}" if owners else ""
        return LockTimeout(
            f"lock {self.name}{held}, was not granted within {timeout:g} s",
            lock=self.name,
        )

    def _deleted_error(self) -> LockDeleted:
        return LockDeleted(f"lock {self.name} was removed", lock=self.name)


class Hold:
    """A lock held: what ``acquire`` returned is what lets the lock go again."""

    __slots__ = ("_lock", "owner", "shared", "since")

    def __init__(
        self, lock: SharedLock, shared: bool, owner: Owner, since: float
    ) -> None:
        self._lock = lock
        self.shared = shared
        self.owner = owner
        self.since = since

    @property
    def is_alone(self) -> bool:
        """Whether nobody else holds the lock."""
        return len(self._lock._holds) == 1

    def release(self) -> None:
        """Let go. A second time is a ``Bug``."""
        self._lock._release(self)

    def downgrade(self) -> None:
        """Share what was held exclusively.

        The sharers that wait in the best priority are let in with it, even past
        exclusive claims of that priority.
        """
        self._lock._downgrade(self)

    def delete(self) -> None:
        """Let go for ever: all who wait fail with ``LockDeleted``.

        The hold must be the only one of its lock.
        """
        self._lock._delete(self)


def _mode(shared: bool) -> Mode:
    return "shared" if shared else "exclusive"
