"""The shared lock against a simple model, over random histories."""

import itertools

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import LockTimeout
from ganetix.locking.shared import Hold, SharedLock
from ganetix.test.histories import run_histories


class Person:
    """Somebody who asked for the lock; ``number`` tells who came first."""

    numbers = itertools.count()

    def __init__(self, shared: bool, priority: int, timeout: float | None) -> None:
        self.shared = shared
        self.priority = priority
        self.deadline = timeout
        self.number = next(self.numbers)
        self.hold: Hold | None = None
        self.error: BaseException | None = None
        self.d: Deferred[Hold] = Deferred()

    def told(self, result: Hold | Failure) -> None:
        """Take the answer."""
        if isinstance(result, Failure):
            self.error = result.value
        else:
            self.hold = result


class SharedLockMachine(RuleBasedStateMachine):
    """Plain lists say who should have the lock."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.lock = SharedLock("lock", self.clock)
        self.places: list[list[Person]] = []
        self.holders: list[Person] = []
        self.gone: list[Person] = []

    @rule(
        shared=st.booleans(),
        priority=st.integers(-2, 2),
        timeout=st.sampled_from([None, None, 0, 1, 3]),
    )
    def acquire(self, shared: bool, priority: int, timeout: float | None) -> None:
        """Somebody asks."""
        now = self.clock.seconds()
        person = Person(shared, priority, None if timeout is None else now + timeout)
        person.d = self.lock.acquire(shared, priority, timeout, owner=person)
        _ = person.d.addBoth(person.told)
        best = min((place[0].priority for place in self.places), default=99)
        if self.admits(shared) and priority < best:
            self.holders.append(person)
        elif timeout == 0:
            assert isinstance(person.error, LockTimeout)
        else:
            self.enqueue(person)

    @precondition(lambda self: any(p.hold for p in self.holders))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """A holder lets go."""
        person = data.draw(st.sampled_from([p for p in self.holders if p.hold]))
        assert person.hold is not None
        person.hold.release()
        self.holders.remove(person)
        self.serve()

    @precondition(lambda self: any(p.hold for p in self.holders))
    @rule(data=st.data())
    def downgrade(self, data: st.DataObject) -> None:
        """A holder shares what it has."""
        person = data.draw(st.sampled_from([p for p in self.holders if p.hold]))
        assert person.hold is not None
        person.hold.downgrade()
        if person.shared:
            return
        person.shared = True
        best = min((place[0].priority for place in self.places), default=None)
        for place in self.places:
            if place[0].priority == best and place[0].shared:
                self.places.remove(place)
                self.holders += place
                break

    @precondition(lambda self: self.undelivered())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Somebody who was not told yet loses patience."""
        person = data.draw(st.sampled_from(self.undelivered()))
        person.d.cancel()
        assert isinstance(person.error, CancelledError)
        if person in self.holders:
            self.holders.remove(person)
        else:
            self.dequeue(person)
        self.serve()

    @rule(seconds=st.sampled_from([0, 0, 1]))
    def turn(self, seconds: float) -> None:
        """The reactor goes round; time-outs happen before news is told."""
        now = self.clock.seconds() + seconds
        late = [p for place in self.places for p in place if p.deadline is not None]
        for person in sorted(late, key=lambda p: (p.deadline or 0, p.number)):
            if (person.deadline or 0) <= now and not self.holds(person):
                self.dequeue(person)
                self.gone.append(person)
                self.serve()
        self.clock.advance(seconds)
        self.clock.advance(0)
        assert all(isinstance(p.error, LockTimeout) for p in self.gone)
        assert all(p.hold for p in self.holders)

    @invariant()
    def agrees(self) -> None:
        """Lock and model name the same holders, and the same waiters in order."""
        state = self.lock.state()
        assert {id(h.owner) for h in state.holders} == {id(p) for p in self.holders}
        waiting = [p for place in self.places for p in place]
        assert [id(w.owner) for w in state.waiters] == [id(p) for p in waiting]

    @invariant()
    def excludes(self) -> None:
        """An exclusive holder is alone, and nobody waits for a free lock."""
        assert len(self.holders) <= 1 or all(p.shared for p in self.holders)
        assert self.holders or not self.places

    def admits(self, shared: bool) -> bool:
        """Whether the holders bear one more."""
        return not self.holders or (shared and all(p.shared for p in self.holders))

    def holds(self, person: Person) -> bool:
        """Whether this one has the lock."""
        return person in self.holders

    def enqueue(self, person: Person) -> None:
        """Join the sharers of the priority, or take a place behind its last."""
        for place in self.places:
            if person.shared and place[0].shared and same_priority(place, person):
                place.append(person)
                return
        self.places.append([person])
        self.places.sort(key=lambda place: place[0].priority)

    def dequeue(self, person: Person) -> None:
        """Leave the queue."""
        for place in self.places:
            if person in place:
                place.remove(person)
        self.places = [place for place in self.places if place]

    def serve(self) -> None:
        """The first place gets the lock if it can."""
        if self.places and self.admits(self.places[0][0].shared):
            self.holders += self.places.pop(0)

    def undelivered(self) -> list[Person]:
        """Those who were not told of anything yet."""
        waiting = [p for place in self.places for p in place]
        return [p for p in (*self.holders, *waiting) if p.hold is None]


def same_priority(place: list[Person], person: Person) -> bool:
    """Whether the person would stand in this place's priority."""
    return place[0].priority == person.priority


class SharedLockModelTests(SynchronousTestCase):
    """Random histories."""

    def test_against_model(self) -> None:
        """The lock does what the model does, whatever happens in which order."""
        run_histories(SharedLockMachine, 150)
