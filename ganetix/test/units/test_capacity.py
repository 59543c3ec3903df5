"""Tests of capacity as the master computes it."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix import opcodes as ops
from ganetix.allocators.htools_text import read_text
from ganetix.errors import BadParameter, NotFound
from ganetix.objects import CapacityParams, InstanceSize
from ganetix.plan.allocate import answer
from ganetix.plan.capacity.model import CapCluster, TieredSpec
from ganetix.plan.capacity.report import CapacityReport
from ganetix.plan.capacity.requests import (
    Answer,
    AnyRequest,
    Capacities,
    Capacity,
    GroupCapacity,
)
from ganetix.rpc.methods import NODE_INFO
from ganetix.testing.config import make_instance, uuid_of
from ganetix.testing.sim import RecordedProgress, SimCluster

SMALL = InstanceSize(memory_mib=512, disk_mib=1024, vcpus=1)


class CapacityTests(SynchronousTestCase):
    """A cluster of two nodes, each with 8 GiB of which 4 GiB are free, and 4 CPUs."""

    def setUp(self) -> None:
        """Make it; 1 GiB instances are asked for."""
        self.sim = SimCluster(Path(self.mktemp()).absolute())
        self.allocation = self.sim.allocation
        self.progress = RecordedProgress()
        self.sim.run(
            ops.OpClusterModify(
                capacity={
                    "max_inst_spec": {
                        "memory_mib": 1024,
                        "disk_mib": 1024,
                        "vcpus": 1,
                    },
                    "default_template": "diskless",
                    "capacity_checks": False,
                }
            )
        )

    def compute(self, op: ops.OpComputeCapacity) -> CapacityReport:
        """The report."""
        result = self.sim.run(op, self.progress).result
        assert isinstance(result, CapacityReport)
        return result

    def test_numbers(self) -> None:
        """The cluster's list and the group's are those of the nodes' free memory."""
        report = self.compute(ops.OpComputeCapacity())
        (group,) = report.node_groups.values()
        # Exactly nothing left would be too little: three of 1 GiB fit into 4.
        self.assertEqual(group.tspecs[0], (1024, 1024, 1, 6))
        self.assertEqual(report.cluster, group.tspecs)
        self.assertEqual(group.default_template, "diskless")
        self.assertEqual(report.ctime, self.sim.clock.seconds())

    def test_told_again(self) -> None:
        """A result that still holds asks no node and computes nothing."""
        self.compute(ops.OpComputeCapacity())
        asked = len(self.sim.rpc.called(NODE_INFO))
        report = self.compute(ops.OpComputeCapacity())
        (group,) = report.node_groups.values()
        self.assertTrue(group.cached)
        self.assertEqual(len(self.sim.rpc.called(NODE_INFO)), asked)
        self.assertEqual(len(self.allocation.computed), 1)

    def test_not_cached(self) -> None:
        """``cached`` off computes anew."""
        self.compute(ops.OpComputeCapacity())
        report = self.compute(ops.OpComputeCapacity(cached=False))
        (group,) = report.node_groups.values()
        self.assertFalse(group.cached)

    def test_shrinking_computes_anew(self) -> None:
        """A new instance, a drained node, an old result: each computes anew."""
        self.compute(ops.OpComputeCapacity())
        self.sim.put(make_instance("web1", "node1", 1024))
        self.compute(ops.OpComputeCapacity())
        self.assertEqual(len(self.allocation.computed), 2)
        self.sim.edit_node("node2", drained=True)
        report = self.compute(ops.OpComputeCapacity())
        self.assertEqual(len(self.allocation.computed), 3)
        self.assertLess(report.cluster[0][3], 6)
        self.sim.clock.advance(3601)
        self.compute(ops.OpComputeCapacity())
        self.assertEqual(len(self.allocation.computed), 4)

    def test_growing_keeps(self) -> None:
        """A node that comes back does not make a result worthless."""
        self.sim.edit_node("node2", drained=True)
        self.compute(ops.OpComputeCapacity())
        self.sim.edit_node("node2", drained=False)
        report = self.compute(ops.OpComputeCapacity())
        (group,) = report.node_groups.values()
        self.assertTrue(group.cached)

    def test_parameters_of_the_request(self) -> None:
        """Parameters of the request are above the group's, and shown."""
        op = ops.OpComputeCapacity(max_inst_spec=SMALL, max_cpu_ratio=1.0)
        report = self.compute(op)
        (group,) = report.node_groups.values()
        self.assertEqual(report.cluster[0][:3], (512, 1024, 1))
        self.assertEqual(group.max_inst_spec, SMALL)
        self.assertEqual(group.max_cpu_ratio, 1.0)

    def test_fits(self) -> None:
        """How many of a size fit is counted apart."""
        report = self.compute(ops.OpComputeCapacity(fits=(SMALL,)))
        self.assertEqual(report.fits, (14,))

    def test_silent_node(self) -> None:
        """A node that does not answer counts as offline, and is named."""
        self.sim.rpc.set_down(uuid_of("node2"))
        report = self.compute(ops.OpComputeCapacity())
        self.assertEqual(report.cluster[0][3], 3)
        self.assertIn("node2 counts as offline", self.progress.warnings[0])

    def test_unallocable_group(self) -> None:
        """What an unallocable group could take is shown, and not counted."""
        self.sim.run(ops.OpGroupModify(name="default", alloc_policy="unallocable"))
        report = self.compute(ops.OpComputeCapacity())
        self.assertEqual(report.cluster, ())

    def test_lonely_node(self) -> None:
        """Where a group has one node nothing fits, and it is said why."""
        self.sim.run(ops.OpClusterModify(capacity={"capacity_checks": True}))
        self.sim.run(ops.OpGroupAdd(name="rack2"))
        self.sim.run(ops.OpGroupAssignNodes(name="rack2", nodes=("node2",)))
        report = self.compute(ops.OpComputeCapacity(groups=("rack2",)))
        (group,) = report.node_groups.values()
        self.assertEqual(group.tspecs, ())
        self.assertIn("has one node: nothing there survives its loss", group.reason)

    def test_unknown_group(self) -> None:
        """A group that is not there is an error."""
        op = ops.OpComputeCapacity(groups=("nowhere",))
        self.failureResultOf(self.sim.begin(op, self.progress), NotFound)

    def test_program(self) -> None:
        """An allocator that is named computes the tiered specs."""
        tspecs = (TieredSpec(memory=1, disk=2, vcpus=3, count=4),)

        def program(cluster: CapCluster, request: AnyRequest) -> Answer:
            assert isinstance(request, Capacity)
            found = GroupCapacity(tspecs=tspecs, parameters=CapacityParams())
            groups = dict.fromkeys(request.groups, found)
            return Answer(info="", result=Capacities(cluster=tspecs, groups=groups))

        self.allocation.programs["mine"] = program
        report = self.compute(ops.OpComputeCapacity(iallocator="mine"))
        self.assertEqual(report.cluster, ((1, 2, 3, 4),))
        report = self.compute(ops.OpComputeCapacity())
        self.assertEqual(report.cluster[0][3], 6, "it is not told again for others")

    def test_unknown_program(self) -> None:
        """An allocator that is named and not there is an error."""
        op = ops.OpComputeCapacity(iallocator="mine")
        self.failureResultOf(self.sim.begin(op, self.progress), NotFound)

    def test_default_program_without_capacity(self) -> None:
        """A default allocator that does not know the request is no hindrance."""
        self.allocation.programs["hail"] = answer
        self.sim.run(ops.OpClusterModify(default_iallocator="hail"))
        del self.allocation.programs["hail"]
        report = self.compute(ops.OpComputeCapacity())
        self.assertEqual(report.cluster[0][3], 6)
        report = self.compute(ops.OpComputeCapacity(iallocator=".", cached=False))
        self.assertEqual(report.cluster[0][3], 6)
        self.assertIn("computing it here", self.progress.warnings[0])

    def test_bad_requests(self) -> None:
        """Values that make no sense are refused by name."""
        for fields in (
            {"max_cpu_ratio": 0.0},
            {"max_disk_usage": 1.5},
            {"fits": (InstanceSize(memory_mib=0, disk_mib=0, vcpus=1),)},
            {"what_if": ("cpu-ratio=big",)},
            {"what_if": ("cpu-ratio=nan",)},
            {"what_if": ("cpu-ratio=0",)},
            {"what_if": ("more=",)},
        ):
            self.assertRaises(ValueError, ops.OpComputeCapacity, **fields)
        op = ops.OpComputeCapacity(default_template="cloud")
        failure = self.failureResultOf(self.sim.begin(op, self.progress), BadParameter)
        self.assertIn("'cloud' is not one of plain, drbd", str(failure.value))

    def test_exported(self) -> None:
        """What is exported reads as the same cluster, and has its instances."""
        self.sim.put(make_instance("web1", "node1", 1024))
        result = self.sim.run(ops.OpClusterExport(), self.progress).result
        assert isinstance(result, dict)
        cluster = read_text(result["text"])
        self.assertEqual([node.name for node in cluster.nodes], ["node1", "node2"])
        (instance,) = cluster.instances
        self.assertEqual((instance.name, instance.memory), ("web1", 1024))

    def test_explained(self) -> None:
        """What runs out first, the tightest node and a change are told in words."""
        op = ops.OpComputeCapacity(explain=True, what_if=("more=node1",))
        report = self.compute(op)
        (group,) = report.node_groups.values()
        text = "; ".join(group.explanation)
        self.assertIn("6 of the largest instance fit; memory runs out first", text)
        self.assertIn("tight: node", text)
        self.assertIn("one more node like node1: +6", text)

    def test_unknown_change(self) -> None:
        """A change of what is not there, or that makes no sense, is refused."""
        op = ops.OpComputeCapacity(what_if=("more=node9",))
        self.failureResultOf(self.sim.begin(op, self.progress), NotFound)
        for change in ("less=node1", "more=", "more"):
            self.assertRaises(ValueError, ops.OpComputeCapacity, what_if=(change,))

    def test_balanced(self) -> None:
        """A node with all the instances gives some to the other."""
        for number in range(4):
            web = make_instance(f"web{number}", "node1", 512)
            self.sim.put(replace(web, disk_template="diskless", disks=()))
        result = self.sim.run(ops.OpClusterBalance(), self.progress).result
        assert isinstance(result, dict)
        self.assertEqual(
            {tuple(move["nodes_after"]) for move in result["moves"]}, {("node2",)}
        )
        self.assertEqual(len(result["moves"]), 2)
