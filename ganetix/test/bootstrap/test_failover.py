"""A fail-over in order, and one that is cut short at each of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ganetix.bootstrap.failover import Outcome
from ganetix.errors import GanetixError, StateFault, WrongState
from ganetix.plan.failover import Words
from ganetix.rpc.methods import MASTER_STAND_DOWN, SSCONF_WRITE
from ganetix.testing.replicas import SimReplicas


class FailoverCase(SynchronousTestCase):
    """Candidates in step, node1 the master, with some keys acknowledged."""

    def begin(self, nodes: int = 3) -> SimReplicas:
        """Make them."""
        self.sim = SimReplicas(Path(self.mktemp()), nodes)
        self.sim.advance(1.0)
        self.write("node1", "a", "b")
        self.sim.calls.clear()
        self.sim.lines.clear()
        return self.sim

    def write(self, name: str, *keys: str) -> None:
        """Have a master write keys, and wait until that is acknowledged."""
        master = self.sim.candidates[name].master
        assert master is not None
        for key in keys:
            _ = master.write(key)
        self.sim.advance(1.0)
        self.assertEqual(
            [key for _, key in self.sim.acknowledged][-len(keys) :], [*keys]
        )

    def keys(self, name: str) -> list[str]:
        """The keys on a node's disk."""
        return sorted(self.sim.candidates[name].rows("k"))

    def take_over(
        self, name: str, words: Words | None = None, rehearse: bool = False
    ) -> Outcome | GanetixError:
        """Run a fail-over to its end."""
        ended: list[Outcome | Failure] = []
        attempt: Deferred[Outcome] = self.sim.failover(name, words, rehearse)
        _ = attempt.addBoth(ended.append)
        self.sim.until(lambda: bool(ended))
        (outcome,) = ended
        if isinstance(outcome, Outcome):
            return outcome
        error = outcome.value
        assert isinstance(error, GanetixError), error
        return error

    def taken_over(self, name: str) -> Outcome:
        """The outcome of a fail-over that must succeed."""
        outcome = self.take_over(name)
        assert isinstance(outcome, Outcome), outcome
        return outcome


class HandOverTests(FailoverCase):
    """The old master lives, and can be asked."""

    def test_in_order(self) -> None:
        """It ends when all is replicated, and stays down; nothing at all is lost."""
        self.begin()
        old = self.sim.candidates["node1"].master
        assert old is not None
        _ = old.write("last")
        outcome = self.taken_over("node2")
        self.assertEqual((outcome.master, outcome.epoch), ("node2", 2))
        self.assertIn("the master daemon of node1 is asked to end", self.sim.lines)
        self.assertEqual(self.sim.acknowledged[-1], (1, "last"))
        self.assertEqual(self.keys("node2"), ["a", "b", "last"])
        self.assertRaises(StateFault, self.sim.start_master, "node1")
        self.sim.start_master("node2")
        self.write("node2", "c")
        self.assertEqual(self.keys("node1"), ["a", "b", "c", "last"])

    def test_there_and_back(self) -> None:
        """The role can be given back in the same way."""
        self.begin()
        for epoch, name in enumerate(("node2", "node1", "node3"), start=2):
            self.assertEqual(self.taken_over(name).epoch, epoch)
            self.sim.start_master(name)
            self.write(name, f"by {name}")
        self.assertEqual(
            self.keys("node3"), ["a", "b", "by node1", "by node2", "by node3"]
        )

    def test_of_two(self) -> None:
        """Of two candidates that answer no word is needed."""
        self.begin(2)
        self.taken_over("node2")
        self.sim.start_master("node2")
        self.write("node2", "c")

    def test_word_for_a_loss(self) -> None:
        """What may be lost by the administrator's word is told once."""
        self.begin(2)
        self.sim.candidates["node1"].kill()
        self.sim.lines.clear()
        outcome = self.take_over("node2", Words(no_voting=True))
        self.assertIsInstance(outcome, Outcome)
        told = [line for line in self.sim.lines if "that is accepted" in line]
        self.assertEqual(len(told), 1)

    def test_rehearsal(self) -> None:
        """A rehearsal leaves the master in power."""
        self.begin()
        outcome = self.take_over("node2", rehearse=True)
        assert isinstance(outcome, Outcome)
        self.assertTrue(outcome.is_rehearsal)
        self.assertIn("its master daemon runs", "\n".join(self.sim.lines))
        self.assertNotIn((MASTER_STAND_DOWN.name, "node1"), self.sim.calls)
        self.write("node1", "c")

    def test_master_itself(self) -> None:
        """The master cannot take over from itself."""
        self.begin()
        error = self.take_over("node1")
        assert isinstance(error, WrongState)
        self.assertIn("this node is the master", error.message)
        self.write("node1", "c")

    def test_without_prospects(self) -> None:
        """The master is not asked to end for an attempt that would be refused."""
        self.begin(3)
        self.sim.candidates["node3"].kill()
        self.sim.advance(4.0)
        self.write("node1", "c")
        self.sim.cut("node2", "node1")
        self.assertIsInstance(self.take_over("node2"), WrongState)
        self.sim.heal()
        self.sim.advance(4.0)
        self.write("node1", "d")

    def test_master_that_hangs(self) -> None:
        """A master that cannot be asked is to be stopped first; nothing is changed."""
        self.begin()
        del self.sim.candidates["node1"].handlers[MASTER_STAND_DOWN.name]
        self.sim.candidates["node1"].handlers[MASTER_STAND_DOWN.name] = lambda *_: (
            Deferred()
        )
        error = self.take_over("node2")
        assert isinstance(error, WrongState)
        self.assertIn("the master daemon of node1 runs", error.message)
        self.assertIn("stop it first", error.message)
        self.write("node1", "c")


