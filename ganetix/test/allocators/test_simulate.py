"""Tests of simulated clusters and of sizes in htools' options."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ganetix.allocators.simulate import simulated
from ganetix.allocators.units import number_of, size_of
from ganetix.errors import BadParameter
from ganetix.plan.capacity.model import CapNode


class SimulateTests(SynchronousTestCase):
    """Clusters from descriptions."""

    def test_order(self) -> None:
        """The last description makes the first group."""
        cluster = simulated(["p,4,100g,16g,8", "a,3,200g,8g,4,2,True"])
        self.assertEqual(
            [(group.name, group.alloc_policy) for group in cluster.groups],
            [("group-01", "last_resort"), ("group-02", "preferred")],
        )
        self.assertEqual(len(cluster.nodes), 7)
        self.assertEqual(
            cluster.nodes[0],
            CapNode(
                name="node-01-001",
                group="fake-uuid-01",
                total_memory=8192,
                free_memory=8192,
                total_disk=204800,
                free_disk=204800,
                total_cpus=4,
                node_cpus=1,
                spindles=2,
                exclusive_storage=True,
                master=True,
            ),
        )
        self.assertEqual(cluster.nodes[-1].name, "node-02-004")
        self.assertFalse(cluster.nodes[-1].master)

    def test_policies(self) -> None:
        """Policies by letter or name."""
        for text, policy in (
            ("p", "preferred"),
            ("a", "last_resort"),
            ("u", "unallocable"),
            ("last_resort", "last_resort"),
        ):
            cluster = simulated([f"{text},1,1,1,1"])
            self.assertEqual(cluster.groups[0].alloc_policy, policy)

    def test_refused(self) -> None:
        """What is wrong is named."""
        for text, part in (
            ("p,4", "is not POLICY,NODES"),
            ("p,1,1,1,1,1,True,x", "is not POLICY,NODES"),
            ("l,1,1,1,1", "allocation policy 'l'"),
            ("p,x,1,1,1", "number of nodes: 'x'"),
            ("p,1,1z,1,1", "disk: 'z' is not a unit"),
            ("p,1,1,1.5g,1", "memory: '1.5g'"),
            ("p,1,1,1,1,1,maybe", "exclusive storage is 'maybe'"),
            ("p,1000000,1,1,1", "more than 100000"),
        ):
            error = self.assertRaises(BadParameter, simulated, [text])
            self.assertIn(part, str(error))


class SizeTests(SynchronousTestCase):
    """Sizes."""

    def test_units(self) -> None:
        """Binary and decimal ones, as hspace has them."""
        for text, mib in (
            ("100", 100),
            ("100m", 100),
            ("100M", 95),
            ("100mb", 95),
            ("100MiB", 100),
            ("3g", 3072),
            ("3G", 2861),
            ("3Gb", 2861),
            ("3Gib", 3072),
            ("2 g", 2048),
            ("3t", 3145728),
            ("3T", 2861022),
        ):
            self.assertEqual(size_of("disk", text), mib, text)

    def test_refused(self) -> None:
        """What is no size."""
        for text in ("", "g", "1.5g", "-1", "1k", "1gi", "1G1", "1e3"):
            error = self.assertRaises(BadParameter, size_of, "disk", text)
            self.assertIn("disk: ", str(error))
        self.assertRaises(BadParameter, number_of, "cpus", "1.5")
