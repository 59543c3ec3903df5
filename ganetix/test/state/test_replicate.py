"""Replication to candidates: who must have what before anybody is told."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ganetix.bootstrap.failover import Outcome
from ganetix.config.rows import row_of
from ganetix.errors import StaleEpoch, StateFault
from ganetix.objects.replica import Claim, stale_epoch
from ganetix.paths import Paths
from ganetix.plan.failover import Words
from ganetix.rpc.methods import REPLICA_APPEND
from ganetix.state.replicate_log import RecentLog
from ganetix.state.replicate_rows import members_in
from ganetix.state.rows import Row
from ganetix.testing.candidate import SimCandidate
from ganetix.testing.replicas import (
    SimMasterStore,
    SimReplicas,
    candidate_snapshot,
)


class ReplicationCase(SynchronousTestCase):
    """Candidates, the first of them the master."""

    def begin(self, nodes: int) -> SimReplicas:
        """So many candidates, in step."""
        self.sim = SimReplicas(Path(self.mktemp()), nodes)
        self.sim.advance(1.0)
        return self.sim

    @property
    def master(self) -> SimMasterStore:
        """The first node's master."""
        master = self.sim.candidates["node1"].master
        assert master is not None
        return master

    def in_step(self) -> dict[str, bool]:
        """Who is in step, by name."""
        return {
            self.master.links.name_of(state.uuid): state.is_in_step
            for state in self.master.replicator.candidates()
        }

    def uuid(self, name: str) -> str:
        """A node's UUID."""
        return self.sim.candidates[name].node.uuid

    def keys(self, name: str) -> list[str]:
        """The keys on a node's disk."""
        return sorted(self.sim.candidates[name].rows("k"))


