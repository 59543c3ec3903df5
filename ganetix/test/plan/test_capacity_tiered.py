"""Tests for tiered specs and for what explains them."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import BadParameter, NotFound
from ganetix.plan.capacity.explain import (
    OneMoreNode,
    OneNodeLess,
    OtherCpuRatio,
    explain,
    fits,
    what_if,
)
from ganetix.plan.capacity.model import CapCluster, CapInstance, Spec, TieredResult
from ganetix.plan.capacity.tiered import run_standard, state_for, tiered, tiered_steps
from ganetix.test.plan.capacity_clusters import (
    a_request,
    clusters,
    make_cluster,
    make_node,
)


def specs(result: TieredResult) -> list[tuple[int, int, int, int]]:
    """Memory, disk, vcpus and count of each."""
    return [(t.memory, t.disk, t.vcpus, t.count) for t in result.tspecs]


class TieredTests(SynchronousTestCase):
    """Tests for ``tiered``."""

    def test_last_of_equals(self) -> None:
        """On equal nodes the last two are first."""
        result = tiered(make_cluster(4), a_request("drbd", limit=1))
        self.assertEqual(
            (result.placed[0].primary, result.placed[0].secondary), ("n3", "n2")
        )

    def test_mirror_counts_like_drbd(self) -> None:
        """Mirrored instances take what DRBD ones do, on two nodes."""
        cluster = make_cluster(5)
        self.assertEqual(
            tiered(cluster, a_request("mirror")), tiered(cluster, a_request("drbd"))
        )

    def test_too_few_nodes(self) -> None:
        """Where nothing can be tried, hspace's words tell why."""
        lone = make_cluster(1)
        self.assertEqual(
            tiered(lone, a_request("drbd")).reason, "Not enough online nodes"
        )
        gone = make_cluster(2, offline=True)
        self.assertEqual(tiered(gone, a_request("plain")).reason, "No online nodes")

    def test_no_nodes_at_all(self) -> None:
        """A cluster without nodes has no room, and says so."""
        self.assertEqual(
            tiered(make_cluster(0), a_request("plain")).reason, "No online nodes"
        )

    def test_not_safe(self) -> None:
        """Nothing fits where a node fails N+1, unless errors are accepted."""
        cluster = make_cluster(3)
        instance = make_pair(memory=3000)
        nodes = (*cluster.nodes[:2], make_node(2, free_memory=2000))
        cluster = replace(cluster, nodes=nodes, instances=(instance,))
        result = tiered(cluster, a_request("drbd"))
        self.assertEqual((specs(result), result.failures), ([], {"N1": 1}))
        accepted = a_request("drbd", accept_existing_errors=True)
        self.assertTrue(tiered(cluster, accepted).tspecs)

    def test_absurd(self) -> None:
        """Specs beyond all bounds end soon with what does fit."""
        cluster = make_cluster(6)
        began = time.process_time()
        for template in ("drbd", "plain", "rbd"):
            for spec in (
                Spec(memory=4096, disk=1 << 30, vcpus=2),
                Spec(memory=10**12, disk=51200, vcpus=2),
                Spec(memory=4096, disk=51200, vcpus=10**9),
            ):
                result = tiered(cluster, a_request(template, specs=(spec,)))
                self.assertTrue(result.tspecs, (template, spec))
        self.assertLess(time.process_time() - began, 60)

    def test_absurd_beside_redundancy(self) -> None:
        """Where N+1 is what fails, an absurd size ends as soon as a large one."""
        cluster = make_cluster(1, free_memory=4000)
        steps = []
        found = []
        for size in (20_000, 20_000 + 64 * 4**8):
            spec = Spec(memory=size, disk=256 * (size // 64), vcpus=2)
            request = a_request("plain", specs=(spec,))
            steps.append(sum(1 for _ in tiered_steps(cluster, request)))
            found.append(specs(tiered(cluster, request)))
        self.assertLess(steps[1], 3 * steps[0])
        self.assertEqual(found[0], found[1])

    def test_long_way_down(self) -> None:
        """A disk that is too large by far shrinks to what fits, in steps of 256 MiB."""
        spec = Spec(memory=4096, disk=1 << 30, vcpus=2)
        result = tiered(make_cluster(3), a_request("drbd", specs=(spec,)))
        self.assertEqual(result.tspecs[0].disk, 511744)

    def test_refusals(self) -> None:
        """Sizes that no instance can have are refused by name and bounds."""
        for changes, words in (
            ({"memory": 0}, "memory 0 of an instance: 1 to"),
            ({"vcpus": -1}, "vcpus -1 of an instance: 1 to"),
            ({"disk": 1 << 60}, "disk 1152921504606846976 of an instance: 0 to"),
        ):
            spec = replace(Spec(memory=1, disk=1, vcpus=1), **changes)
            asked = a_request("plain", specs=(spec,))
            error = self.assertRaises(BadParameter, tiered, make_cluster(2), asked)
            self.assertIn(words, str(error))

    def test_steps(self) -> None:
        """It can be left at any step, and says the same when run to its end."""
        cluster, asked = make_cluster(6), a_request("plain")
        steps = tiered_steps(cluster, asked)
        for _step in range(5):
            next(steps)
        steps.close()
        self.assertEqual(tiered(cluster, asked), tiered(cluster, asked))

    @given(clusters(), st.sampled_from(("drbd", "plain", "rbd")))
    @settings(max_examples=30, deadline=None)
    def test_what_is_placed_fits(self, cluster: CapCluster, template: str) -> None:
        """No node gives more than it has, whatever is placed."""
        asked = a_request(template)  # type: ignore[arg-type]
        left = {n.name: [n.free_memory, n.free_disk] for n in cluster.nodes}
        result = tiered(cluster, asked)
        for placed in result.placed:
            left[placed.primary][0] -= placed.spec.memory
            for home in filter(None, (placed.primary, placed.secondary)):
                left[home][1] -= placed.spec.disk if template != "rbd" else 0
        used = {p.primary for p in result.placed}
        used |= {p.secondary for p in result.placed if p.secondary}
        for name in used:
            self.assertGreater(min(left[name]), 0)

    @given(clusters(), st.integers(0, 6), st.integers(1, 9000))
    @settings(max_examples=40, deadline=None)
    def test_more_memory(self, cluster: CapCluster, at: int, more: int) -> None:
        """With more memory in a node no fewer of one size fit."""
        asked = a_request("plain", capacity_checks=False, accept_existing_errors=True)
        index = at % len(cluster.nodes)
        node = cluster.nodes[index]
        larger = replace(
            node,
            total_memory=node.total_memory + more,
            free_memory=node.free_memory + more,
        )
        nodes = (*cluster.nodes[:index], larger, *cluster.nodes[index + 1 :])
        before = run_standard(state_for(cluster, asked), asked)
        grown = replace(cluster, nodes=nodes)
        after = run_standard(state_for(grown, asked), asked)
        self.assertGreaterEqual(len(after.placed), len(before.placed))


class ExplainTests(SynchronousTestCase):
    """Tests for explanations and for what would be if."""

    def test_fits(self) -> None:
        """Three instances of 4 GiB fit on each node of 15.5 GiB."""
        asked = a_request("plain", capacity_checks=False)
        spec = Spec(memory=4096, disk=51200, vcpus=2)
        self.assertEqual(fits(make_cluster(4), spec, asked), 12)

    def test_shortage(self) -> None:
        """What stands against one more is told, by how often."""
        for changes, shortage in (
            ({}, "Mem"),
            ({"free_disk": 60000}, "Disk"),
            ({"total_cpus": 1}, "CPU"),
        ):
            asked = a_request("plain", capacity_checks=False)
            found = explain(make_cluster(4, **changes), asked)
            self.assertEqual(
                (found.shortage, found.failures), (shortage, {shortage: 4})
            )

    def test_redundancy_is_the_shortage(self) -> None:
        """With checks the last instances are refused for the failure of a node."""
        found = explain(make_cluster(4), a_request("plain"))
        self.assertEqual((found.fits, found.shortage), (9, "N1"))

    def test_tightest(self) -> None:
        """The nodes with the least left of anything come first."""
        nodes = (make_node(0, free_disk=51200), make_node(1), make_node(2))
        cluster = replace(make_cluster(1), nodes=nodes)
        tight = explain(cluster, a_request("plain")).tightest[0]
        self.assertEqual((tight.name, tight.resource), ("n0", "disk"))
        self.assertEqual((tight.left, tight.share), (51200, 0.1))

    def test_what_if(self) -> None:
        """A node more or less, or another CPU ratio, is computed anew."""
        asked = a_request("plain", capacity_checks=False)
        cluster = make_cluster(4)
        for change, gain in (
            (OneMoreNode(like="n1"), 3),
            (OneNodeLess(name="n1"), -3),
            (OtherCpuRatio(ratio=0.5), -4),
        ):
            found = what_if(cluster, asked, change)
            self.assertEqual((found.fits, found.gain), (12 + gain, gain))

    def test_unknown_node(self) -> None:
        """A node that is not there is named."""
        asked = a_request("plain")
        change = OneMoreNode(like="n77")
        error = self.assertRaises(NotFound, what_if, make_cluster(2), asked, change)
        self.assertEqual(str(error), "no node n77")


def make_pair(memory: int) -> CapInstance:
    """A DRBD instance on the first node, with the last of three as secondary."""
    return CapInstance(
        name="db",
        memory=memory,
        disk=1000,
        vcpus=1,
        primary="n0",
        secondary="n2",
        template="drbd",
    )
