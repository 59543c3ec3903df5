"""Tests of where new instances go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix import opcodes as ops
from ganetix.errors import Cancelled, GanetixError, NoResources, NotFound, RemoteFailure
from ganetix.opcodes import (
    DiskRequest,
    OpInstanceCreate,
    OpInstanceFailover,
    OpInstanceMigrate,
)
from ganetix.plan.capacity.model import CapCluster
from ganetix.plan.capacity.requests import (
    Allocate,
    Answer,
    AnyRequest,
    ChangeGroup,
    Moves,
    Nodes,
    Placement,
    Relocate,
)
from ganetix.plan.instance_move import MoveOp
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

    def test_dry_run_ranks(self) -> None:
        """It tells the scores of the chosen node and of those that came next."""
        self.sim.nodes["node3"].memory_free_mib = 2000
        result = self.create(replace(CREATE, dry_run=True))
        self.assertEqual(result["node"], "node2")
        (second, third) = result["runners_up"]
        self.assertEqual((second["node"], third["node"]), ("node1", "node3"))
        self.assertLessEqual(result["score"], second["score"])
        self.assertLess(second["score"], third["score"])
        self.assertEqual(result["refusals"], {})

    def test_dry_run_of_a_program(self) -> None:
        """What a program chose stands beside what the built-in allocator thinks."""
        self.program("node1")
        self.sim.nodes["node1"].memory_free_mib = 2000
        result = self.create(replace(CREATE, dry_run=True, iallocator="mine"))
        self.assertEqual(result["node"], "node1")
        self.assertIn("because", result["said"])
        best = result["runners_up"][0]
        self.assertGreater(result["score"], best["score"])

    def test_dry_run_on_a_named_node(self) -> None:
        """A node that is named is compared with no other."""
        result = self.create(replace(CREATE, dry_run=True, node="node2"))
        self.assertEqual((result["node"], result["runners_up"]), ("node2", []))

    def test_closed_meanwhile(self) -> None:
        """A node that was closed before it could be locked is left for another one."""
        self.program("node2")

        def close() -> None:
            self.progress.on_hold = lambda: None
            self.program("node3")
            self.sim.edit_node("node2", drained=True)

        self.progress.on_hold = close
        result = self.create(replace(CREATE, iallocator="mine"))
        self.assertEqual(result["node"], "node3")
        self.assertEqual(self.progress.held, {uuid_of("node3")})
        self.assertEqual(self.sim.snapshot.intents, {})

    def test_cancelled_at_the_lock(self) -> None:
        """Who does not want to wait for the node's lock leaves nothing behind."""

        def refuse() -> None:
            raise Cancelled("job 1 was canceled")

        self.progress.on_hold = refuse
        self.refused(CREATE, Cancelled)

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


WEB = OpInstanceCreate(
    name="web1", os="noop", disk_template="diskless", node="node1", memory_mib=1024
)
MIGRATE = OpInstanceMigrate(name="web1")