class StepTests(ReplicationCase):
    """Getting in step."""

    def test_in_step(self) -> None:
        """Candidates get a snapshot, and are recorded as in step then."""
        self.begin(3)
        self.assertEqual(self.in_step(), {"node2": True, "node3": True})

    def test_write(self) -> None:
        """What is written is on all."""
        self.begin(3)
        done = self.master.write("a")
        self.sim.advance(0.1)
        self.successResultOf(done)
        for name in self.sim.candidates:
            self.assertEqual(self.keys(name), ["a"])

    def test_lagging_from_log(self) -> None:
        """One that was away for a moment gets what it lacks, and no snapshot."""
        self.begin(3)
        self.sim.isolate("node3")
        for number in range(5):
            _ = self.master.write(str(number))
            self.sim.advance(1.0)
        self.assertEqual(self.in_step(), {"node2": True, "node3": False})
        self.assertEqual(self.keys("node3"), [])
        with capturedLogs() as logs:
            self.sim.heal()
            self.sim.advance(4.0)
        self.assertEqual(self.in_step(), {"node2": True, "node3": True})
        self.assertEqual(self.keys("node3"), self.keys("node1"))
        self.assertEqual([log for log in logs if "snapshot" in log["log_format"]], [])

    def test_disk_full(self) -> None:
        """One whose disk is full is out of step until there is room; others go on."""
        self.begin(3)
        self.sim.candidates["node3"].is_full = True
        done = self.master.write("a")
        self.sim.advance(4.0)
        self.successResultOf(done)
        self.assertEqual(self.in_step(), {"node2": True, "node3": False})
        (problem,) = (
            state.problem
            for state in self.master.replicator.candidates()
            if state.problem
        )
        self.assertIn("the disk is full", problem)
        self.sim.candidates["node3"].is_full = False
        self.sim.advance(4.0)
        self.assertEqual(self.in_step(), {"node2": True, "node3": True})
        self.assertEqual(self.keys("node3"), ["a"])

    def test_all_disks_full(self) -> None:
        """Without a majority that can write nothing is acknowledged, until it can."""
        self.begin(3)
        for name in ("node2", "node3"):
            self.sim.candidates[name].is_full = True
        done = self.master.write("a")
        self.sim.advance(5.0)
        self.assertNoResult(done)
        for name in ("node2", "node3"):
            self.sim.candidates[name].is_full = False
        self.sim.advance(5.0)
        self.successResultOf(done)

    def test_log_survives(self) -> None:
        """A master that starts again brings those who lag up to date from its log."""
        self.begin(3)
        self.sim.isolate("node3")
        _ = self.master.write("a")
        self.sim.advance(1.0)
        self.sim.candidates["node1"].kill_master()
        self.sim.heal()
        with capturedLogs() as logs:
            self.sim.start_master("node1")
            self.sim.advance(4.0)
        self.assertEqual(self.in_step(), {"node2": True, "node3": True})
        self.assertEqual(self.keys("node3"), ["a"])
        self.assertEqual([log for log in logs if "snapshot" in log["log_format"]], [])

    def test_lagging_too_far(self) -> None:
        """One that lags beyond the log gets a snapshot, with what is deleted gone."""
        self.begin(3)
        _ = self.master.write("gone")
        self.sim.advance(0.5)
        self.sim.isolate("node3")
        self.master.replicator.log = RecentLog(most_groups=2)
        _ = self.master.store.write([Row("k", "gone", None)])
        self.sim.advance(0.5)
        for number in range(5):
            _ = self.master.write(str(number))
            self.sim.advance(0.5)
        self.sim.heal()
        with capturedLogs() as logs:
            self.sim.advance(8.0)
        self.assertEqual(self.in_step(), {"node2": True, "node3": True})
        self.assertEqual(self.keys("node3"), [str(number) for number in range(5)])
        self.assertTrue([log for log in logs if "snapshot" in log["log_format"]])

    def test_snapshot_while_writing(self) -> None:
        """What is written during a snapshot is in it."""
        self.sim = SimReplicas(Path(self.mktemp()), 2)
        for number in range(600):
            _ = self.master.write(f"{number:03}")
        for number in range(100):
            _ = self.master.write(f"x{number:03}")
            self.sim.clock.advance(0.003)
        self.sim.advance(2.0)
        self.assertEqual(len(self.keys("node2")), 700)
        self.assertEqual(self.keys("node2"), self.keys("node1"))

    def test_removed(self) -> None:
        """A node that is no candidate any more loses its replica and its secrets."""
        self.begin(3)
        uuid = self.sim.candidates["node3"].node.uuid
        key = Paths(self.sim.candidates["node3"].root).ca_key
        key.write_text("secret")
        others = [u for u in self.master.replicator.members if u != uuid]
        self.master.replicator.set_candidates(others)
        self.sim.advance(1.0)
        self.assertEqual(self.in_step(), {"node2": True})
        self.assertEqual(self.sim.candidates["node3"].medium, {})
        self.assertFalse(key.exists())
        self.master.replicator.set_candidates([*others, uuid])
        self.sim.advance(1.0)
        self.assertEqual(self.in_step(), {"node2": True, "node3": True})


class RemovalTests(ReplicationCase):
    """A node that was down when it ceased to be a candidate."""

    def setUp(self) -> None:
        self.begin(3)
        self.node3 = self.sim.candidates["node3"]
        self.key = Paths(self.node3.root).ca_key
        self.key.write_text("secret")
        self.sim.isolate("node3")
        self.sim.advance(4.0)
        regular = replace(self.node3.node, master_candidate=False)
        _ = self.master.store.write([row_of(regular)])
        self.master.replicator.set_candidates([self.uuid("node2")])
        self.sim.advance(20.0)

    def check_removed(self) -> None:
        """It loses what it has when it answers, and is asked no more then."""
        self.assertNotEqual(self.node3.medium, {})
        self.sim.heal()
        self.sim.advance(65.0)
        self.assertEqual(self.node3.medium, {})
        self.assertFalse(self.key.exists())
        record = members_in(
            Row("meta", key, data)
            for key, data in self.sim.candidates["node2"].rows("meta").items()
        )
        self.assertEqual(record and record.holders, ())

    def test_later(self) -> None:
        """Its replica and its secrets go when it answers again."""
        self.check_removed()

    def test_after_restart(self) -> None:
        """The next run of the master sees to it."""
        self.sim.candidates["node1"].kill_master()
        self.sim.start_master("node1")
        self.sim.advance(1.0)
        self.check_removed()

    def test_after_failover(self) -> None:
        """The next master sees to it."""
        self.sim.candidates["node1"].kill_master()
        done = self.sim.failover("node2")
        self.sim.until(lambda: done.called)
        self.sim.start_master("node2")
        self.sim.advance(1.0)
        self.check_removed()

    def test_candidate_again(self) -> None:
        """One that is to have a replica after all keeps what it gets."""
        self.master.replicator.set_candidates([self.uuid("node2"), self.uuid("node3")])
        self.sim.heal()
        self.sim.advance(5.0)
        self.assertEqual(self.in_step(), {"node2": True, "node3": True})
        self.sim.advance(65.0)
        self.assertTrue(self.key.exists())

    def test_left_the_cluster(self) -> None:
        """One that is no member any more is asked no longer."""
        gone = self.master.links
        snapshot = candidate_snapshot(self.sim.candidates["node1"])
        gone.know(replace(snapshot, nodes={}))
        self.sim.advance(65.0)
        self.sim.heal()
        self.sim.advance(65.0)
        self.assertNotEqual(self.node3.medium, {})


