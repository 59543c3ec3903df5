"""Instances that leave their nodes or their group."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import BadParameter
from ganetix.plan.allocate import answer
from ganetix.plan.capacity.requests import (
    ChangeGroup,
    EvacuationMode,
    Move,
    NodeEvacuate,
    Relocate,
)
from ganetix.test.plan.small_clusters import (
    cluster,
    group,
    instance,
    moves,
    node,
    nodes_for,
)

FOUR = tuple(node(f"n{number}") for number in range(1, 5))


def evacuate(*names: str, mode: EvacuationMode = "all") -> NodeEvacuate:
    return NodeEvacuate(instances=names, mode=mode)


class RelocateTests(SynchronousTestCase):
    """Another node for one instance."""

    def test_new_secondary(self) -> None:
        """A mirrored instance gets the best new secondary."""
        found = cluster(*FOUR, instance("i", "n1", "n2"))
        request = Relocate(instance="i", relocate_from=("n2",))
        self.assertEqual(nodes_for(found, request), ("n4",))

    def test_any_node_without_own_disks(self) -> None:
        """An instance on shared storage moves to the best node."""
        found = cluster(*FOUR, instance("i", "n4", template="rbd"))
        request = Relocate(instance="i", relocate_from=("n4",))
        self.assertEqual(nodes_for(found, request), ("n3",))

    def test_own_disks_stay(self) -> None:
        """An instance with plain disks cannot be relocated."""
        found = cluster(*FOUR, instance("i", "n4"))
        answered = answer(found, Relocate(instance="i", relocate_from=("n4",)))
        self.assertEqual(
            answered.info, "Request failed: Can't relocate non-mirrored instances"
        )

    def test_only_off_the_secondary(self) -> None:
        """Only a mirrored instance's secondary can be exchanged."""
        found = cluster(*FOUR, instance("i", "n1", "n2"))
        answered = answer(found, Relocate(instance="i", relocate_from=("n1",)))
        self.assertIn("not equal to instance's secondary (n2 versus n1)", answered.info)

    def test_offline_primary_has_nothing_to_copy(self) -> None:
        """No new secondary can be made while the primary is offline."""
        found = cluster(
            node("n1", free=0, offline=True), *FOUR[1:], instance("i", "n1", "n2")
        )
        request = Relocate(instance="i", relocate_from=("n2",))
        self.assertIsNone(answer(found, request).result)

    def test_reason_for_each_node(self) -> None:
        """A refusal names each node with what fails there."""
        found = cluster(
            *(node("n1"), node("n2"), node("n3", free=500), node("n4", free_disk=9)),
            instance("i", "n1", "n2"),
        )
        answered = answer(found, Relocate(instance="i", relocate_from=("n2",)))
        self.assertEqual(
            answered.info,
            "Request failed: Can't find any good node:  Node n3 failed: FailMem; Node"
            " n4 failed: FailDisk;",
        )

    def test_unknown_instance(self) -> None:
        """An instance that is not there is an error that names it."""
        request = Relocate(instance="zz", relocate_from=("n1",))
        error = self.assertRaises(BadParameter, answer, cluster(*FOUR), request)
        self.assertIn("'zz'", str(error))


