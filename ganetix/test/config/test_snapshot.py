"""Looking things up in a snapshot."""

from __future__ import annotations

import time
from types import MappingProxyType

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Snapshot
from ganetix.errors import NotFound
from ganetix.objects import Instance, Node
from ganetix.test.config.support import (
    make_cluster,
    make_group,
    make_instance,
    make_node,
)


def _snapshot(*objects: Node | Instance) -> Snapshot:
    nodes = {o.uuid: o for o in objects if isinstance(o, Node)}
    instances = {o.uuid: o for o in objects if isinstance(o, Instance)}
    return Snapshot(
        revision=1,
        cluster=make_cluster(),
        groups=MappingProxyType({"g1": make_group()}),
        nodes=MappingProxyType(nodes),
        instances=MappingProxyType(instances),
        tokens=MappingProxyType({}),
        intents=MappingProxyType({}),
    )


class SnapshotTests(SynchronousTestCase):
    """Lookups by name and UUID, and what is said if there is nothing."""

    def test_by_name_and_uuid(self) -> None:
        """Objects are found by either."""
        snapshot = _snapshot(make_node(1), make_instance(3))
        self.assertEqual(snapshot.node("node1"), make_node(1))
        self.assertEqual(snapshot.node("n1"), make_node(1))
        self.assertEqual(snapshot.instance("inst3"), make_instance(3))
        self.assertEqual(snapshot.group("group1"), make_group())

    def test_default_group(self) -> None:
        """No name means the default group; an empty one is nobody's."""
        self.assertEqual(_snapshot().group(None), make_group())
        with self.assertRaisesRegex(NotFound, "there is no group ''"):
            _snapshot().group("")

    def test_belonging(self) -> None:
        """Nodes of a group and instances on a node come by name."""
        snapshot = _snapshot(
            make_node(2), make_node(1), make_node(3, "g2"), make_instance(2, "n2")
        )
        self.assertEqual(snapshot.nodes_of("g1"), (make_node(1), make_node(2)))
        self.assertEqual(snapshot.instances_on("n2"), (make_instance(2, "n2"),))
        self.assertEqual(snapshot.instances_on("n1"), ())

    def test_did_you_mean(self) -> None:
        """A name nearly right is answered with the right one."""
        error = self.assertRaises(NotFound, _snapshot(make_node(1)).node, "nodel")
        self.assertEqual(str(error), "there is no node 'nodel'; did you mean node1?")
        self.assertEqual(error.detail, {"node": "nodel"})

    def test_none_at_all(self) -> None:
        """Where there is nothing, that is said."""
        error = self.assertRaises(NotFound, _snapshot().instance, "x")
        self.assertEqual(str(error), "there is no instance 'x': there are none at all")

    def test_some_shown(self) -> None:
        """Where nothing is alike, a few names are shown."""
        snapshot = _snapshot(*(make_node(n) for n in range(1, 12)))
        error = self.assertRaises(NotFound, snapshot.node, "zzz")
        self.assertTrue(
            str(error).endswith(
                "; there are node1, node10, node11, node2, node3, node4, node5, node6 …"
            )
        )

    def test_frozen(self) -> None:
        """Nothing in a snapshot can be assigned."""
        snapshot = _snapshot(make_node(1))
        with self.assertRaises(AttributeError):
            snapshot.revision = 2  # type: ignore[misc]
        with self.assertRaises(TypeError):
            snapshot.nodes["n2"] = make_node(2)  # type: ignore[index]

    def test_equal(self) -> None:
        """Snapshots compare by what they hold, not by what was looked up."""
        one, two = _snapshot(make_node(1)), _snapshot(make_node(1))
        one.node("node1")
        self.assertEqual(one, two)

    def test_changed_drops_stale_index(self) -> None:
        """A snapshot with other nodes finds those, and keeps what it knew of others."""
        one = _snapshot(make_node(1), make_instance(1))
        one.node("node1")
        one.instance("inst1")
        two = one.changed(nodes=MappingProxyType({"n2": make_node(2)}))
        self.assertEqual(two.node("node2"), make_node(2))
        self.assertRaises(NotFound, two.node, "node1")
        self.assertIs(two.instance_index, one.instance_index)


class ManyTests(SynchronousTestCase):
    """Ten thousand instances on two hundred nodes."""

    def setUp(self) -> None:
        """A large snapshot, looked at once."""
        instances = [
            replace(make_instance(n, f"n{n % 200}"), name=f"inst{n:05}.example.com")
            for n in range(10_000)
        ]
        self.snapshot = _snapshot(*instances)
        self.snapshot.instance("i1")

    def test_short_name(self) -> None:
        """A name without its domain is answered with the whole one."""
        error = self.assertRaises(NotFound, self.snapshot.instance, "inst00077")
        self.assertIn("did you mean inst00077.example.com?", str(error))

    def test_one_slip(self) -> None:
        """One wrong letter is seen among thousands."""
        error = self.assertRaises(
            NotFound, self.snapshot.instance, "isnt00077.example.com"
        )
        self.assertIn("did you mean inst00077.example.com?", str(error))

    def test_cheap(self) -> None:
        """Lookups take microseconds, failing ones milliseconds."""
        began = time.process_time()
        for n in range(1000):
            self.snapshot.instance(f"inst{n:05}.example.com")
            self.snapshot.instances_on(f"n{n % 200}")
        found = time.process_time()
        self.assertRaises(NotFound, self.snapshot.instance, "isnt00077.example.com")
        self.assertLess(found - began, 1.0)
        self.assertLess(time.process_time() - found, 0.1)
