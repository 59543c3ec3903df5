"""Locks by name, taken several at a time or all together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from ganetix.errors import AlreadyExists, LockDeleted
from ganetix.flow.breath import Breath
from ganetix.flow.outbox import Outbox
from ganetix.locking.info import LockState, Owner
from ganetix.locking.request import ALL, Names, Request
from ganetix.locking.shared import Hold, SharedLock

MOST_AT_ONCE = 1000
"""More names than these are taken with pauses in which the reactor has its turn."""


class LockSet:
    """A lock a name; names come and go.

    Names are always acquired in one order, so that two who want the same ones cannot
    wait for each other. Who holds all of the set holds off additions, too.

    A name lives as long as it is *kept*, held, or wanted by somebody who is about to
    create it; when it is none of these, those who wait for it fail with
    ``LockDeleted``.
    """

    def __init__(
        self, name: str, clock: IReactorTime, outbox: Outbox | None = None
    ) -> None:
        self.name = name
        self._clock = clock
        self._outbox = Outbox(clock) if outbox is None else outbox
        self._membership = SharedLock(f"{name}/[all]", clock, self._outbox)
        self._locks: dict[str, SharedLock] = {}
        self._kept: set[str] = set()
        self._creators: Counter[str] = Counter()
        self._awaited: dict[Owner, SharedLock] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._locks

    def names(self) -> frozenset[str]:
        """The names that can be acquired."""
        return frozenset(self._locks)

    def keep(self, names: Iterable[str]) -> None:
        """Have these names from now on: they exist, whoever holds all of the set."""
        for name in names:
            self._kept.add(name)
            self._ensure(name)

    def drop(self, names: Iterable[str]) -> None:
        """These names are gone; each lock goes when the last who holds it lets go."""
        for name in names:
            self._kept.discard(name)
            self._remove_unused(name)

    def add(
        self,
        names: Iterable[str],
        priority: int = 0,
        timeout: float | None = None,
        owner: Owner = None,
    ) -> Deferred[None]:
        """Add and keep names, as soon as nobody holds all of the set.

        :raises AlreadyExists: one of them is there; nothing was added
        """
        return Deferred.fromCoroutine(
            self._add(frozenset(names), priority, timeout, owner)
        )

    def remove(
        self,
        name: str,
        priority: int = 0,
        timeout: float | None = None,
        owner: Owner = None,
    ) -> Deferred[None]:
        """Wait for a name exclusively, then remove it: its waiters fail."""
        return Deferred.fromCoroutine(self._remove(name, priority, timeout, owner))

    def acquire(
        self,
        names: Names,
        shared: bool = False,
        priority: int = 0,
        timeout: float | None = None,
        owner: Owner = None,
        *,
        exclusively: Collection[str] = (),
        creates: Collection[str] = (),
    ) -> Deferred[SetHold]:
        """Wait for all of these; cancelling lets go of those it has already.

        :param names: names, or ``ALL``; with ``ALL`` a name that vanishes is skipped
        :param timeout: seconds for all of them together; 0 tries once
        :param exclusively: names that are held exclusively although ``shared``
        :param creates: names that need not exist; they are held exclusively
        :raises LockTimeout: not all were granted in time; none is held
        :raises LockDeleted: a name is not there or vanished; none is held
        """
        request = Request(
            self._clock, names, shared, priority, timeout, owner, exclusively, creates
        )
        got = self.take_free(request)
        if got is not None:
            return succeed(got)
        return Deferred.fromCoroutine(self.take(request))

    def take_free(self, request: Request) -> SetHold | None:
        """Take all that is wanted, if nothing of it must be waited for."""
        if request.names is ALL or len(request.names) > MOST_AT_ONCE:
            return None
        got = SetHold(self)
        for name in request.in_order(()):
            lock = self._locks.get(name)
            if lock is None and name in request.creates and self._membership.is_idle:
                lock = self._ensure(name)
            hold = None
            if lock is not None:
                shared = request.shares(name)
                hold = lock.try_acquire(shared, request.priority, request.owner)
            if hold is None:
                got.release()
                return None
            got.holds[name] = hold
        return got

    async def take(self, request: Request) -> SetHold:
        """Take what is wanted, waiting; see ``acquire``."""
        got = SetHold(self)
        self._creators.update(request.creates)
        try:
            got.whole = await self._take_membership(request)
            breath = Breath(self._clock)
            for name in request.in_order(self._locks):
                try:
                    lock = self._lock(name)
                    hold = await self._wait(lock, request, request.shares(name))
                except LockDeleted:
                    if request.needs(name):
                        raise
                    continue
                got.holds[name] = hold
                if breath.is_due:
                    await breath.take()
        except Exception:
            self._uncount(request.creates)
            got.release()
            raise
        self._uncount(request.creates)
        return got

    def change_priority(self, owner: Owner, priority: int) -> None:
        """Let an owner who waits for a lock do so with another priority."""
        if (lock := self._awaited.get(owner)) is not None:
            lock.change_priority(owner, priority)

    def awaited_by(self, owner: Owner) -> LockState | None:
        """The lock that this owner waits for just now."""
        lock = self._awaited.get(owner)
        return None if lock is None else lock.state()

    def states(self) -> Iterator[LockState]:
        """All locks by name, the one of the whole set first."""
        yield self._membership.state()
        for name in sorted(self._locks):
            yield self._locks[name].state()

    async def _add(
        self,
        names: frozenset[str],
        priority: int,
        seconds: float | None,
        owner: Owner,
    ) -> None:
        hold = await self._membership.acquire(False, priority, seconds, owner)
        try:
            if there := sorted(names & self._locks.keys()):
                raise AlreadyExists(f"there is a lock {self.name}/{there[0]} already")
            self.keep(names)
        finally:
            hold.release()

    async def _remove(
        self, name: str, priority: int, seconds: float | None, owner: Owner
    ) -> None:
        hold = await self._lock(name).acquire(False, priority, seconds, owner)
        self._kept.discard(name)
        self._let_go(name, hold)

    async def _take_membership(self, request: Request) -> Hold | None:
        """Make room for new names, and hold off additions if all are wanted.

        This comes before any name of the set, so that who waits for it holds none.
        """
        missing = [name for name in request.creates if name not in self._locks]
        if not missing and request.names is not ALL:
            return None
        shared = request.shared and not missing
        hold = await self._wait(self._membership, request, shared)
        for name in missing:
            self._ensure(name)
        if request.names is not ALL:
            hold.release()
            return None
        if request.shared:
            hold.downgrade()
        return hold

    async def _wait(self, lock: SharedLock, request: Request, shared: bool) -> Hold:
        d = lock.acquire(shared, request.priority, request.remaining(), request.owner)
        if d.called or request.owner is None:
            return await d
        self._awaited[request.owner] = lock
        try:
            return await d
        finally:
            self._awaited.pop(request.owner, None)

    def _lock(self, name: str) -> SharedLock:
        try:
            return self._locks[name]
        except KeyError:
            raise LockDeleted(
                f"there is no lock {self.name}/{name}", lock=name
            ) from None

    def _ensure(self, name: str) -> SharedLock:
        lock = self._locks.get(name)
        if lock is None:
            lock = SharedLock(f"{self.name}/{name}", self._clock, self._outbox)
            self._locks[name] = lock
        return lock

    def _uncount(self, names: Iterable[str]) -> None:
        for name in names:
            self._creators[name] -= 1
            if not self._creators[name]:
                del self._creators[name]
                self._remove_unused(name)

    def _is_wanted(self, name: str) -> bool:
        return name in self._kept or name in self._creators

    def _remove_unused(self, name: str) -> None:
        lock = self._locks.get(name)
        if lock is not None and lock.is_idle and not self._is_wanted(name):
            del self._locks[name]

    def _let_go(self, name: str, hold: Hold) -> None:
        if hold.is_alone and not self._is_wanted(name):
            del self._locks[name]
            hold.delete()
        else:
            hold.release()


class SetHold:
    """Locks of one set, held together."""

    def __init__(self, lock_set: LockSet) -> None:
        self._set = lock_set
        self.holds: dict[str, Hold] = {}
        self.whole: Hold | None = None

    @property
    def names(self) -> frozenset[str]:
        """The names that are held."""
        return frozenset(self.holds)

    @property
    def is_all(self) -> bool:
        """Whether the whole set is held, which holds off additions."""
        return self.whole is not None

    def release(self, names: Iterable[str] | None = None) -> None:
        """Let go of some names, or of all; then additions are held off no more."""
        for name in list(self.holds) if names is None else names:
            self._set._let_go(name, self.holds.pop(name))
        if self.whole is not None:
            self.whole.release()
            self.whole = None

    def downgrade(self, names: Iterable[str] | None = None) -> None:
        """Share some names, or all of them, with others from now on."""
        for name in self.holds if names is None else names:
            self.holds[name].downgrade()
        if names is None and self.whole is not None:
            self.whole.downgrade()
