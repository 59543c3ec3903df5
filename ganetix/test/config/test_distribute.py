"""ssconf on its way to the nodes."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs
from zope.interface import implementer

from ganetix.config.distribute import AT_ONCE, SsconfDistributor
from ganetix.errors import NodeUnreachable
from ganetix.interfaces import INodeRpc, Say
from ganetix.objects import Node
from ganetix.objects.node_calls import SsconfWrite, SsconfWritten
from ganetix.rpc.methods import Method
from ganetix.test.config.support import (
    ConfigTestCase,
    deletes,
    make_group,
    make_instance,
    make_node,
    puts,
)

Q = TypeVar("Q")
R = TypeVar("R")


@implementer(INodeRpc)
class _Nodes:
    """Node daemons that answer at once, later, or not at all."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, SsconfWrite]] = []
        self.down: set[str] = set()
        self.other: set[str] = set()
        self.slow: dict[str, Deferred[SsconfWritten] | None] = {}
        self.cancelled: list[str] = []

    def call(
        self, node: Node, method: Method[Q, R], request: Q, say: Say | None = None
    ) -> Deferred[R]:
        """Note the call, and answer."""
        assert isinstance(request, SsconfWrite)
        self.calls.append((node.name, request))
        answer: Deferred[SsconfWritten] = Deferred(
            lambda _: self.cancelled.append(node.name)
        )
        if node.name in self.slow:
            self.slow[node.name] = answer
        elif node.name in self.other and request.base:
            self.other.discard(node.name)
            answer.callback(SsconfWritten(needs_all=True))
        elif node.name in self.down:
            answer.errback(NodeUnreachable(f"node {node.name} does not answer"))
        else:
            answer.callback(SsconfWritten())
        return answer  # type: ignore[return-value]

    def answer(self, name: str) -> None:
        """A slow node answers."""
        answer = self.slow[name]
        assert answer is not None
        self.slow[name] = None
        answer.callback(SsconfWritten())

    def take(self) -> list[str]:
        """Who was called since the last time."""
        names = [name for name, _ in self.calls]
        self.calls.clear()
        return names


class _WithDistributor(ConfigTestCase):
    """Three nodes of one group."""

    def setUp(self) -> None:
        """A distributor that has told all nodes."""
        super().setUp()
        self.put(make_node(2), make_node(3))
        self.nodes = _Nodes()
        self.distributor = SsconfDistributor(self.config, self.nodes, self.clock)
        self.distributor.start()
        self.assertEqual(sorted(self.nodes.take()), ["node1", "node2", "node3"])
        self.serial = 1

    def add_group(self) -> None:
        """Change what is in ssconf."""
        self.serial += 1
        self.put(make_group(self.serial))


class DistributorTests(_WithDistributor):
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


class PatchTests(_WithDistributor):
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


class PaceTests(_WithDistributor):
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


class SettledTests(_WithDistributor):
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


class RepeatTests(_WithDistributor):
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
