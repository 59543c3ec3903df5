"""Tests of looking at one group alone."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ganetix.plan.capacity.model import CapCluster, CapGroup, CapInstance, CapNode
from ganetix.plan.capacity.part import of_group


def instance(name: str, primary: str, secondary: str = "") -> CapInstance:
    """An instance of 100 MiB and two vcpus."""
    template = "drbd" if secondary else "plain"
    return CapInstance(
        name=name,
        memory=100,
        disk=10,
        vcpus=2,
        primary=primary,
        secondary=secondary,
        template=template,  # type: ignore[arg-type]
    )


CLUSTER = CapCluster(
    groups=(CapGroup(uuid="u1", name="g1"), CapGroup(uuid="u2", name="g2")),
    nodes=(
        CapNode(name="a", group="u1", node_memory=5, node_cpus=1),
        CapNode(name="b", group="u1", node_memory=5, node_cpus=1),
        CapNode(name="x", group="u2"),
    ),
    instances=(instance("i1", "a", "b"), instance("i2", "x"), instance("i3", "b")),
)


class PartTests(SynchronousTestCase):
    """One group of two."""

    def test_part(self) -> None:
        """Its nodes and their instances, in the order they were in."""
        part = of_group(CLUSTER, "u1")
        self.assertEqual([group.name for group in part.groups], ["g1"])
        self.assertEqual(part.nodes, CLUSTER.nodes[:2])
        self.assertEqual([one.name for one in part.instances], ["i1", "i3"])

    def test_spread_instance(self) -> None:
        """What an instance of two groups takes here is the host's own use."""
        for primary, secondary, cpus in (("a", "x", 3), ("x", "a", 1)):
            cluster = CapCluster(
                groups=CLUSTER.groups,
                nodes=CLUSTER.nodes,
                instances=(instance("i", primary, secondary),),
            )
            part = of_group(cluster, "u1")
            self.assertEqual(part.instances, ())
            node = part.nodes[0]
            self.assertEqual((node.node_memory, node.node_cpus), (105, cpus))
            self.assertEqual(part.nodes[1], CLUSTER.nodes[1])