class EvacuateTests(SynchronousTestCase):
    """Instances off nodes."""

    def test_primary_only_fails_over(self) -> None:
        """Off its primary, a mirrored instance goes to its secondary."""
        found = cluster(*FOUR, instance("i", "n1", "n2"))
        result = moves(found, evacuate("i", mode="primary-only"))
        self.assertEqual(result.moved[0].nodes, ("n2", "n1"))
        self.assertEqual(result.jobs, ((Move(kind="migrate", instance="i"),),))

    def test_secondary_only_replaces(self) -> None:
        """Off its secondary, a mirrored instance gets the best new one."""
        found = cluster(*FOUR, instance("i", "n1", "n2"))
        result = moves(found, evacuate("i", mode="secondary-only"))
        self.assertEqual(result.moved[0].nodes, ("n1", "n4"))

    def test_all_by_way_of_the_new_primary(self) -> None:
        """Off both, the new primary is a secondary first."""
        found = cluster(*FOUR, instance("i", "n1", "n2"))
        result = moves(found, evacuate("i"))
        self.assertEqual(result.moved[0].nodes, ("n4", "n3"))
        self.assertEqual(
            result.jobs,
            (
                (
                    Move(kind="replace-secondary", instance="i", node="n4"),
                    Move(kind="migrate", instance="i"),
                    Move(kind="replace-secondary", instance="i", node="n3"),
                ),
            ),
        )

    def test_offline_primary_fails_over_first(self) -> None:
        """Off an offline node, the secondary takes over before anything is copied."""
        found = cluster(
            node("n1", free=0, offline=True), *FOUR[1:], instance("i", "n1", "n2")
        )
        steps = moves(found, evacuate("i")).jobs[0]
        self.assertEqual(
            [step.kind for step in steps],
            ["failover", "replace-secondary", "migrate", "replace-secondary"],
        )

    def test_each_sees_those_before(self) -> None:
        """Instances spread over the targets, one after the other."""
        names = ("i", "j", "k")
        found = cluster(*FOUR, *(instance(n, "n1", template="rbd") for n in names))
        result = moves(found, evacuate(*names))
        self.assertEqual(
            [one.nodes for one in result.moved], [("n4",), ("n3",), ("n2",)]
        )

    def test_never_to_a_node_that_is_evacuated(self) -> None:
        """No instance goes to a node that another one of the request leaves."""
        found = cluster(
            *FOUR,
            instance("i", "n1", template="rbd"),
            instance("j", "n4", template="rbd"),
        )
        result = moves(found, evacuate("i", "j"))
        targets = {name for one in result.moved for name in one.nodes}
        self.assertEqual(targets & {"n1", "n4"}, set())

    def test_failures_are_told_beside(self) -> None:
        """What cannot move is told with the reason; the rest moves."""
        found = cluster(*FOUR, instance("i", "n1"), instance("j", "n1", template="rbd"))
        answered = answer(found, evacuate("i", "j"))
        self.assertIn(
            "1 instances failed to move and 1 were moved successfully", answered.info
        )
        failed = moves(found, evacuate("i", "j")).failed
        self.assertEqual(
            failed[0].reason, "Instances of type plain cannot be relocated"
        )

    def test_without_a_secondary_there_is_none_to_replace(self) -> None:
        """Instances on shared storage have no secondary to leave."""
        found = cluster(*FOUR, instance("i", "n1", template="rbd"))
        failed = moves(found, evacuate("i", mode="secondary-only")).failed
        self.assertIn("can't execute change secondary", failed[0].reason)

    def test_nowhere_to_go(self) -> None:
        """With too few other nodes nothing can move."""
        found = cluster(*FOUR[:2], instance("i", "n1", "n2"))
        self.assertEqual(
            moves(found, evacuate("i")).failed[0].reason,
            "Can't find any good nodes for relocation: no nodes available",
        )


class ChangeGroupTests(SynchronousTestCase):
    """Instances to other groups."""

    groups = (group("a"), group("b"))
    others = tuple(node(f"m{number}", "b") for number in range(1, 4))

    def test_to_the_other_group(self) -> None:
        """A mirrored instance gets two nodes of another group."""
        found = cluster(*self.groups, *FOUR, *self.others, instance("i", "n1", "n2"))
        result = moves(found, ChangeGroup(instances=("i",)))
        self.assertEqual(result.moved[0].nodes, ("m3", "m2"))
        self.assertEqual(result.moved[0].group, "b")

    def test_not_to_its_own_group(self) -> None:
        """The group that an instance is in is no target, even if it is named."""
        found = cluster(*self.groups, *FOUR, *self.others, instance("i", "n1", "n2"))
        request = ChangeGroup(instances=("i",), target_groups=("u-a",))
        self.assertEqual(
            moves(found, request).failed[0].reason, "no group is left to choose from"
        )

    def test_unallocable_group(self) -> None:
        """A group that may not be allocated to is no target."""
        groups = (group("a"), group("b", "unallocable"))
        found = cluster(*groups, *FOUR, *self.others, instance("i", "n1", "n2"))
        self.assertEqual(moves(found, ChangeGroup(instances=("i",))).moved, ())

    def test_unknown_group(self) -> None:
        """A target that is not there is an error that names it."""
        found = cluster(*self.groups, *FOUR, *self.others, instance("i", "n1", "n2"))
        request = ChangeGroup(instances=("i",), target_groups=("zz",))
        error = self.assertRaises(BadParameter, answer, found, request)
        self.assertIn("'zz'", str(error))