class AcknowledgeTests(ReplicationCase):
    """When writers are told."""

    def test_majority(self) -> None:
        """With three, one that is silent holds up nobody, until it is overdue."""
        self.begin(3)
        self.sim.isolate("node3")
        done = self.master.write("a")
        self.sim.advance(0.1)
        self.successResultOf(done)

    def test_two(self) -> None:
        """With two, the master waits for the other until it is recorded as out."""
        self.begin(2)
        self.sim.isolate("node2")
        done = self.master.write("a")
        self.sim.advance(1.9)
        self.assertNoResult(done)
        self.sim.advance(0.3)
        self.successResultOf(done)
        self.assertEqual(self.in_step(), {"node2": False})
        record = members_in(_rows(self.sim.candidates["node1"]))
        own = self.sim.candidates["node1"].node.uuid
        assert record is not None
        self.assertEqual(record.in_step, (own,))

    def test_no_majority(self) -> None:
        """Without a majority nothing is told; what waits to be written fails."""
        self.begin(3)
        self.sim.isolate("node1")
        written = self.master.write("a")
        self.sim.advance(2.5)
        self.assertIn("no majority", self.master.store.fault or "")
        waiting = self.master.store.write([Row("k", "b", b"{}")])
        self.sim.advance(9.0)
        self.assertNoResult(waiting)
        self.sim.advance(2.0)
        error = self.failureResultOf(waiting, StateFault).value
        self.assertIn("node2, node3", error.message)
        self.assertNoResult(written)
        self.assertEqual(self.keys("node1"), ["a"])
        self.sim.heal()
        self.sim.advance(4.0)
        self.successResultOf(written)
        self.assertIsNone(self.master.store.fault)

    def test_attended(self) -> None:
        """Who waits for what is written here only is told that it is not known."""
        self.begin(3)
        self.sim.isolate("node1")
        work = self.master.store.write([Row("k", "a", b"{}")])
        view = self.master.store.attended(work)
        self.sim.advance(14.0)
        error = self.failureResultOf(view, StateFault).value
        self.assertIn("not known whether", error.message)
        self.sim.heal()
        self.sim.advance(4.0)
        self.assertEqual(self.keys("node2"), ["a"])

    def test_grouped(self) -> None:
        """Batches that come up during a call travel together in the next."""
        self.begin(2)
        writes = [self.master.write(f"{number}") for number in range(50)]
        self.sim.advance(0.5)
        for write in writes:
            self.successResultOf(write)
        calls = [name for name, _ in self.sim.calls if name == REPLICA_APPEND.name]
        self.assertLess(len(calls), 10)


