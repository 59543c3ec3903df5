"""Tests of the allocators' protocol: what is taken for an answer."""

from __future__ import annotations

import json

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from ganetix.allocators.protocol import read_answer, write_answer
from ganetix.errors import RemoteFailure
from ganetix.objects.params import CapacityParams
from ganetix.plan.capacity.model import TieredSpec
from ganetix.plan.capacity.requests import (
    Allocate,
    AllocateSecondary,
    Answer,
    AnyRequest,
    Capacities,
    GroupCapacity,
    Move,
    Moves,
    MultiAllocate,
    NodeEvacuate,
    Nodes,
    NotPlaced,
    Placement,
    Placements,
    Relocate,
    Result,
)
from ganetix.test.allocators.protocol_cases import CLUSTER, PAIR, REQUESTS, SINGLE


def said(result: object, *, success: bool = True, info: str = "hm") -> bytes:
    """An answer of an allocator."""
    return json.dumps({"success": success, "info": info, "result": result}).encode()


class AnswerTests(SynchronousTestCase):
    """What is taken for an answer."""

    def refused(self, data: bytes, request: AnyRequest = REQUESTS[0]) -> str:
        """Why it is not."""
        error = self.assertRaises(
            RemoteFailure, read_answer, "hail", data, CLUSTER, request
        )
        self.assertEqual(error.detail["allocator"], "hail")
        return str(error)

    def result(self, value: object, request: AnyRequest) -> Result | None:
        """What a good answer comes to."""
        return read_answer("hail", said(value), CLUSTER, request).result

    def test_nodes(self) -> None:
        """Nodes for a new instance."""
        found = self.result(["n1", "n2"], REQUESTS[0])
        self.assertEqual(found, Nodes(nodes=("n1", "n2")))

    def test_old_key(self) -> None:
        """Old allocators say ``nodes`` in place of ``result``."""
        data = b'{"success": true, "info": "", "nodes": ["n3", "n4"]}'
        answer = read_answer("old", data, CLUSTER, REQUESTS[0])
        self.assertEqual(answer.result, Nodes(nodes=("n3", "n4")))

    def test_no_solution(self) -> None:
        """No success is an answer: what it said is kept."""
        answer = read_answer(
            "hail", said([], success=False, info="all full"), CLUSTER, REQUESTS[0]
        )
        self.assertEqual(answer, Answer(info="all full"))

    def test_no_solution_with_nodes(self) -> None:
        """No success and nodes nevertheless is nonsense."""
        message = self.refused(said(["n1", "n2"], success=False, info="full"))
        self.assertIn("no success, and yet the result is", message)
        self.assertIn("it said: full", message)

    def test_not_an_answer(self) -> None:
        """What is no object with these keys."""
        for data in (
            b"",
            b"hello",
            b"[]",
            b'{"success": "yes", "info": "", "result": []}',
            b'{"success": true, "result": []}',
            b'{"success": true, "info": ""}',
            b'\xff{"success": true, "info": "", "result": []}',
            said("n1"),
            said(None),
            said([1, 2]),
        ):
            self.assertIn("allocator hail: its answer is", self.refused(data))
        self.assertIn("hello", self.refused(b"hello"))

    def test_bad_nodes(self) -> None:
        """Nodes that cannot be taken; the allocator's words are shown."""
        for nodes, why in (
            (["n1"], "needs 2 nodes, not 1: n1"),
            ([], "needs 2 nodes, not 0: none"),
            (["n1", "n2", "n3"], "needs 2 nodes, not 3"),
            (["n1", "n1"], "would have n1 twice"),
            (["n1", "n9"], "there is no node 'n9' in the input"),
            (["n1", "off"], "node off is offline"),
            (["n1", "far"], "would be in two groups: n1, far"),
        ):
            message = self.refused(said(nodes))
            self.assertIn(why, message)
            self.assertIn("it said: hm", message)

    def test_group_and_choice(self) -> None:
        """Nodes outside of the group, or not to choose from."""
        self.assertIn("not in g1", self.refused(said(["far"]), REQUESTS[1]))
        self.assertIn("not one of those", self.refused(said(["n3"]), REQUESTS[1]))
        for group in ("g2", "u2"):
            request = Allocate(instance=PAIR, group=group)
            found = self.result(["far", "far2"], request)
            self.assertEqual(found, Nodes(nodes=("far", "far2")))

    def test_relocation(self) -> None:
        """One new node that is none of the old ones, in the group."""
        request = Relocate(instance="i1", relocate_from=("n2",))
        self.assertEqual(self.result(["n3"], request), Nodes(nodes=("n3",)))
        self.assertIn("stay on n2", self.refused(said(["n2"]), request))
        self.assertIn("have n1 twice", self.refused(said(["n1"]), request))
        self.assertIn("two groups", self.refused(said(["far"]), request))
        self.assertIn("1 node, not 2", self.refused(said(["n3", "n4"]), request))

    def test_secondary(self) -> None:
        """A name that is not in a list."""
        request = AllocateSecondary(instance="i2")
        self.assertEqual(self.result("n2", request), Nodes(nodes=("n2",)))
        self.assertIn("n1 twice", self.refused(said("n1"), request))
        self.assertIn("Expected `str`", self.refused(said(["n2"]), request))

    def test_multi_allocate(self) -> None:
        """Those that failed may be names, or names with reasons."""
        request = MultiAllocate(instances=(PAIR, SINGLE))
        found = self.result([[["new", ["n1", "n2"]]], [["one", "full"]]], request)
        self.assertEqual(
            found,
            Placements(
                placed=(Placement(instance="new", nodes=("n1", "n2")),),
                failed=(NotPlaced(instance="one", reason="full"),),
            ),
        )
        found = self.result([[["new", ["n1", "n2"]]], ["one"]], request)
        assert isinstance(found, Placements)
        self.assertEqual(found.failed, (NotPlaced(instance="one"),))
        for value, why in (
            ([[["new", ["n1", "n2"]]], []], "one is left out"),
            ([[["x", ["n1"]]], ["new", "one"]], "nobody asked about instance 'x'"),
            ([[["new", ["n1", "n2"]]], ["new", "one"]], "new is there twice"),
            ([[["new", ["n1"]]], ["one"]], "needs 2 nodes"),
        ):
            self.assertIn(why, self.refused(said(value), request))

    def test_moves(self) -> None:
        """What hail says to an evacuation."""
        request = NodeEvacuate(instances=("i1", "i2"), mode="secondary-only")
        replace = {
            "OP_ID": "OP_INSTANCE_REPLACE_DISKS",
            "instance_name": "i1",
            "early_release": False,
            "mode": "replace_new_secondary",
            "disks": [],
            "remote_node": "n3",
        }
        value = [[["i1", "g1", ["n1", "n3"]]], [["i2", "no"]], [[replace]]]
        self.assertEqual(
            self.result(value, request),
            Moves(
                moved=(Placement(instance="i1", group="g1", nodes=("n1", "n3")),),
                failed=(NotPlaced(instance="i2", reason="no"),),
                jobs=((Move(kind="replace-secondary", instance="i1", node="n3"),),),
            ),
        )
        for change, why in (
            ({"OP_ID": "OP_INSTANCE_REMOVE"}, "'OP_INSTANCE_REMOVE' is not one of"),
            ({"mode": "replace_auto"}, "only replace_new_secondary"),
            ({"remote_node": ""}, "only replace_new_secondary"),
            ({"remote_node": "off"}, "node off is offline"),
            ({"remote_node": "n9"}, "no node 'n9'"),
            ({"instance_name": "x"}, "nobody asked to move instance 'x'"),
        ):
            bad = [*value[:2], [[{**replace, **change}]]]
            self.assertIn(why, self.refused(said(bad), request))

    def test_node_that_is_kept(self) -> None:
        """An instance may keep the node that is down; no other may come to it."""
        instance = msgspec.structs.replace(CLUSTER.instances[0], primary="off")
        cluster = msgspec.structs.replace(CLUSTER, instances=(instance,))
        request = NodeEvacuate(instances=("i1",), mode="secondary-only")
        data = said([[["i1", "g1", ["off", "n3"]]], [], []])
        answer = read_answer("hail", data, cluster, request)
        self.assertIsNotNone(answer.result)
        self.assertIn("offline", self.refused(data, request))

    def test_written(self) -> None:
        """What we write as an allocator is read the same."""
        parameters = CapacityParams(default_template="plain")
        tspecs = (TieredSpec(memory=1, disk=2, vcpus=3, count=4),)
        moves = Moves(
            moved=(Placement(instance="i1", group="g1", nodes=("n3", "n4")),),
            failed=(NotPlaced(instance="i2", reason="no"),),
            jobs=(
                (
                    Move(kind="replace-secondary", instance="i1", node="n3"),
                    Move(kind="migrate", instance="i1"),
                    Move(kind="failover", instance="i1", node="n4"),
                ),
            ),
        )
        results: tuple[tuple[AnyRequest, Result | None], ...] = (
            (REQUESTS[0], Nodes(nodes=("n1", "n2"))),
            (REQUESTS[0], None),
            (REQUESTS[3], Nodes(nodes=("n3",))),
            (REQUESTS[4], moves),
            (REQUESTS[6], Nodes(nodes=("n2",))),
            (
                REQUESTS[7],
                Capacities(
                    cluster=tspecs,
                    groups={"u1": GroupCapacity(tspecs=tspecs, parameters=parameters)},
                ),
            ),
        )
        for request, result in results:
            answer = Answer(info="so", result=result)
            data = write_answer(answer, request)
            self.assertEqual(read_answer("us", data, CLUSTER, request), answer)
        self.assertEqual(
            json.loads(write_answer(Answer(info="no"), REQUESTS[0])),
            {"success": False, "info": "no", "result": []},
        )
