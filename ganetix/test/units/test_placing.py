"""Tests of where new instances go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix import opcodes as ops
from ganetix.errors import GanetixError, NoResources, NotFound, RemoteFailure
from ganetix.opcodes import DiskRequest, OpInstanceCreate
from ganetix.plan.capacity.model import CapCluster
from ganetix.plan.capacity.requests import Allocate, Answer, AnyRequest, Nodes
from ganetix.plan.params import backend_params
from ganetix.testing.config import uuid_of
from ganetix.testing.master import SimMaster
from ganetix.testing.sim import RecordedProgress, SimCluster

CREATE = OpInstanceCreate(
    name="web1",
    os="noop",
    disks=(DiskRequest(size_mib=64),),
    memory_mib=1024,
    no_install=True,
)


class PlacingTests(SynchronousTestCase):
    """A cluster of three nodes."""

    def setUp(self) -> None:
        """Make it."""
        self.sim = SimCluster(Path(self.mktemp()).absolute(), nodes=3)
        for node in self.sim.nodes.values():
            node.runner.on("verify")
        self.progress = RecordedProgress()

    def create(self, op: OpInstanceCreate) -> Any:
        """The result."""
        return self.sim.run(op, self.progress).result

    def refused(self, op: OpInstanceCreate, kind: type[GanetixError]) -> str:
        """The error's text; nothing was changed."""
        before = self.sim.snapshot.instances
        failure = self.failureResultOf(self.sim.begin(op, self.progress), kind)
        self.assertEqual(self.sim.snapshot.instances, before)
        self.assertEqual(self.sim.snapshot.intents, {})
        return str(failure.value)

    def program(self, node: str) -> None:
        """An allocator that always says this node."""

        def choose(cluster: CapCluster, request: AnyRequest) -> Answer:
            return Answer(info="because", result=Nodes(nodes=(node,)))

        self.sim.allocation.programs["mine"] = choose

    def test_builtin_spreads(self) -> None:
        """The built-in allocator fills the nodes evenly."""
        homes = [self.create(replace(CREATE, name=f"web{n}"))["node"] for n in range(6)]
        self.assertEqual({homes.count(name) for name in self.sim.nodes}, {2})

    def test_is_told_of_its_group_only(self) -> None:
        """What an allocator sees is the target group."""
        self.sim.run(ops.OpGroupAdd(name="rack2"))
        self.sim.run(ops.OpGroupAssignNodes(name="rack2", nodes=("node3",)))
        seen: list[CapCluster] = []

        def choose(cluster: CapCluster, request: AnyRequest) -> Answer:
            seen.append(cluster)
            assert isinstance(request, Allocate)
            return Answer(info="because", result=Nodes(nodes=("node3",)))

        self.sim.allocation.programs["mine"] = choose
        op = replace(CREATE, group="rack2", iallocator="mine")
        self.assertEqual(self.create(op)["node"], "node3")
        self.assertEqual([node.name for node in seen[0].nodes], ["node3"])

    def test_default_allocator(self) -> None:
        """The cluster's default allocator is asked if none is named, or a dot."""
        self.program("node2")
        self.sim.run(ops.OpClusterModify(default_iallocator="mine"))
        self.assertEqual(self.create(CREATE)["node"], "node2")
        op = replace(CREATE, name="web2", iallocator=".")
        self.assertEqual(self.create(op)["node"], "node2")

    def test_unknown_allocator(self) -> None:
        """An allocator that is not there is an error."""
        op = replace(CREATE, iallocator="nobody")
        self.assertIn("nobody", self.refused(op, NotFound))

    def test_choice_without_room(self) -> None:
        """A node that an allocator chose against all reason is refused."""
        self.program("node2")
        self.sim.nodes["node2"].memory_free_mib = 100
        op = replace(CREATE, iallocator="mine")
        text = self.refused(op, RemoteFailure)
        self.assertIn("chose node2, which has 100 MiB of memory free", text)

    def test_no_room(self) -> None:
        """If no node has room, each says why."""
        op = replace(CREATE, memory_mib=100_000)
        text = self.refused(op, NoResources)
        for name in self.sim.nodes:
            self.assertIn(f"{name} has 4096 MiB of memory free", text)

    def test_dry_run(self) -> None:
        """A dry run tells the node, and why not others, and makes nothing."""
        self.sim.nodes["node2"].memory_free_mib = 100
        result = self.create(replace(CREATE, dry_run=True))
        self.assertIn(result["node"], ("node1", "node3"))
        self.assertIn("needs 1024", result["refusals"]["node2"])
        self.assertEqual(self.sim.snapshot.instances, {})
        self.assertEqual(self.sim.snapshot.intents, {})

    def test_lonely_node(self) -> None:
        """Where nothing can be redundant an instance is made, and a word said."""
        self.sim.edit_node("node2", offline=True)
        self.sim.edit_node("node3", offline=True)
        self.assertEqual(self.create(CREATE)["node"], "node1")
        self.assertIn("N+1", self.progress.warnings[0])

    def test_node_and_allocator(self) -> None:
        """A node and an allocator contradict each other."""
        self.assertRaises(
            ValueError,
            OpInstanceCreate,
            name="web1",
            os="noop",
            disk_template="diskless",
            node="node1",
            iallocator="mine",
        )


class ManyTests(SynchronousTestCase):
    """Fifty creations at once."""

    def test_never_over_committed(self) -> None:
        """No node promises more than it has, and what fits is made."""
        sim = SimMaster(Path(self.mktemp()))
        sim.slow_calls(0.5)
        jobs = [
            sim.submit(
                replace(CREATE, name=f"web{n}", disk_template="diskless", disks=())
            )
            for n in range(50)
        ]
        sim.wait(120)
        made = sim.snapshot.instances.values()
        for name in sim.nodes:
            there = [i for i in made if i.primary_node == uuid_of(name)]
            used = sum(backend_params(i, sim.snapshot).memory_mib for i in there)
            self.assertLessEqual(used, 4096)
            self.assertGreaterEqual(used, 3072)
        self.assertEqual(len(jobs), 50)
        self.assertTrue(all(job.is_final for job in sim.jobs()))