class MovingTests(SynchronousTestCase):
    """An instance on the first of three nodes, which is to go to another one."""

    def setUp(self) -> None:
        """Make it, and an allocator that tells what it was asked."""
        self.sim = SimCluster(Path(self.mktemp()).absolute(), nodes=3)
        for node in self.sim.nodes.values():
            node.runner.on()
        self.progress = RecordedProgress()
        self.sim.run(WEB)
        self.asked: list[tuple[list[str], AnyRequest]] = []
        self.answer = Answer(info="because", result=Nodes(nodes=("node2",)))
        self.sim.allocation.programs["mine"] = self.choose

    def choose(self, cluster: CapCluster, request: AnyRequest) -> Answer:
        """Note what an allocator is asked, and answer as the test wants."""
        self.asked.append(([node.name for node in cluster.nodes], request))
        return self.answer

    def target(self, op: MoveOp) -> str:
        """Where the instance is moved to."""
        return str(self.sim.run(op, self.progress).result["to"])  # type: ignore[index]

    def split(self) -> None:
        """Put the third node into a group of its own."""
        self.sim.run(ops.OpGroupAdd(name="rack2"))
        self.sim.run(ops.OpGroupAssignNodes(name="rack2", nodes=("node3",)))

    def test_asked_once(self) -> None:
        """The allocator gets a request to relocate, of the instance's group."""
        self.split()
        self.assertEqual(self.target(replace(MIGRATE, iallocator="mine")), "node2")
        ((nodes, request),) = self.asked
        self.assertEqual(nodes, ["node1", "node2"])
        self.assertEqual(request, Relocate(instance="web1", relocate_from=("node1",)))
        self.assertIn(
            "node node2 was chosen: mine: because", "\n".join(self.progress.lines)
        )

    def test_default(self) -> None:
        """Without a name, or with a dot, the cluster's default one is asked."""
        self.sim.run(ops.OpClusterModify(default_iallocator="mine"))
        self.assertEqual(self.target(OpInstanceFailover(name="web1")), "node2")
        self.answer = Answer(info="because", result=Nodes(nodes=("node1",)))
        self.assertEqual(self.target(replace(MIGRATE, iallocator=".")), "node1")
        self.assertEqual(len(self.asked), 2)

    def test_other_group(self) -> None:
        """Into another group it is a change of group, and both groups are described."""
        self.split()
        moved = Placement(instance="web1", nodes=("node3",), group="rack2")
        self.answer = Answer(info="because", result=Moves(moved=(moved,)))
        op = replace(MIGRATE, iallocator="mine", group="rack2")
        self.assertEqual(self.target(op), "node3")
        ((nodes, request),) = self.asked
        self.assertEqual(nodes, ["node1", "node2", "node3"])
        rack2 = self.sim.snapshot.group("rack2").uuid
        self.assertEqual(
            request, ChangeGroup(instances=("web1",), target_groups=(rack2,))
        )

    def test_no_answer(self) -> None:
        """Where a program knows no node nothing is moved, and its word is passed on."""
        self.answer = Answer(info="no place anywhere")
        op = replace(MIGRATE, iallocator="mine")
        failure = self.failureResultOf(self.sim.begin(op, self.progress), NoResources)
        self.assertIn("mine found no place: no place anywhere", str(failure.value))
        self.assertEqual(self.sim.snapshot.intents, {})

    def test_alone_in_its_group(self) -> None:
        """The only node of a group will do, and that it is alone is no warning."""
        self.split()
        self.assertEqual(self.target(replace(MIGRATE, group="rack2")), "node3")
        self.assertIn(
            "node node3 was chosen: it is all that group rack2 has; nothing there"
            " survives it",
            self.progress.lines,
        )
        self.assertEqual(self.progress.warnings, [])

    def test_node_without_room(self) -> None:
        """A node without room is refused, with the reason."""
        self.sim.nodes["node2"].memory_free_mib = 100
        op = replace(MIGRATE, iallocator="mine")
        failure = self.failureResultOf(self.sim.begin(op, self.progress), RemoteFailure)
        self.assertIn("chose node2, which has 100 MiB", str(failure.value))
        self.assertEqual(self.sim.snapshot.intents, {})

    def test_locks_both_nodes(self) -> None:
        """Both nodes are locked once the other one is chosen."""
        self.target(replace(MIGRATE, iallocator="mine"))
        self.assertEqual(self.progress.held, {uuid_of("node1"), uuid_of("node2")})

    def test_closed_meanwhile(self) -> None:
        """If the chosen node is closed before it is locked, another one is chosen."""

        def close() -> None:
            self.progress.on_hold = lambda: None
            self.answer = Answer(info="", result=Nodes(nodes=("node3",)))
            self.sim.edit_node("node2", offline=True)

        self.progress.on_hold = close
        self.assertEqual(self.target(replace(MIGRATE, iallocator="mine")), "node3")
        self.assertEqual(self.sim.snapshot.intents, {})

    def test_cancelled_at_the_lock(self) -> None:
        """Who does not want to wait for the locks leaves nothing behind."""

        def refuse() -> None:
            raise Cancelled("job 1 was canceled")

        self.progress.on_hold = refuse
        self.failureResultOf(self.sim.begin(MIGRATE, self.progress), Cancelled)
        self.assertEqual(self.sim.snapshot.intents, {})

    def test_node_and_allocator(self) -> None:
        """A node and an allocator contradict each other."""
        for kind in (OpInstanceMigrate, OpInstanceFailover):
            self.assertRaises(
                ValueError, kind, name="web1", node="node2", iallocator="mine"
            )


SMALL = replace(CREATE, name="small", disk_template="diskless", disks=(), memory_mib=16)


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

    def test_do_not_wait(self) -> None:
        """Where there is room for all, fifty take no longer than one."""
        sim = SimMaster(Path(self.mktemp()))
        sim.slow_calls(0.5)
        sim.submit(replace(SMALL, name="first"))
        began = sim.clock.seconds()
        while not all(job.is_final for job in sim.jobs()):
            sim.wait(0.5)
        alone = sim.clock.seconds() - began
        for number in range(50):
            sim.submit(replace(SMALL, name=f"web{number}"))
        sim.wait(alone)
        self.assertEqual({job.status for job in sim.jobs()}, {"success"})

    def test_busy_node(self) -> None:
        """A node that another job has to itself keeps nobody from going elsewhere."""
        sim = SimMaster(Path(self.mktemp()))
        sim.edit_node("node2", drained=True)
        sim.submit(ops.OpTestDelay(duration=1000, on_nodes=("node2",)))
        for number in range(10):
            sim.submit(replace(SMALL, name=f"web{number}"))
        sim.wait(5)
        self.assertEqual(len(sim.snapshot.instances), 10)

    def test_waits_for_its_node(self) -> None:
        """What another job does to the only good node comes first."""
        sim = SimMaster(Path(self.mktemp()), nodes=1)
        sim.submit(ops.OpTestDelay(duration=100, on_master=False, on_nodes=("node1",)))
        job_id = sim.submit(SMALL) or 0
        sim.wait(5)
        self.assertIn("waits for lock node/node1", sim.queue.why(job_id) or "")
        sim.wait(100)
        self.assertEqual(len(sim.snapshot.instances), 1)