class DeposedTests(ReplicationCase):
    """A master whose time is over."""

    def take_over(self, name: str, words: Words | None = None) -> Outcome:
        """Fail over to a node."""
        ended: list[Outcome] = []
        _ = self.sim.failover(name, words).addCallback(ended.append)
        self.sim.until(lambda: bool(ended))
        return ended[0]

    def test_stands_down(self) -> None:
        """An old master that is healed tells its writers, ends, and stays down."""
        self.begin(3)
        old = self.master
        self.sim.isolate("node1")
        written = old.store.write([Row("k", "mine", b"{}")])
        outcome = self.take_over("node2")
        self.assertEqual((outcome.master, outcome.epoch), ("node2", 2))
        self.sim.start_master("node2")
        self.sim.heal()
        self.sim.advance(3.0)
        self.assertEqual(old.why_deposed, "epoch 2")
        self.failureResultOf(written, StateFault)
        self.assertIsNone(self.sim.candidates["node1"].master)
        self.sim.isolate("node1")
        self.assertRaises(StateFault, self.sim.start_master, "node1")

    def test_follows_the_new_one(self) -> None:
        """What the old master had and nobody else is gone when it follows the new."""
        self.begin(3)
        self.sim.isolate("node1")
        _ = self.master.write("mine")
        self.sim.advance(0.1)
        self.assertEqual(self.keys("node1"), ["mine"])
        self.take_over("node2")
        self.sim.start_master("node2")
        self.sim.heal()
        self.sim.advance(6.0)
        self.assertEqual(self.keys("node1"), [])

    def test_told_by_a_node(self) -> None:
        """The word of any node that obeys another deposes, a candidate's for good."""
        for name, stays in (("some node", False), ("node2", True)):
            self.begin(3)
            self.sim.isolate("node1")
            newer = Claim(number=2, master=self.uuid("node2"), since=7.0)
            uuid = self.uuid(name) if stays else name
            self.master.replicator.refused(uuid, stale_epoch(newer))
            self.assertEqual(self.master.why_deposed, "epoch 2")
            self.assertEqual(self.master.replicator.epoch, 0)
            self.sim.advance(1.0)
            if stays:
                self.assertRaises(StateFault, self.sim.start_master, "node1")
            else:
                self.sim.start_master("node1")

    def test_word_without_ground(self) -> None:
        """A refusal that names nobody newer deposes nobody."""
        self.begin(3)
        own = self.master.replicator.claim
        for error in (stale_epoch(own), StaleEpoch("no detail")):
            self.master.replicator.refused("some node", error)
        self.assertIsNone(self.master.why_deposed)
        self.assertEqual(self.master.replicator.epoch, 1)

    def test_known_loss(self) -> None:
        """Of two, one that knows itself out of step takes over by a word only."""
        self.begin(2)
        self.sim.isolate("node2")
        _ = self.master.write("a")
        self.sim.advance(3.0)
        self.sim.candidates["node1"].kill()
        words = Words(no_voting=True)
        # What was acknowledged without it is not known to it: the word covers that.
        outcome = self.take_over("node2", words)
        self.assertEqual(outcome.epoch, 2)
        self.assertIn("may have been acknowledged", "\n".join(self.sim.lines))

    def test_refused(self) -> None:
        """A fail-over that is refused leaves the master in power."""
        self.begin(3)
        self.sim.cut("node2", "node1")
        self.sim.cut("node2", "node3")
        failed: list[Failure] = []
        _ = self.sim.failover("node2").addErrback(failed.append)
        self.sim.until(lambda: bool(failed))
        self.assertIn("1 of 3 nodes answer", failed[0].getErrorMessage())
        self.sim.heal()
        self.sim.advance(4.0)
        self.assertIsNone(self.master.why_deposed)
        self.assertEqual(self.in_step(), {"node2": True, "node3": True})

    def test_restored_from_backup(self) -> None:
        """A master with less than a candidate has does not overwrite that."""
        self.begin(2)
        backup = dict(self.sim.candidates["node1"].medium)
        _ = self.master.write("a")
        self.sim.advance(1.0)
        self.sim.candidates["node1"].kill_master()
        self.sim.candidates["node1"].medium.clear()
        self.sim.candidates["node1"].medium.update(backup)
        started = self.sim.start_master("node1")
        self.sim.advance(1.0)
        self.assertIn("node node2 holds revision", started.why_deposed or "")
        self.assertEqual(self.keys("node2"), ["a"])


def _rows(candidate: SimCandidate) -> list[Row]:
    return [Row(*key, data) for key, data in candidate.medium.items()]
