"""ssconf on its way to the nodes: to whom, and how much of it."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.logger import LogLevel, capturedLogs

from ganetix.config.distribute import AT_ONCE
from ganetix.objects.node_calls import SsconfWrite
from ganetix.test.config.distributing import DistributorTestCase
from ganetix.test.config.support import (
    deletes,
    make_group,
    make_instance,
    make_node,
    puts,
)


class DistributorTests(DistributorTestCase):
    """Telling the nodes."""

    def test_pushes_changes(self) -> None:
        """A change goes to all nodes, with what it is and a greater serial number."""
        self.put(make_group(2))
        self.clock.advance(0)
        self.assertEqual(len(self.nodes.calls), 3)
        for _, request in self.nodes.calls:
            self.assertIn("g2 group2\n", request.files["nodegroups"])
            self.assertEqual(request.serial_no, self.config.snapshot().revision)

    def test_commit_does_not_wait(self) -> None:
        """A commit is done before any node is called."""
        commit = self.config.commit(puts(make_group(2)))
        self.held.release_all()
        self.successResultOf(commit)
        self.assertEqual(self.nodes.take(), [])

    def test_same_files(self) -> None:
        """A change that leaves the files as they are goes to nobody."""
        node = self.config.snapshot().node("node2")
        self.put(replace(node, drained=True))
        self.clock.advance(0)
        self.assertEqual(self.nodes.take(), [])

    def test_coalesces(self) -> None:
        """What changes while a node is being told is told it in one call."""
        self.nodes.slow["node2"] = None
        for _ in range(4):
            self.add_group()
            self.clock.advance(0)
        self.assertEqual(self.nodes.take().count("node2"), 1)
        self.nodes.answer("node2")
        self.assertEqual(self.nodes.take(), ["node2"])
        self.nodes.answer("node2")
        self.clock.advance(100)
        self.assertEqual(self.nodes.take(), [])

    def test_retries(self) -> None:
        """A node that does not answer is tried again, ever more seldom."""
        self.nodes.down.add("node2")
        with capturedLogs() as events:
            self.add_group()
            self.clock.advance(0)
            self.nodes.take()
            times = []
            for second in range(1, 70):
                self.clock.advance(1)
                times += [second] * len(self.nodes.take())
            self.assertEqual(times, [1, 3, 7, 15, 31, 63])
            self.nodes.down.clear()
            self.clock.advance(60)
        self.assertEqual(self.nodes.take(), ["node2"])
        self.clock.advance(1000)
        self.assertEqual(self.nodes.take(), [])
        levels = [event["log_level"] for event in events]
        self.assertEqual(levels, [LogLevel.warn, LogLevel.info])

    def test_changes_do_not_hasten(self) -> None:
        """Changes do not make a silent node be called more often."""
        self.nodes.down.add("node2")
        for _ in range(5):
            self.add_group()
            self.clock.advance(0)
        self.assertEqual(self.nodes.take().count("node2"), 1)

    def test_new_address(self) -> None:
        """A silent node whose address changes is tried at once."""
        self.nodes.down.add("node2")
        self.add_group()
        self.clock.advance(0)
        self.nodes.take()
        self.nodes.down.clear()
        node = self.config.snapshot().node("node2")
        self.put(replace(node, primary_ip="192.0.2.99"))
        self.clock.advance(0)
        self.assertEqual(self.nodes.take().count("node2"), 1)

    def test_offline(self) -> None:
        """An offline node is left alone, and told all when it is back."""
        self.put(replace(self.config.snapshot().node("node2"), offline=True))
        self.clock.advance(0)
        self.assertNotIn("node2", self.nodes.take())
        self.put(replace(self.config.snapshot().node("node2"), offline=False))
        self.clock.advance(0)
        self.assertIn("node2", self.nodes.take())

    def test_removed(self) -> None:
        """A node that is removed is not called any more, retries included."""
        self.nodes.down.add("node2")
        self.add_group()
        self.clock.advance(0)
        gone = self.config.commit(deletes(make_node(2)))
        self.held.release_all()
        self.successResultOf(gone)
        self.clock.advance(0)
        self.nodes.take()
        self.clock.advance(1000)
        self.assertEqual(self.nodes.take(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_joins(self) -> None:
        """A node that joins is told, and the others are told of it."""
        self.put(make_node(4))
        self.clock.advance(0)
        self.assertEqual(len(self.nodes.take()), 4)

    def test_bounded(self) -> None:
        """No more than so many nodes are called at once, and all in the end."""
        many = [make_node(n) for n in range(10, 100)]
        self.nodes.slow = {node.name: None for node in many}
        self.put(*many)
        self.clock.advance(0)
        begun = [name for name in self.nodes.take() if name in self.nodes.slow]
        self.assertEqual(len(begun), AT_ONCE)
        total = len(begun)
        while begun:
            for name in begun:
                self.nodes.answer(name)
            begun = [name for name in self.nodes.take() if name in self.nodes.slow]
            total += len(begun)
        self.assertEqual(total, len(many))

    def test_many_at_once(self) -> None:
        """Thousands of nodes that answer at once do not pile up a stack."""
        self.put(*(make_node(n) for n in range(10, 3000)))
        self.clock.advance(0)
        self.assertEqual(len(self.nodes.take()), 2993)

    def test_unexpected_error(self) -> None:
        """A defect in the way to one node is logged and the node tried again."""
        self.nodes.slow["node2"] = None
        self.add_group()
        self.clock.advance(0)
        self.nodes.take()
        answer = self.nodes.slow.pop("node2")
        assert answer is not None
        answer.errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.clock.advance(1)
        self.assertEqual(self.nodes.take(), ["node2"])

    def test_stop(self) -> None:
        """After a stop nothing is called, waits are over, calls are cancelled."""
        self.nodes.slow["node1"] = None
        self.nodes.down.add("node2")
        self.add_group()
        settled = self.distributor.settled()
        self.nodes.take()
        self.distributor.stop()
        self.assertEqual(self.successResultOf(settled), ("node2",))
        self.assertEqual(self.nodes.cancelled, ["node1"])
        self.add_group()
        self.clock.advance(1000)
        self.assertEqual(self.nodes.take(), [])
        self.assertEqual(self.successResultOf(self.distributor.settled()), ())
        self.assertEqual(self.clock.getDelayedCalls(), [])


class PatchTests(DistributorTestCase):
    """What travels."""

    def requests(self) -> dict[str, SsconfWrite]:
        """The last request to each node."""
        last = dict(self.nodes.calls)
        self.nodes.calls.clear()
        return last

    def test_only_changes(self) -> None:
        """Only files that changed are sent, the same request to all nodes."""
        self.add_group()
        self.clock.advance(0)
        first, second, third = self.requests().values()
        self.assertEqual(set(first.files), {"nodegroups"})
        self.assertNotEqual(first.base, "")
        self.assertTrue(first is second is third)

    def test_question(self) -> None:
        """A node of which nothing is known is asked whether it has all."""
        self.put(make_node(4))
        self.clock.advance(0)
        request = self.requests()["node4"]
        self.assertEqual(request.files, {})
        self.assertNotEqual(request.base, "")

    def test_other_base(self) -> None:
        """A node that has other files than was thought gets all."""
        self.nodes.other.add("node2")
        self.add_group()
        self.clock.advance(0)
        requests = self.requests()
        self.assertEqual(requests["node2"].base, "")
        self.assertIn("node_list", requests["node2"].files)
        self.assertNotIn("node_list", requests["node3"].files)

    def test_catches_up(self) -> None:
        """A node that missed changes gets them in one patch."""
        self.nodes.down.add("node2")
        self.add_group()
        self.clock.advance(0)
        self.put(make_instance(1))
        self.clock.advance(0)
        self.nodes.down.clear()
        self.requests()
        self.clock.advance(1)
        request = self.requests()["node2"]
        self.assertEqual(set(request.files), {"nodegroups", "instance_list"})
