"""What tags ask of placement."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.plan.allocate import answer, balance
from ganetix.plan.capacity.requests import Allocate, NodeEvacuate
from ganetix.test.plan.small_clusters import (
    cluster,
    instance,
    moves,
    newcomer,
    node,
    place,
)

EXCLUSION = ("htools:iextags:service",)
LOCATION = ("htools:nlocation:power",)


class ExclusionTests(SynchronousTestCase):
    """Instances that may not share a node."""

    def test_node_with_the_tag_is_refused(self) -> None:
        """A second instance with the tag goes elsewhere, if it is worse or not."""
        found = cluster(
            node("n1"),
            node("n2"),
            node("n3", free=3000),
            *(instance("i", "n1", tags=("service:dns",)),),
            *(instance("j", "n2", tags=("service:dns",)),),
            tags=EXCLUSION,
        )
        one = newcomer("plain", 500, tags=("service:dns",))
        self.assertEqual(place(found, one), ("n3",))

    def test_other_tags_do_not_matter(self) -> None:
        """Tags without a prefix that the cluster names exclude nothing."""
        found = cluster(
            node("n1"), node("n2"), instance("i", "n2", tags=("service:dns",))
        )
        answered = answer(
            found, Allocate(instance=newcomer("plain", tags=("service:dns",)))
        )
        self.assertNotIn("FailTags", answered.info)

    def test_counted_as_a_reason(self) -> None:
        """A conflict of tags is a failure of its own kind."""
        found = cluster(
            node("n1"),
            node("n2"),
            instance("i", "n2", tags=("service:dns",)),
            tags=EXCLUSION,
        )
        answered = answer(
            found, Allocate(instance=newcomer("plain", tags=("service:dns",)))
        )
        self.assertIn("(FailTags: 1)", answered.info)

    def test_balancing_resolves_conflicts(self) -> None:
        """Two instances that share a node against the rule are taken apart."""
        shared = [
            instance(name, "n1", template="rbd", tags=("service:dns",))
            for name in ("i", "j")
        ]
        found = cluster(node("n1"), node("n2"), *shared, tags=EXCLUSION)
        self.assertEqual(len(balance(found).moves), 1)


class LocationTests(SynchronousTestCase):
    """Nodes that fail together."""

    def test_pair_in_two_places(self) -> None:
        """A pair is spread over two places where that is possible."""
        found = cluster(
            node("n1", tags=("power:a",)),
            node("n2", tags=("power:b",)),
            node("n3", tags=("power:b",)),
            tags=LOCATION,
        )
        chosen = place(found, newcomer())
        self.assertIn("n1", chosen)

    def test_desired_place(self) -> None:
        """An instance that wants a place goes there."""
        found = cluster(
            node("n1", tags=("power:a",)),
            node("n2", tags=("power:b",)),
            tags=(*LOCATION, "htools:desiredlocation:power"),
        )
        one = newcomer("plain", tags=("power:a",))
        self.assertEqual(place(found, one), ("n1",))


class MigrationTests(SynchronousTestCase):
    """Nodes between which instances cannot migrate."""

    def test_only_to_nodes_that_take_it(self) -> None:
        """An instance leaves for a node with the same tag, not for a better one."""
        found = cluster(
            node("n1", tags=("kernel:1",)),
            node("n2", free=4000, tags=("kernel:1",)),
            node("n3", tags=("kernel:2",)),
            instance("i", "n1", template="rbd"),
            tags=("htools:migration:kernel",),
        )
        result = moves(found, NodeEvacuate(instances=("i",), mode="all"))
        self.assertEqual(result.moved[0].nodes, ("n2",))

    def test_allowed_direction(self) -> None:
        """The cluster may allow migration from one tag to another."""
        found = cluster(
            node("n1", tags=("kernel:1",)),
            node("n3", tags=("kernel:2",)),
            instance("i", "n1", template="rbd"),
            tags=(
                "htools:migration:kernel",
                "htools:allowmigration:kernel:1::kernel:2",
            ),
        )
        result = moves(found, NodeEvacuate(instances=("i",), mode="all"))
        self.assertEqual(result.moved[0].nodes, ("n3",))

    def test_pairs_that_could_not_fail_over(self) -> None:
        """A pair whose secondary takes no migration is not safe, and not made."""
        found = cluster(
            node("n1", tags=("kernel:1",)),
            node("n2", tags=("kernel:2",)),
            tags=("htools:migration:kernel",),
        )
        self.assertEqual(place(found, newcomer()), ())

    def test_instances_that_could_not_leave(self) -> None:
        """Where no node takes what would migrate off another, nothing is safe."""
        found = cluster(
            node("n1", tags=("kernel:1",)),
            node("n2", tags=("kernel:2",)),
            instance("i", "n1", template="rbd"),
            tags=("htools:migration:kernel",),
        )
        self.assertEqual(place(found, newcomer("plain")), ())
        allowed = replace(
            found, tags=(*found.tags, "htools:allowmigration:kernel:1::kernel:2")
        )
        self.assertEqual(place(allowed, newcomer("plain")), ("n2",))
