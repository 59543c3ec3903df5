"""Lock sets over random histories, against what must hold in all of them."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import AlreadyExists, LockDeleted, LockTimeout
from ganetix.locking import ALL, LockSet, Names, SetHold
from ganetix.test.histories import run_histories

NAMES = ("a", "b", "c", "d")
FIRST = frozenset({"a", "b", "c"})

some_names = st.frozensets(st.sampled_from(NAMES), max_size=3)
timeouts = st.sampled_from([None, None, 0, 1, 3])


class Person:
    """Somebody who asked for locks of the set."""

    def __init__(
        self,
        names: Names,
        shared: bool,
        exclusively: frozenset[str],
        creates: frozenset[str],
        deadline: float | None,
    ) -> None:
        self.names = names
        self.creates = creates
        self.deadline = deadline
        self.needed = exclusively | creates
        self.alone = set(self.needed) if shared else {*NAMES}
        if names is not ALL:
            self.needed |= frozenset(names)
        self.hold: SetHold | None = None
        self.error: BaseException | None = None
        self.d: Deferred[SetHold] = Deferred()

    @property
    def waits(self) -> bool:
        """Whether there was no answer yet."""
        return self.hold is None and self.error is None

    @property
    def held(self) -> frozenset[str]:
        """The names this one has."""
        return frozenset() if self.hold is None else self.hold.names


class LockSetMachine(RuleBasedStateMachine):
    """People acquire names that come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.set = LockSet("instance", self.clock)
        self.set.keep(FIRST)
        self.kept = set(FIRST)
        self.people: list[Person] = []
        # What there was when somebody got all of the set.
        self.known: dict[Person, frozenset[str]] = {}

    @rule(
        names=st.one_of(some_names, st.just(ALL)),
        shared=st.booleans(),
        exclusively=some_names,
        creates=some_names,
        priority=st.integers(-1, 1),
        timeout=timeouts,
    )
    def acquire(
        self,
        names: Names,
        shared: bool,
        exclusively: frozenset[str],
        creates: frozenset[str],
        priority: int,
        timeout: float | None,
    ) -> None:
        """Somebody asks for several names, or for all."""
        deadline = None if timeout is None else self.clock.seconds() + timeout
        person = Person(names, shared, exclusively, creates, deadline)
        self.people.append(person)
        person.d = self.set.acquire(
            names,
            shared,
            priority,
            timeout,
            person,
            exclusively=exclusively,
            creates=creates,
        )
        _ = person.d.addBoth(self.told, person)
        self.settle()

    @precondition(lambda self: self.holders())
    @rule(data=st.data(), partly=st.booleans())
    def release(self, data: st.DataObject, partly: bool) -> None:
        """A holder lets go of a name, or of all; in no case of additions any more."""
        person = data.draw(st.sampled_from(self.holders()))
        assert person.hold is not None
        self.known.pop(person, None)
        if partly and person.held:
            person.hold.release([data.draw(st.sampled_from(sorted(person.held)))])
        else:
            person.hold.release()
            self.people.remove(person)
        self.settle()

    @precondition(lambda self: self.holders())
    @rule(data=st.data())
    def downgrade(self, data: st.DataObject) -> None:
        """A holder shares what it has."""
        person = data.draw(st.sampled_from(self.holders()))
        assert person.hold is not None
        person.hold.downgrade()
        person.alone.clear()
        self.settle()

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Somebody who waits loses patience."""
        person = data.draw(st.sampled_from(self.waiting()))
        person.d.cancel()
        assert isinstance(person.error, CancelledError)
        self.settle()

    @rule(name=st.sampled_from(NAMES), timeout=timeouts)
    def add(self, name: str, timeout: float | None) -> None:
        """A name is to be added; that waits for those who hold the whole set."""
        added = self.set.add([name], 0, timeout)
        _ = added.addCallbacks(
            lambda _: self.kept.add(name),
            lambda failure: failure.trap(AlreadyExists, LockTimeout),
        )
        self.settle()

    @rule(name=st.sampled_from(NAMES), timeout=timeouts)
    def remove(self, name: str, timeout: float | None) -> None:
        """A name is to be removed; that waits for those who hold it."""
        removed = self.set.remove(name, 0, timeout)
        _ = removed.addCallbacks(
            lambda _: self.kept.discard(name),
            lambda failure: failure.trap(LockDeleted, LockTimeout),
        )
        self.settle()

    @rule(name=st.sampled_from(NAMES))
    def drop(self, name: str) -> None:
        """A name is kept no more; it goes with the last who holds it."""
        self.set.drop([name])
        self.kept.discard(name)
        self.settle()

    @precondition(lambda self: any(p.creates & p.held for p in self.people))
    @rule()
    def keep_created(self) -> None:
        """What somebody has created exists from now on."""
        for person in self.people:
            self.set.keep(person.creates & person.held)
            self.kept |= person.creates & person.held
        self.settle()

    @rule(seconds=st.sampled_from([1, 2]))
    def time_passes(self, seconds: float) -> None:
        """Time-outs happen."""
        self.clock.advance(seconds)
        self.settle()

    @invariant()
    def excludes(self) -> None:
        """Who has a name exclusively is the only one who has it."""
        for name in NAMES:
            holders = [p for p in self.people if name in p.held]
            assert len(holders) <= 1 or not any(name in p.alone for p in holders)

    @invariant()
    def all_holds_off_additions(self) -> None:
        """Nothing is added to a set that somebody holds as a whole."""
        for person, known in self.known.items():
            assert person.hold is not None and person.hold.is_all
            assert self.set.names() <= known

    @invariant()
    def holds_and_waits_for_nothing_else(self) -> None:
        """The locks' holders and waiters are those who hold and wait: nobody is lost.

        Whoever waits does so for one lock, which somebody else holds.
        """
        for state in self.set.states():
            name = state.name.removeprefix("instance/")
            for holder in state.holders:
                owner = holder.owner
                assert owner is None or owner in self.people, f"{name} is leaked"
                if isinstance(owner, Person) and not owner.waits:
                    assert name in owner.held or name == "[all]"
            assert state.holders or not state.waiters
        for person in self.waiting():
            awaited = self.set.awaited_by(person)
            assert awaited is not None and awaited.holders
            assert [w.owner for w in awaited.waiters].count(person) == 1
            assert person.deadline is None or person.deadline > self.clock.seconds()

    @invariant()
    def names_live_as_long_as_wanted(self) -> None:
        """There are the names that are kept, and those somebody holds or creates."""
        wanted: set[str] = set()
        for person in self.people:
            wanted |= person.held | (person.creates if person.waits else frozenset())
        for state in self.set.states():
            if state.holders:
                wanted.add(state.name.removeprefix("instance/"))
        assert self.kept <= self.set.names() <= self.kept | wanted

    def teardown(self) -> None:
        """When all let go, all others are served, and only what is kept is left."""
        while holders := self.holders():
            assert holders[0].hold is not None
            holders[0].hold.release()
            self.known.pop(holders[0], None)
            self.people.remove(holders[0])
            self.settle()
        assert not self.waiting()
        assert self.set.names() == self.kept
        assert not any(state.holders or state.waiters for state in self.set.states())

    def told(self, result: SetHold | Failure, person: Person) -> None:
        """Take the answer."""
        if isinstance(result, SetHold):
            self.granted(result, person)
            return
        person.error = error = result.value
        self.people.remove(person)
        if isinstance(error, LockTimeout):
            assert person.deadline is not None
            assert person.deadline <= self.clock.seconds()
        elif isinstance(error, LockDeleted):
            # One that it needs and does not create has vanished, and is named.
            name = error.detail["lock"].rpartition("/")[2]
            assert name in person.needed - person.creates
        else:
            assert isinstance(error, CancelledError), error

    def granted(self, hold: SetHold, person: Person) -> None:
        """Somebody has all that was wanted."""
        person.hold = hold
        assert person.needed <= hold.names
        assert hold.is_all == (person.names is ALL)
        if person.names is ALL:
            self.known[person] = self.set.names()
            assert hold.names >= self.kept
        else:
            assert hold.names == person.needed

    def settle(self) -> None:
        """Let everything come to rest that is due."""
        for _ in range(20):
            self.clock.advance(0)

    def holders(self) -> list[Person]:
        """Those who were granted what they asked for."""
        return [person for person in self.people if person.hold is not None]

    def waiting(self) -> list[Person]:
        """Those who still wait."""
        return [person for person in self.people if person.waits]


class LockSetModelTests(SynchronousTestCase):
    """Random histories."""

    def test_against_model(self) -> None:
        """Whatever happens in which order, nothing that must hold is broken."""
        run_histories(LockSetMachine, 150)
