"""Where new instances go: rules of nodes, of groups, and the loss of any node."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import BadParameter
from ganetix.plan.allocate import answer
from ganetix.plan.capacity.model import CapCluster
from ganetix.plan.capacity.requests import (
    Allocate,
    AllocateSecondary,
    MultiAllocate,
    Newcomer,
    Nodes,
)
from ganetix.test.plan.small_clusters import (
    POLICY,
    cluster,
    group,
    instance,
    newcomer,
    node,
    nodes_for,
    place,
    placements,
)

THREE = (node("n1"), node("n2"), node("n3"))


class NodeTests(SynchronousTestCase):
    """Which nodes of a group are good."""

    def test_last_of_equal_nodes_wins(self) -> None:
        """Among equal nodes, the last primary's last secondary is taken."""
        self.assertEqual(place(cluster(*THREE), newcomer()), ("n3", "n2"))

    def test_one_node_for_one_that_is_not_mirrored(self) -> None:
        """An instance with plain disks gets one node."""
        self.assertEqual(place(cluster(*THREE), newcomer("plain")), ("n3",))

    def test_fuller_node_is_avoided(self) -> None:
        """The nodes that are used least are taken."""
        used = cluster(
            node("n1"), node("n2"), node("n3", free=7000), instance("i", "n3", "n1")
        )
        self.assertEqual(place(used, newcomer("plain")), ("n2",))

    def test_offline_nodes_get_nothing(self) -> None:
        """A node that is offline is no candidate."""
        found = cluster(node("n1"), node("n2"), node("n3", offline=True))
        self.assertEqual(place(found, newcomer()), ("n2", "n1"))

    def test_free_memory_must_be_left(self) -> None:
        """An instance as large as the free memory does not fit."""
        found = cluster(node("n1", free=1000), node("n2", free=1001))
        answered = answer(found, Allocate(instance=newcomer("rbd")))
        self.assertIn("FailMem: 1, FailN1: 1", answered.info)

    def test_reserve_for_others_is_kept(self) -> None:
        """Memory kept for the failure of another node is not given away."""
        found = cluster(
            node("n1", free=3000),
            node("n2", free=6000),
            instance("i", "n2", "n1", memory=2500),
        )
        answered = answer(found, Allocate(instance=newcomer("file", 600)))
        self.assertIn("FailMem: 1, FailN1: 1", answered.info)

    def test_vcpus_by_the_ratio_of_the_policy(self) -> None:
        """More vcpus than the policy's ratio allows are refused."""
        tight = group(policy=replace(POLICY, vcpu_ratio=1.0))
        answered = answer(
            cluster(tight, *THREE),
            Allocate(instance=newcomer("plain", vcpus=9)),
        )
        self.assertIn("FailCPU: 3", answered.info)

    def test_policy_refuses_a_template(self) -> None:
        """A template that the policy does not list is refused."""
        strict = group(policy=replace(POLICY, templates=("drbd",)))
        answered = answer(cluster(strict, *THREE), Allocate(instance=newcomer("plain")))
        self.assertIsNone(answered.result)

    def test_only_nodes_that_are_named(self) -> None:
        """A request may name the only good nodes."""
        one = newcomer(restrict_to_nodes=("n1", "n2"))
        self.assertEqual(place(cluster(*THREE), one), ("n2", "n1"))

    def test_reasons_are_counted(self) -> None:
        """A refusal counts the failures of each kind, in hail's words."""
        answered = answer(cluster(*THREE), Allocate(instance=newcomer(memory=9000)))
        self.assertEqual(
            answered.info,
            "Request failed: Group a (preferred): No valid allocation solutions,"
            " failure reasons: FailMem: 6",
        )

    def test_too_few_nodes(self) -> None:
        """A mirrored instance needs two online nodes."""
        answered = answer(cluster(node("n1")), Allocate(instance=newcomer()))
        self.assertEqual(
            answered.info, "Request failed: Group a: error Not enough online nodes"
        )