class CutShortTests(FailoverCase):
    """The command is killed, or the host on which it runs, between two steps."""

    def attempts(self, name: str, is_alive: bool) -> Iterator[int]:
        """Begin a fail-over again and again, each time killed one call later."""
        for count in range(1, 100):
            self.begin()
            if not is_alive:
                self.sim.candidates["node1"].kill()
            ended: list[object] = []
            attempt = self.sim.failover(name)
            _ = attempt.addBoth(ended.append)
            while not ended and len(self.sim.calls) < count:
                self.sim.clock.advance(0.01)
            if ended:
                self.assertIsInstance(ended[0], Outcome)
                return
            attempt.cancel()
            yield count
        self.fail("it does not come to an end")

    def check(self, name: str) -> None:
        """The fail-over is run again: a node is master then, and nothing is lost."""
        self.taken_over(name)
        self.sim.start_master(name)
        self.sim.advance(2.0)
        self.write(name, "c")
        self.assertEqual(self.keys(name), ["a", "b", "c"])
        masters = [n for n, c in self.sim.candidates.items() if c.master is not None]
        self.assertEqual(masters, [name])

    def test_again(self) -> None:
        """Run again on the same node, it goes to its end."""
        for is_alive in (False, True):
            for _ in self.attempts("node2", is_alive):
                self.check("node2")

    def test_elsewhere(self) -> None:
        """Another node can take over instead."""
        for is_alive in (False, True):
            for _ in self.attempts("node2", is_alive):
                self.check("node3")

    def test_host_lost(self) -> None:
        """The host is started anew, and takes over then."""
        for _ in self.attempts("node2", False):
            self.sim.candidates["node2"].kill()
            self.sim.advance(1.0)
            self.sim.candidates["node2"].start()
            self.check("node2")

    def test_old_master_again(self) -> None:
        """As long as nobody has promised anything, the old master can go on."""
        for _ in self.attempts("node2", True):
            if self.sim.candidates["node1"].master is not None:
                self.sim.advance(2.0)
            if self.sim.candidates["node1"].master is not None:
                self.write("node1", "c")
                continue
            try:
                self.sim.start_master("node1")
            except StateFault:
                self.check("node1")
                continue
            self.sim.advance(2.0)
            old = self.sim.candidates["node1"].master
            if old is None:
                # Somebody has promised: it stood down at once.
                self.check("node1")
            else:
                self.write("node1", "c")

    def test_no_room_to_promise(self) -> None:
        """Who cannot keep a promise has given none; with too few nothing is begun."""
        self.begin()
        self.sim.candidates["node1"].kill()
        self.sim.candidates["node3"].is_full = True
        error = self.take_over("node2")
        assert isinstance(error, WrongState)
        self.assertIn("Bring these nodes up", error.message)
        self.sim.candidates["node3"].is_full = False
        self.check("node2")

    def test_no_room_here(self) -> None:
        """A node whose own disk is full disturbs nobody."""
        self.begin()
        self.sim.candidates["node2"].is_full = True
        self.sim.candidates["node1"].kill_master()
        self.assertIsInstance(self.take_over("node2"), GanetixError)
        self.sim.start_master("node1")
        self.write("node1", "c")

    def test_ssconf_not_told(self) -> None:
        """A fail-over that told nobody ssconf is completed by the next run."""
        self.begin()
        self.sim.candidates["node1"].kill()
        for name in ("node2", "node3"):
            self.sim.candidates[name].handlers.pop(SSCONF_WRITE.name)
            self.sim.candidates[name].handlers[SSCONF_WRITE.name] = lambda *_: (
                Deferred()
            )
        outcome = self.taken_over("node2")
        self.assertEqual(outcome.behind, ("node1", "node2", "node3"))
        for name in ("node2", "node3"):
            self.sim.candidates[name].kill()
            self.sim.candidates[name].start()
        again = self.taken_over("node2")
        self.assertEqual((again.epoch, again.behind), (2, ("node1",)))
        self.sim.start_master("node2")
        self.write("node2", "c")
