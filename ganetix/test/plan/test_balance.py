"""Moves that balance a cluster."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import BadParameter, NoResources
from ganetix.plan.allocate import BalancePlan, balance
from ganetix.plan.allocate.balance import balance_steps
from ganetix.plan.allocate.balance_plan import job_sets
from ganetix.plan.capacity.model import CapCluster
from ganetix.plan.capacity.part import of_group
from ganetix.plan.capacity.requests import Move
from ganetix.plan.capacity.score import score
from ganetix.plan.capacity.state import ClusterState
from ganetix.test.plan.small_clusters import cluster, group, instance, node


def moved(found: CapCluster, plan: BalancePlan) -> CapCluster:
    """The cluster after all moves, memory and disk included."""
    for move in plan.moves:
        one = next(each for each in found.instances if each.name == move.instance)
        assert tuple(n for n in (one.primary, one.secondary) if n) == move.nodes_before
        after = (*move.nodes_after, "")
        free = {move.nodes_before[0]: one.memory}
        free[after[0]] = free.get(after[0], 0) - one.memory
        disk = dict.fromkeys(move.nodes_before, one.disk)
        for name in move.nodes_after:
            disk[name] = disk.get(name, 0) - one.disk
        if one.template == "rbd":
            disk = {}
        found = replace(
            found,
            instances=tuple(
                replace(each, primary=after[0], secondary=after[1])
                if each is one
                else each
                for each in found.instances
            ),
            nodes=tuple(
                replace(
                    each,
                    free_memory=each.free_memory + free.get(each.name, 0),
                    free_disk=each.free_disk + disk.get(each.name, 0),
                )
                for each in found.nodes
            ),
        )
    return found


THREE = (node("n1", free=6000), node("n2", free=9000), node("n3", free=9000))


class PlanTests(SynchronousTestCase):
    """What is moved, and when it ends."""

    def test_spreads_movable_instances(self) -> None:
        """Instances on one node are spread over all."""
        found = cluster(
            *THREE, *(instance(name, "n1", template="rbd") for name in "ijk")
        )
        plan = balance(found)
        self.assertEqual(
            sorted(move.nodes_after for move in plan.moves), [("n2",), ("n3",)]
        )
        self.assertLess(plan.score_after, plan.score_before)

    def test_cheap_failover(self) -> None:
        """A mirrored instance moves to its secondary, which copies memory only."""
        nodes = (node("n1", free=8000), node("n2", free=10000))
        found = cluster(*nodes, instance("i", "n1", "n2"), instance("j", "n1", "n2"))
        move = balance(found).moves[0]
        self.assertEqual(move.kind, "migrate")
        self.assertEqual(move.cost_mib, 1000)
        self.assertEqual(move.moves, (Move(kind="migrate", instance=move.instance),))

    def test_balanced_cluster_stays(self) -> None:
        """Nothing is moved where nothing gets better."""
        found = cluster(
            *(node(name, free=9000) for name in ("n1", "n2")),
            instance("i", "n1", "n2"),
            instance("j", "n2", "n1"),
        )
        self.assertEqual(balance(found).moves, ())

    def test_bounded(self) -> None:
        """No more moves are made than asked for."""
        found = cluster(
            *THREE, *(instance(name, "n1", template="rbd") for name in "ijk")
        )
        self.assertEqual(len(balance(found, max_moves=1).moves), 1)

    def test_large_gains_only(self) -> None:
        """Moves that gain less than is asked for are not made."""
        found = cluster(
            *THREE, *(instance(name, "n1", template="rbd") for name in "ijk")
        )
        plan = balance(found, min_gain=1000.0, min_gain_limit=1000.0)
        self.assertEqual(plan.moves, ())

    def test_not_balanced_automatically(self) -> None:
        """Instances that are not to be balanced stay."""
        found = cluster(
            *THREE,
            *(instance(n, "n1", template="rbd", auto_balance=False) for n in "ijk"),
        )
        self.assertEqual(balance(found).moves, ())

    def test_own_disks_stay(self) -> None:
        """Instances with plain disks cannot be moved."""
        found = cluster(*THREE, *(instance(name, "n1") for name in "ijk"))
        self.assertEqual(balance(found).moves, ())

    def test_off_an_offline_node(self) -> None:
        """Instances leave a node that is offline."""
        found = cluster(
            node("n1", free=0, offline=True),
            *THREE[1:],
            instance("i", "n1", template="rbd"),
        )
        self.assertEqual(balance(found).moves[0].nodes_before, ("n1",))

    def test_each_group_alone(self) -> None:
        """No instance leaves its group; one group can be named."""
        found = cluster(
            group("a"),
            group("b"),
            *THREE,
            *(node("m1", "b", free=6000), node("m2", "b", free=9000)),
            *(instance(name, "n1", template="rbd") for name in "ijk"),
            *(instance(name, "m1", template="rbd") for name in "xyz"),
        )
        plan = balance(found)
        for move in plan.moves:
            self.assertEqual(move.nodes_after[0][0], move.nodes_before[0][0])
        self.assertEqual({move.group for move in plan.moves}, {"a", "b"})
        only = balance(found, group="b")
        self.assertEqual({move.group for move in only.moves}, {"b"})

    def test_bad_limits(self) -> None:
        """Limits that make no sense are refused with the value."""
        found = cluster(*THREE)
        error = self.assertRaises(BadParameter, balance, found, max_moves=-1)
        self.assertIn("-1", str(error))
        self.assertRaises(BadParameter, balance, found, min_gain=-0.5)
        self.assertRaises(NoResources, balance, found, group="zz")

    def test_bit_by_bit(self) -> None:
        """The computation can be left at any step."""
        found = cluster(
            *THREE, *(instance(name, "n1", template="rbd") for name in "ijk")
        )
        steps = balance_steps(found)
        next(steps)
        steps.close()


class JobSetTests(SynchronousTestCase):
    """What can run at once."""

    def test_apart_by_nodes(self) -> None:
        """Moves that share a node are in different sets, in order."""
        found = cluster(
            group("a"),
            group("b"),
            *THREE,
            *(node("m1", "b", free=6000), node("m2", "b", free=9000)),
            *(instance(name, "n1", template="rbd") for name in "ijk"),
            *(instance(name, "m1", template="rbd") for name in "xy"),
        )
        plan = balance(found)
        self.assertEqual(plan.job_sets, job_sets(plan.moves))
        flat = [index for indices in plan.job_sets for index in indices]
        self.assertEqual(flat, list(range(len(plan.moves))))
        for indices in plan.job_sets:
            nodes = [
                name
                for index in indices
                for name in {
                    *plan.moves[index].nodes_before,
                    *plan.moves[index].nodes_after,
                }
            ]
            self.assertEqual(len(nodes), len(set(nodes)))
        self.assertLess(len(plan.job_sets), len(plan.moves))


@st.composite
def crowded(draw: st.DrawFn) -> CapCluster:
    """One group with some instances."""
    names = [f"n{number}" for number in range(draw(st.integers(2, 5)))]
    free = dict.fromkeys(names, 10000)
    disk = dict.fromkeys(names, 90000)
    instances = []
    for number in range(draw(st.integers(0, 8))):
        homes = draw(st.permutations(names))[:2]
        mirrored = draw(st.booleans())
        memory = draw(st.integers(100, 2000))
        free[homes[0]] -= memory
        for home in homes if mirrored else ():
            disk[home] -= 1024
        instances.append(
            instance(
                f"i{number}",
                homes[0],
                homes[1] if mirrored else "",
                memory=memory,
                template="drbd" if mirrored else "rbd",
            )
        )
    nodes = [node(n, free=max(0, free[n]), free_disk=disk[n]) for n in names]
    return cluster(*nodes, *instances)


class AnyClusterTests(SynchronousTestCase):
    """What holds whatever the cluster is."""

    @settings(deadline=None, max_examples=40)
    @given(crowded())
    def test_scores_are_what_the_moves_come_to(self, found: CapCluster) -> None:
        """Every move improves the score; in the end it is that of the new cluster."""
        plan = balance(found)
        for move in plan.moves:
            self.assertGreater(move.gain, 0)
        after = ClusterState.of(of_group(moved(found, plan), "u-a"))
        self.assertAlmostEqual(score(after), plan.score_after, places=6)
        self.assertTrue((after.numbers[0] > 0).all() or not plan.moves)
