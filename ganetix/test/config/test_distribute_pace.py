"""When ssconf is on its way to the nodes, and when it has arrived."""

from __future__ import annotations

from msgspec.structs import replace

from ganetix.config.distribute import AT_ONCE
from ganetix.test.config.distributing import DistributorTestCase
from ganetix.test.config.support import deletes, make_group, make_instance, make_node


class PaceTests(DistributorTestCase):
    """A hundred nodes, and changes in quick succession."""

    def setUp(self) -> None:
        """They all know."""
        super().setUp()
        self.put(*(make_node(n) for n in range(10, 110)))
        self.clock.pump([0, 60])
        self.nodes.take()

    def burst(self, seconds: float) -> int:
        """Make ten changes a second for so long; how often the nodes were told."""
        for _ in range(int(seconds * 10)):
            self.add_group()
            self.clock.advance(0.1)
        return self.nodes.take().count("node50")

    def test_at_once(self) -> None:
        """A change that comes alone is told at once."""
        self.add_group()
        self.clock.advance(0)
        self.assertEqual(len(self.nodes.take()), 103)

    def test_burst(self) -> None:
        """In a burst they are told ever more seldom, and of the last change too."""
        self.assertLess(self.burst(30), 20)
        self.clock.advance(3)
        self.nodes.take()
        self.assertEqual(self.successResultOf(self.distributor.settled()), ())

    def test_after_a_burst(self) -> None:
        """When it is over, a change is told at once again."""
        self.burst(30)
        self.clock.pump([3, 10])
        self.nodes.take()
        self.add_group()
        self.clock.advance(0)
        self.assertEqual(len(self.nodes.take()), 103)

    def test_waits_for_its_turn(self) -> None:
        """Who waits in a burst is told when the nodes were told what is true now."""
        self.add_group()
        self.clock.advance(0)
        self.add_group()
        settled = self.distributor.settled()
        self.assertNoResult(settled)
        self.clock.advance(0.3)
        self.assertEqual(self.successResultOf(settled), ())

    def test_slow_nodes(self) -> None:
        """Nodes that hang do not keep the others from being told."""
        slow = {f"node{n}": None for n in range(10, 10 + AT_ONCE)}
        self.nodes.slow.update(slow)
        self.add_group()
        self.clock.pump([0, 0.5])
        self.assertEqual(len(set(self.nodes.take())), 103)


class SettledTests(DistributorTestCase):
    """Waiting until the nodes know."""

    def test_at_once(self) -> None:
        """If all nodes know, there is nothing to wait for."""
        self.assertEqual(self.successResultOf(self.distributor.settled()), ())
        self.assertEqual(self.nodes.take(), [])

    def test_waits(self) -> None:
        """It waits for the slowest node, and pushes what was just committed."""
        self.nodes.slow["node2"] = None
        self.add_group()
        settled = self.distributor.settled()
        self.assertEqual(sorted(self.nodes.take()), ["node1", "node2", "node3"])
        self.assertNoResult(settled)
        self.nodes.answer("node2")
        self.assertEqual(self.successResultOf(settled), ())

    def test_silent_nodes(self) -> None:
        """Nodes that do not answer are tried once more and then named."""
        self.nodes.down |= {"node3", "node2"}
        self.add_group()
        settled = self.distributor.settled()
        self.assertEqual(self.successResultOf(settled), ("node2", "node3"))
        self.nodes.take()
        self.nodes.down.remove("node3")
        settled = self.distributor.settled()
        self.assertEqual(self.successResultOf(settled), ("node2",))
        self.assertEqual(sorted(self.nodes.take()), ["node2", "node3"])

    def test_one_group(self) -> None:
        """Who waits for one group's nodes does not wait for another's."""
        far = make_group(9)
        self.put(far, replace(make_node(7), group=far.uuid))
        self.clock.advance(0)
        self.nodes.slow["node7"] = None
        self.add_group()
        near = self.config.snapshot().node("node1").group
        self.assertEqual(self.successResultOf(self.distributor.settled(near)), ())
        far_settled = self.distributor.settled(far.uuid)
        self.assertNoResult(far_settled)
        self.nodes.answer("node7")
        self.assertEqual(self.successResultOf(far_settled), ())

    def test_returned(self) -> None:
        """A node that answers again is told at once."""
        self.nodes.down.add("node2")
        self.add_group()
        self.clock.advance(0)
        self.nodes.take()
        self.nodes.down.clear()
        self.distributor.hasten(self.config.snapshot().node("node2"))
        self.distributor.hasten(self.config.snapshot().node("node3"))
        self.assertEqual(self.nodes.take(), ["node2"])

    def test_older_push(self) -> None:
        """A node that acknowledges an older version is waited for further on."""
        self.nodes.slow["node2"] = None
        self.add_group()
        self.clock.advance(0)
        self.add_group()
        settled = self.distributor.settled()
        self.nodes.answer("node2")
        self.assertNoResult(settled)
        self.nodes.answer("node2")
        self.assertEqual(self.successResultOf(settled), ())

    def test_later_changes(self) -> None:
        """Changes that come later do not prolong the wait."""
        self.nodes.slow["node2"] = None
        self.add_group()
        settled = self.distributor.settled()
        self.add_group()
        self.clock.advance(0)
        self.nodes.answer("node2")
        self.assertEqual(self.successResultOf(settled), ())

    def test_removed_while_waiting(self) -> None:
        """A node that is removed meanwhile is not waited for."""
        self.nodes.slow["node2"] = None
        self.add_group()
        settled = self.distributor.settled()
        gone = self.config.commit(deletes(make_node(2)))
        self.held.release_all()
        self.successResultOf(gone)
        self.assertNoResult(settled)
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(settled), ())
        self.assertEqual(self.nodes.cancelled, ["node2"])

    def test_instances(self) -> None:
        """A new instance is a change of the list of instances."""
        self.put(make_instance(1))
        self.successResultOf(self.distributor.settled())
        self.assertEqual(len(self.nodes.take()), 3)


class RepeatTests(DistributorTestCase):
    """Writing everything anew."""

    def test_all_nodes_are_asked(self) -> None:
        """Nodes that are thought to be right are asked whether they are."""
        self.assertEqual(self.successResultOf(self.distributor.repeat()), ())
        self.assertEqual(sorted(self.nodes.take()), ["node1", "node2", "node3"])

    def test_names_those_without(self) -> None:
        """Nodes that do not take the files are named, and tried again later."""
        self.nodes.down.add("node2")
        self.assertEqual(self.successResultOf(self.distributor.repeat()), ("node2",))
        self.nodes.take()
        self.nodes.down.clear()
        self.clock.advance(2)
        self.assertEqual(self.nodes.take(), ["node2"])
        self.assertEqual(self.successResultOf(self.distributor.settled()), ())

    def test_beside_a_push(self) -> None:
        """A push that is under way does not count: what it wrote may be too little."""
        self.nodes.slow["node1"] = None
        self.add_group()
        waiting = self.distributor.settled()
        self.nodes.take()
        again = self.distributor.repeat()
        self.assertEqual(self.nodes.cancelled, ["node1"])
        self.assertNoResult(again)
        self.nodes.answer("node1")
        self.assertEqual(self.successResultOf(again), ())
        self.assertEqual(self.successResultOf(waiting), ())
