"""Tests for the choice of a node."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import NoResources
from ganetix.objects.intent import InstanceIntent
from ganetix.plan.place import NodeState, free_mib, place
from ganetix.testing.config import make_instance, make_node, make_snapshot

NODES = tuple(make_node(f"node{n}", last=10 + n) for n in (1, 2, 3))
EMPTY = make_snapshot(*NODES)


def state(free: int, disk: int | None = 10_000) -> NodeState:
    """A node with that much memory and disk free."""
    return NodeState(memory_total_mib=8192, memory_free_mib=free, disk_free_mib=disk)


def states(*free: int) -> dict[str, NodeState]:
    """States of the three nodes."""
    return {node.uuid: state(mib) for node, mib in zip(NODES, free, strict=True)}


class PlaceTests(SynchronousTestCase):
    """Tests for ``place``."""

    def test_most_free_memory(self) -> None:
        """The node with the most free memory is chosen."""
        placement = place(EMPTY, NODES, states(1000, 3000, 2000), 128, 1024)
        self.assertEqual(placement.node_uuid, NODES[1].uuid)
        self.assertEqual(placement.memory_left_mib, 2872)

    def test_ties_by_name(self) -> None:
        """Of equal nodes the first by name is chosen, whatever their order."""
        placement = place(EMPTY, NODES[::-1], states(1000, 1000, 1000), 128, 0)
        self.assertEqual(placement.node_uuid, NODES[0].uuid)

    def test_promised_memory_counts(self) -> None:
        """Memory promised to guests that are not there yet is not free."""
        coming = make_instance("new1", "node2", 2500)
        intent = InstanceIntent(instance=coming, job_id=1, step="begin")
        snapshot = make_snapshot(*NODES, intents=(intent,))
        placement = place(snapshot, NODES, states(1000, 3000, 2000), 128, 0)
        self.assertEqual(placement.node_uuid, NODES[2].uuid)

    def test_all_refused(self) -> None:
        """If none fits, every node is named with its reason."""
        nodes = (
            replace(NODES[0], offline=True),
            replace(NODES[1], drained=True),
            NODES[2],
            make_node("node4", last=14),
        )
        error = self.assertRaises(
            NoResources, place, EMPTY, nodes, states(9000, 9000, 100), 128, 0
        )
        self.assertEqual(
            str(error),
            "no node can take the instance: node1 is offline; node2 is drained;"
            " node3 has 100 MiB of memory free, needs 128; node4 does not answer",
        )

    def test_disk(self) -> None:
        """A node whose disk is too small is refused with both figures."""
        tight = {NODES[0].uuid: state(1000, disk=500)}
        error = self.assertRaises(NoResources, place, EMPTY, NODES[:1], tight, 1, 501)
        self.assertIn("has 500 MiB of disk free, needs 501", str(error))

    @given(st.lists(st.integers(0, 4096), min_size=3, max_size=3), st.integers(1, 4096))
    def test_never_more_than_free(self, free: list[int], memory: int) -> None:
        """Whatever is chosen has the memory; refusals mean that nobody has it."""
        try:
            placement = place(EMPTY, NODES, states(*free), memory, 0)
        except NoResources:
            self.assertTrue(all(memory > mib for mib in free))
        else:
            self.assertEqual(placement.memory_left_mib, max(free) - memory)


class FreeTests(SynchronousTestCase):
    """Tests for ``free_mib``."""

    def setUp(self) -> None:
        """Instances and creations of all sorts, most of them on one node."""
        self.running = replace(make_instance("up2", "node1", 200), admin_state="up")
        self.snapshot = make_snapshot(
            *NODES,
            instances=(
                replace(make_instance("up1", "node1", 100), admin_state="up"),
                self.running,
                make_instance("down1", "node1", 400),
            ),
            intents=(
                InstanceIntent(
                    instance=make_instance("new1", "node1", 800), job_id=1, step="begin"
                ),
                InstanceIntent(
                    instance=make_instance("other1", "node2", 1600),
                    job_id=2,
                    step="begin",
                ),
            ),
        )

    def free(self, memory_free: int, **running: int) -> int:
        """What is free on the node; the instance that runs is among the guests."""
        node_state = replace(
            state(memory_free), running={self.running.uuid: 200, **running}
        )
        return free_mib(self.snapshot, NODES[0].uuid, node_state)

    def test_counts_what_does_not_run(self) -> None:
        """Instances that should run and creations under way count, others do not."""
        self.assertEqual(self.free(2000), 2000 - 100 - 800)

    def test_counts_what_is_not_touched_yet(self) -> None:
        """Guests that have touched little of their memory have it all the same."""
        self.assertEqual(self.free(8100), 8192 - 100 - 200 - 800)

    def test_counts_strangers(self) -> None:
        """Guests that are no instances have their memory, too."""
        self.assertEqual(self.free(8100, stranger=1000), 8192 - 100 - 200 - 800 - 1000)
