"""Tests for global N+1 redundancy, and for the short ways to tell it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.plan.capacity.going import Departures
from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.model import CapCluster, CapInstance, Template
from ganetix.plan.capacity.packing import Packings
from ganetix.plan.capacity.redundancy import Redundancy
from ganetix.plan.capacity.state import DISK, UNALLOCATED, ClusterState
from ganetix.test.plan.capacity_clusters import clusters, make_cluster

NEW = Guest(memory=1024, disk=5000, vcpus=1, template="plain", spindle_use=0)


def instance(number: int, node: int, memory: int, template: Template) -> CapInstance:
    """An instance without a secondary."""
    return CapInstance(
        name=f"i{number}",
        memory=memory,
        disk=1000,
        vcpus=1,
        primary=f"n{node}",
        template=template,
    )


def holds(cluster: CapCluster) -> bool:
    """Whether a cluster is redundant."""
    return Redundancy(ClusterState.of(cluster)).holds()


class PackingTests(SynchronousTestCase):
    """Tests for ``Packings``."""

    @given(clusters(), st.lists(st.integers(0, 20), max_size=8))
    @settings(max_examples=60, deadline=None)
    def test_there_is_room(self, cluster: CapCluster, picks: list[int]) -> None:
        """Where a way is known to hold, sums do not say that there is none."""
        state = ClusterState.of(cluster)
        packings = Packings(state)
        departures = Departures(state)
        nodes = range(len(cluster.nodes))
        for node in nodes:
            packings.find(node, departures.of(node).asks)
        for pick in picks:
            state.add(NEW, pick % len(cluster.nodes))
        known = set(nodes) - set(packings.unknown(nodes))
        self.assertEqual(known, {node for node in nodes if packings.holds(node)})
        for node in known:
            members = state.hardware.members[state.hardware.group_of[node]]
            others = members[members != node]
            free, disk = state.numbers[UNALLOCATED, others], state.numbers[DISK, others]
            self.assertFalse(departures.of(node).demand.is_impossible(free, disk))


class RedundancyTests(SynchronousTestCase):
    """Tests for ``Redundancy``."""

    @given(clusters())
    @settings(max_examples=100, deadline=None)
    def test_short_ways(self, cluster: CapCluster) -> None:
        """What is told of a cluster is what moving each instance exactly shows."""
        state = ClusterState.of(cluster)
        told = Redundancy(state)
        exact = Redundancy(state)
        self.assertEqual(told.holds(), all(exact.holds_exactly(n) for n in exact.nodes))

    @given(clusters(), st.lists(st.integers(0, 20), max_size=12))
    @settings(max_examples=60, deadline=None)
    def test_as_the_state_changes(self, cluster: CapCluster, picks: list[int]) -> None:
        """What is kept from one question to the next makes no answer another one."""
        state = ClusterState.of(cluster)
        kept = Redundancy(state)
        for pick in picks:
            state.add(NEW, pick % len(cluster.nodes))
            is_hopeless = kept.is_hopeless
            self.assertEqual(is_hopeless, Redundancy(state).is_hopeless)
            self.assertEqual(kept.holds(), Redundancy(state).holds())
            self.assertFalse(is_hopeless and kept.holds())

    @given(clusters())
    @settings(max_examples=60, deadline=None)
    def test_asking_changes_nothing(self, cluster: CapCluster) -> None:
        """The state is the same afterwards."""
        state = ClusterState.of(cluster)
        before = state.numbers.tobytes(), repr(state.primaries)
        Redundancy(state).holds()
        self.assertEqual((state.numbers.tobytes(), repr(state.primaries)), before)

    def test_room_elsewhere(self) -> None:
        """An instance that fits on no other node makes a cluster not redundant."""
        for template in ("plain", "diskless", "file"):
            small = make_cluster(2, free_memory=9000, total_memory=10000)
            fits = replace(small, instances=(instance(0, 0, 900, template),))
            too_large = replace(small, instances=(instance(0, 0, 9001, template),))
            self.assertTrue(holds(fits), template)
            self.assertFalse(holds(too_large), template)

    def test_offline_nodes(self) -> None:
        """An offline node that cannot be evacuated counts unless that is accepted."""
        cluster = make_cluster(2, free_memory=9000, total_memory=10000)
        online, gone = cluster.nodes
        cluster = replace(
            cluster,
            nodes=(online, replace(gone, offline=True)),
            instances=(instance(0, 1, 9500, "plain"),),
        )
        state = ClusterState.of(cluster)
        self.assertFalse(Redundancy(state).holds())
        self.assertTrue(Redundancy(state, accept_offline=True).holds())
        self.assertTrue(Redundancy(state, ignored={0}).holds())