class LossTests(SynchronousTestCase):
    """Every node may be lost after an allocation."""

    def test_nothing_where_a_node_cannot_be_lost(self) -> None:
        """A mirrored pair that could not fail over stands against any allocation."""
        found = cluster(
            node("n1", free=400),
            node("n2"),
            node("n3"),
            instance("i", "n2", "n1", memory=500),
        )
        answered = answer(found, Allocate(instance=newcomer(memory=100)))
        self.assertIn("FailN1", answered.info)

    def test_place_that_keeps_the_rest_safe(self) -> None:
        """A better node is passed over if then its instances had no place to go."""
        found = cluster(
            node("n1", free=9500),
            node("n2", free=5000, total_memory=6000),
            node("n3", free=5000, total_memory=6000),
        )
        self.assertEqual(place(found, newcomer("rbd", 5500)), ())

    def test_other_groups_count(self) -> None:
        """A group where a node cannot be lost stops allocation everywhere."""
        found = cluster(
            group("a"),
            group("b"),
            *(node("n1"), node("n2")),
            *(node("m1", "b", free=400), node("m2", "b")),
            instance("i", "m2", "m1", memory=500),
        )
        self.assertEqual(place(found, newcomer()), ())

    def test_named_group_is_looked_at_alone(self) -> None:
        """With a group named, other groups do not matter."""
        found = cluster(
            group("a"),
            group("b"),
            *(node("n1"), node("n2")),
            *(node("m1", "b", free=400), node("m2", "b")),
            instance("i", "m2", "m1", memory=500),
        )
        self.assertEqual(place(found, newcomer(), "a"), ("n2", "n1"))


class GroupTests(SynchronousTestCase):
    """Which group an instance goes to."""

    def test_preferred_before_last_resort(self) -> None:
        """A last resort is only taken if no preferred group has room."""
        groups = (group("a"), group("b", "last_resort"))
        full, roomy = node("n1", free=3000), node("m1", "b")
        spare = (node("n2", free=3000), node("m2", "b"))
        found = cluster(*groups, full, roomy, *spare)
        self.assertEqual(place(found, newcomer("plain")), ("n2",))
        self.assertEqual(place(found, newcomer("plain", 4000)), ("m2",))

    def test_unallocable_gets_nothing(self) -> None:
        """A group that may not be allocated to is never chosen."""
        found = cluster(group("a", "unallocable"), *THREE)
        self.assertEqual(place(found, newcomer()), ())

    def test_named_group_whatever_its_policy(self) -> None:
        """Naming a group overrides that it is unallocable."""
        found = cluster(group("a", "unallocable"), *THREE)
        self.assertEqual(place(found, newcomer(), "u-a"), ("n3", "n2"))

    def test_last_of_equal_groups_wins(self) -> None:
        """Of groups with equal scores the last one is taken."""
        found = cluster(
            group("a"),
            group("b"),
            *(node("n1"), node("n2"), node("m1", "b"), node("m2", "b")),
        )
        self.assertEqual(place(found, newcomer()), ("m2", "m1"))

    def test_networks_of_nics(self) -> None:
        """A group that lacks the network of a NIC is left out."""
        found = cluster(
            group("a", networks=("net",)),
            group("b"),
            *(node("n1"), node("n2"), node("m1", "b"), node("m2", "b")),
        )
        self.assertEqual(place(found, newcomer(networks=("net",))), ("n2", "n1"))

    def test_unknown_group(self) -> None:
        """A group that is not there is a refusal that names it."""
        answered = answer(cluster(*THREE), Allocate(instance=newcomer(), group="z"))
        self.assertEqual(answered.info, "Request failed: there is no group 'z'")

    def test_info_tells_each_group(self) -> None:
        """The outcome in every group is told, and which one was selected."""
        answered = answer(cluster(*THREE), Allocate(instance=newcomer("plain")))
        self.assertRegex(
            answered.info,
            r"^Request successful: Selected group: a, Group a \(preferred\): score:"
            r" [0-9.]+, successes 3, failures 0 \(\) for node\(s\) n3$",
        )


