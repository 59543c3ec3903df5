"""Tests of planning where the instances of a node go."""

from __future__ import annotations

from pathlib import Path

from msgspec import convert
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix import opcodes as ops
from ganetix.errors import GanetixError, NoResources, NotFound, RemoteFailure
from ganetix.opcodes import OpEvacuationPlan, OpInstanceCreate
from ganetix.plan.capacity.model import CapCluster
from ganetix.plan.capacity.requests import (
    Answer,
    AnyRequest,
    ChangeGroup,
    Moves,
    NodeEvacuate,
    Nodes,
    NotPlaced,
    Placement,
)
from ganetix.plan.evacuation import EvacuationPlan
from ganetix.testing.config import make_instance
from ganetix.testing.sim import RecordedProgress, SimCluster

CREATE = OpInstanceCreate(
    name="web1", os="noop", disk_template="diskless", node="node1", memory_mib=512
)
NAMES = ("web1", "web2", "web3", "web4")


class EvacuationTests(SynchronousTestCase):
    """Four instances on the first of three nodes."""

    def setUp(self) -> None:
        """Make them."""
        self.sim = SimCluster(Path(self.mktemp()).absolute(), nodes=3)
        for node in self.sim.nodes.values():
            node.runner.on()
        self.progress = RecordedProgress()
        for name in NAMES:
            self.sim.run(replace(CREATE, name=name))
        self.sim.rpc.calls.clear()
        self.op = OpEvacuationPlan(instances=NAMES)

    def planned(self, op: OpEvacuationPlan) -> EvacuationPlan:
        """The plan; nothing is changed by it."""
        before = self.sim.snapshot
        result = self.sim.run(op, self.progress).result
        self.assertIs(self.sim.snapshot, before)
        return convert(result, EvacuationPlan)

    def refused(self, op: OpEvacuationPlan, kind: type[GanetixError]) -> str:
        """The error's text."""
        failure = self.failureResultOf(self.sim.begin(op, self.progress), kind)
        return str(failure.value)

    def program(self, answer: Answer) -> None:
        """An allocator that always says the same."""

        def choose(cluster: CapCluster, request: AnyRequest) -> Answer:
            return answer

        self.sim.allocation.programs["mine"] = choose

    def split(self) -> None:
        """Put the third node into a group of its own."""
        self.sim.run(ops.OpGroupAdd(name="rack2"))
        self.sim.run(ops.OpGroupAssignNodes(name="rack2", nodes=("node3",)))

    def test_asked_once(self) -> None:
        """One request for all, which spreads them over the other nodes."""
        plan = self.planned(self.op)
        ((name, request),) = self.sim.allocation.asked
        self.assertEqual(name, "builtin")
        self.assertEqual(request, NodeEvacuate(instances=NAMES, mode="primary-only"))
        self.assertEqual([move.instance for move in plan.moves], list(NAMES))
        targets = [move.target for move in plan.moves]
        self.assertEqual(
            {t: targets.count(t) for t in targets}, {"node2": 2, "node3": 2}
        )
        self.assertEqual(plan.stays, ())

    def test_to_a_group(self) -> None:
        """Into another group it is a change of group."""
        self.split()
        moved = Placement(instance="web1", nodes=("node3",), group="rack2")
        self.program(Answer(info="", result=Moves(moved=(moved,))))
        op = OpEvacuationPlan(instances=("web1",), group="rack2", iallocator="mine")
        (move,) = self.planned(op).moves
        self.assertEqual((move.source, move.target), ("node1", "node3"))
        ((_, request),) = self.sim.allocation.asked
        rack2 = self.sim.snapshot.group("rack2").uuid
        self.assertEqual(
            request, ChangeGroup(instances=("web1",), target_groups=(rack2,))
        )

    def test_to_their_own_group(self) -> None:
        """Those that leave a node of the group that is named go on within it."""
        self.split()
        self.sim.run(replace(CREATE, name="web5", node="node3"))
        op = replace(self.op, instances=("web1", "web5"), group="default")
        plan = self.planned(replace(op, left_nodes=("node1", "node3")))
        self.assertEqual([move.target for move in plan.moves], ["node2"] * 2)
        first, second = (request for _, request in self.sim.allocation.asked)
        self.assertEqual(first, NodeEvacuate(instances=("web1",), mode="primary-only"))
        self.assertIsInstance(second, ChangeGroup)
        (stay,) = self.planned(op).stays
        self.assertEqual(stay.reason, "it is in group default already")

    def test_against_the_rules(self) -> None:
        """If an allocator refuses nodes that have room, the roomiest is taken."""
        self.split()
        plan = self.planned(replace(self.op, group="rack2"))
        self.assertEqual(plan.stays, ())
        self.assertEqual([move.target for move in plan.moves], ["node3"] * 4)
        self.assertIn("FailN1: 1", plan.moves[0].warning)

    def test_word_of_a_program(self) -> None:
        """Whom a program finds no place for stays, for the reason that it gives."""
        failed = NotPlaced(instance="web1", reason="Tuesday")
        self.program(Answer(info="", result=Moves(moved=(), failed=(failed,))))
        op = OpEvacuationPlan(instances=("web1",), iallocator="mine")
        plan = self.planned(op)
        self.assertEqual((plan.moves, plan.stays), ((), (failed,)))

    def test_no_more_than_fits(self) -> None:
        """Against the rules, too, a node gets only what it has memory for."""
        self.split()
        self.sim.nodes["node3"].memory_free_mib = 1100
        plan = self.planned(replace(self.op, group="rack2"))
        self.assertEqual([move.instance for move in plan.moves], ["web1", "web2"])
        self.assertIn("node3 has 76 MiB of memory free", plan.stays[0].reason)

    def test_left_nodes(self) -> None:
        """None goes to a node that is to be empty, though it is so already."""
        self.sim.put(make_instance("db1", "node2"))
        plan = self.planned(replace(self.op, left_nodes=("node1", "node2")))
        self.assertEqual({move.target for move in plan.moves}, {"node3"})
        plan = self.planned(replace(self.op, left_nodes=("node2", "node3")))
        self.assertEqual(plan.stays[0].reason, "group default has no other node")
        self.refused(replace(self.op, left_nodes=("node9",)), NotFound)

    def test_all_nodes(self) -> None:
        """No instance goes to a node that others are to leave."""
        self.sim.run(replace(CREATE, name="web5", node="node2"))
        self.sim.run(replace(CREATE, name="web6", node="node3"))
        plan = self.planned(replace(self.op, instances=("web1", "web5", "web6")))
        self.assertEqual(plan.moves, ())
        self.assertEqual(plan.stays[0].reason, "group default has no other node")

    def test_those_that_stay(self) -> None:
        """No allocator is asked of disks that are on one node only."""
        self.sim.put(make_instance("db1", "node1"))
        plan = self.planned(replace(self.op, instances=("db1", "web1")))
        self.assertEqual([move.instance for move in plan.moves], ["web1"])
        (stay,) = plan.stays
        self.assertEqual(stay.instance, "db1")
        self.assertIn("on that node only", stay.reason)
        self.sim.allocation.asked.clear()
        self.planned(replace(self.op, instances=("db1",)))
        self.assertEqual(self.sim.allocation.asked, [])

    def test_no_room(self) -> None:
        """Where no node has room each says why."""
        for name in ("node2", "node3"):
            self.sim.nodes[name].memory_free_mib = 100
        plan = self.planned(self.op)
        self.assertEqual(plan.moves, ())
        self.assertIn("node2 has 100 MiB of memory free", plan.stays[0].reason)

    def test_alone(self) -> None:
        """In a group of one node there is no other to go to."""
        self.split()
        self.sim.run(ops.OpGroupAssignNodes(name="rack2", nodes=("node2",)))
        plan = self.planned(self.op)
        self.assertEqual(plan.stays[0].reason, "group default has no other node")

    def test_silent_node(self) -> None:
        """A node that does not answer gets nothing."""
        self.sim.rpc.set_down(self.sim.nodes["node2"].node.uuid)
        plan = self.planned(self.op)
        self.assertEqual({move.target for move in plan.moves}, {"node3"})
        self.assertIn("node2 counts as offline", self.progress.warnings[0])

    def test_programs(self) -> None:
        """A program that finds nothing, or answers something else, is an error."""
        op = replace(self.op, iallocator="mine")
        self.program(Answer(info="too late in the day"))
        self.assertIn("too late in the day", self.refused(op, NoResources))
        self.program(Answer(info="", result=Nodes(nodes=("node2",))))
        self.assertIn("another question", self.refused(op, RemoteFailure))
        self.assertIn(
            "nobody", self.refused(replace(op, iallocator="nobody"), NotFound)
        )

    def test_wrong(self) -> None:
        """No instance at all, one twice, an unknown one, an unknown group."""
        self.assertRaises(ValueError, OpEvacuationPlan, instances=())
        self.assertRaises(ValueError, OpEvacuationPlan, instances=("a", "a"))
        self.refused(OpEvacuationPlan(instances=("nobody",)), NotFound)
        self.refused(replace(self.op, group="nowhere"), NotFound)
