"""Why an instance goes where it goes."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.plan.allocate import answer, compared
from ganetix.plan.capacity.model import CapCluster
from ganetix.plan.capacity.requests import Allocate, Comparison, Newcomer, Nodes
from ganetix.test.plan.small_clusters import (
    POLICY,
    cluster,
    group,
    instance,
    newcomer,
    node,
)


def explain(found: CapCluster, one: Newcomer, group: str = "") -> Comparison:
    return compared(found, Allocate(instance=one, group=group))


def reason(found: CapCluster, one: Newcomer, name: str) -> str:
    """Why one node is refused."""
    refused = explain(found, one).refused
    return next(each.text for each in refused if each.node == name)


class ChosenTests(SynchronousTestCase):
    """What is chosen, and what comes next."""

    found = cluster(
        group("a"),
        group("b", "last_resort"),
        *(node("n1"), node("n2", free=7000), node("n3", free=6000)),
        *(node("m1", "b"), node("m2", "b")),
    )

    def test_same_as_the_answer(self) -> None:
        """The nodes are those of the answer, with their score."""
        request = Allocate(instance=newcomer())
        result = answer(self.found, request).result
        chosen = compared(self.found, request).chosen
        assert chosen is not None and isinstance(result, Nodes)
        self.assertEqual(chosen.nodes, result.nodes)
        self.assertEqual(chosen.group, "a")

    def test_runners_up_by_score(self) -> None:
        """At most five next best places follow, preferred groups first."""
        runners_up = explain(self.found, newcomer()).runners_up
        self.assertEqual(len(runners_up), 5)
        scores = [one.score for one in runners_up if one.group == "a"]
        self.assertEqual(scores, sorted(scores))
        last = explain(self.found, newcomer("plain")).runners_up[-1]
        self.assertEqual(last.group, "b")

    def test_nothing_chosen(self) -> None:
        """If nothing will do, every node has a reason."""
        told = explain(self.found, newcomer(memory=9000))
        self.assertIsNone(told.chosen)
        self.assertEqual(
            sorted(one.node for one in told.refused), ["m1", "m2", "n1", "n2", "n3"]
        )

    def test_unknown_group(self) -> None:
        """A group that is not there is told."""
        told = explain(self.found, newcomer(), "zz")
        self.assertEqual(told.groups, ("there is no group 'zz'",))


class ReasonTests(SynchronousTestCase):
    """One reason for each refused node, with figures."""

    def test_memory(self) -> None:
        """Too little free memory."""
        found = cluster(node("n1"), node("n2", free=1024))
        self.assertEqual(
            reason(found, newcomer("plain", 2048), "n2"),
            "n2: 1024 MiB free, needs more than 2048",
        )

    def test_reserve(self) -> None:
        """Memory that the failure of another node would need."""
        found = cluster(
            node("n1", free=1312),
            node("n2"),
            node("n3"),
            instance("i", "n2", "n1", memory=512),
        )
        self.assertEqual(
            reason(found, newcomer("file", 1000), "n1"),
            "n1: would have 312 MiB free, needs more than 512 to be N+1 safe",
        )

    def test_vcpus(self) -> None:
        """More vcpus than the policy's ratio allows."""
        found = cluster(
            group(policy=replace(POLICY, vcpu_ratio=1.0)),
            node("n1"),
            node("n2", node_cpus=7),
        )
        self.assertEqual(
            reason(found, newcomer("plain", vcpus=2), "n2"),
            "n2: 9 of 8 allowed vcpus",
        )

    def test_disk(self) -> None:
        """Too little free disk."""
        found = cluster(node("n1"), node("n2", free_disk=100))
        self.assertEqual(
            reason(found, newcomer("plain"), "n2"),
            "n2: 100 MiB of disk free, needs more than 1024",
        )

    def test_offline(self) -> None:
        """A node that is offline."""
        found = cluster(node("n1"), node("n2", offline=True))
        self.assertIn("is offline", reason(found, newcomer("plain"), "n2"))

    def test_not_named(self) -> None:
        """A node that is not among those to choose from."""
        found = cluster(node("n1"), node("n2"))
        one = newcomer("plain", restrict_to_nodes=("n1",))
        self.assertIn("nodes to choose from", reason(found, one, "n2"))

    def test_policy(self) -> None:
        """A policy that does not let the instance pass."""
        found = cluster(group(policy=replace(POLICY, templates=("drbd",))), node("n1"))
        self.assertIn(
            "the policy of group a does not allow its size of a disk",
            reason(found, newcomer("plain"), "n1"),
        )

    def test_tags(self) -> None:
        """An instance that may not share the node."""
        found = cluster(
            node("n1"),
            node("n2"),
            instance("i", "n2", tags=("service:dns",)),
            tags=("htools:iextags:service",),
        )
        self.assertEqual(
            reason(found, newcomer("plain", tags=("service:dns",)), "n2"),
            "n2: has an instance with the tag service:dns already",
        )

    def test_both_roles_of_a_pair(self) -> None:
        """A node that can be neither primary nor secondary says why not."""
        found = cluster(node("n1"), node("n3"), node("n2", free=500))
        self.assertEqual(
            reason(found, newcomer(), "n2"),
            "n2: 500 MiB free, needs more than 1000; as secondary: has 500 MiB free,"
            " needs more than 1000 to be N+1 safe",
        )

    def test_loss_of_a_node(self) -> None:
        """A node where the rules fit, but the loss of some node would not."""
        found = cluster(
            node("n1", free=9500), node("n2", free=3000), node("n3", free=3000)
        )
        self.assertIn(
            "no place to fail over", reason(found, newcomer("rbd", 5000), "n1")
        )

    def test_unallocable_group(self) -> None:
        """A group that is out is told as a whole."""
        found = cluster(group("a"), group("b", "unallocable"), node("n1"))
        told = explain(found, newcomer("plain"))
        self.assertIn("group b is unallocable", told.groups)