class SeveralTests(SynchronousTestCase):
    """Several instances in one request."""

    def test_each_sees_those_before(self) -> None:
        """Instances are placed one after the other."""
        found = cluster(*THREE)
        several = MultiAllocate(
            instances=tuple(newcomer("plain", name=f"i{n}") for n in range(3))
        )
        placed = placements(found, several).placed
        self.assertEqual([one.nodes for one in placed], [("n3",), ("n2",), ("n1",)])

    def test_all_or_none_without_a_group(self) -> None:
        """The first one that fits nowhere makes the request fail."""
        several = MultiAllocate(
            instances=(newcomer("plain"), newcomer("plain", 9000, name="big"))
        )
        self.assertIsNone(answer(cluster(*THREE), several).result)

    def test_some_may_fail_in_a_group(self) -> None:
        """With a group named, those that do not fit are told with the reason."""
        several = MultiAllocate(
            instances=(newcomer("plain"), newcomer("plain", 9000, name="big")),
            group="a",
        )
        result = placements(cluster(*THREE), several)
        self.assertEqual([one.instance for one in result.placed], ["new"])
        self.assertIn("FailMem: 3", result.failed[0].reason)


class SecondaryTests(SynchronousTestCase):
    """A secondary node for an instance without any."""

    def test_best_other_node(self) -> None:
        """The best node but the primary is taken."""
        found = cluster(*THREE, instance("i", "n3"))
        request = AllocateSecondary(instance="i")
        self.assertEqual(nodes_for(found, request), ("n2",))

    def test_refused_with_one(self) -> None:
        """An instance with a secondary node gets no other."""
        found = cluster(*THREE, instance("i", "n3", "n1"))
        answered = answer(found, AllocateSecondary(instance="i"))
        self.assertIn("already has a secondary", answered.info)

    def test_unknown_instance(self) -> None:
        """An instance that is not there is an error that names it."""
        request = AllocateSecondary(instance="zz")
        error = self.assertRaises(BadParameter, answer, cluster(*THREE), request)
        self.assertIn("'zz'", str(error))


@st.composite
def used_clusters(draw: st.DrawFn) -> CapCluster:
    """Clusters of two groups with some instances; they need not be redundant."""
    groups = (
        group("a"),
        group("b", draw(st.sampled_from(("preferred", "last_resort")))),
    )
    parts: list[object] = []
    for one in groups:
        names = [f"{one.name}{number}" for number in range(draw(st.integers(2, 4)))]
        used = dict.fromkeys(names, 0)
        for number in range(draw(st.integers(0, 3))):
            homes = draw(st.permutations(names))[:2]
            memory = draw(st.integers(100, 2500))
            used[homes[0]] += memory
            parts.append(
                instance(f"i{one.name}{number}", homes[0], homes[1], memory=memory)
            )
        for name in names:
            free = max(0, draw(st.integers(3000, 10000)) - used[name])
            offline = draw(st.integers(0, 9)) == 0
            parts.append(node(name, one.name, free, offline=offline))
    return cluster(*groups, *parts)  # type: ignore[arg-type]


class AnyClusterTests(SynchronousTestCase):
    """What holds whatever the cluster is."""

    @settings(deadline=None, max_examples=60)
    @given(
        used_clusters(),
        st.sampled_from(("drbd", "plain", "rbd")),
        st.integers(100, 6000),
    )
    def test_never_too_much(
        self, found: CapCluster, template: str, memory: int
    ) -> None:
        """Chosen nodes are online, of one group, different, and have the room."""
        one: Newcomer = newcomer(template, memory)  # type: ignore[arg-type]
        result = answer(found, Allocate(instance=one)).result
        if not isinstance(result, Nodes):
            return
        by_name = {node.name: node for node in found.nodes}
        chosen = [by_name[name] for name in result.nodes]
        self.assertEqual(len(set(result.nodes)), one.node_count)
        self.assertEqual(len({node.group for node in chosen}), 1)
        self.assertFalse(any(node.offline for node in chosen))
        self.assertGreater(chosen[0].free_memory, memory)
        for each in chosen:
            owed = [
                there.memory
                for there in found.instances
                if there.secondary == each.name
            ]
            own = memory if each is chosen[0] else 0
            self.assertGreater(each.free_memory - own, max(owed, default=0))
            self.assertGreater(each.free_disk, one.disk)
