"""Tests for global N+1 redundancy, and for the short ways to tell it."""

from __future__ import annotations

from hypothesis import given, settings
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.plan.capacity.model import CapCluster, CapInstance, Template
from ganetix.plan.capacity.redundancy import Redundancy
from ganetix.plan.capacity.state import ClusterState
from ganetix.test.plan.capacity_clusters import clusters, make_cluster


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
