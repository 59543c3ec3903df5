"""Tests of the allocators' protocol: what is asked, and what is taken for an answer."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ganetix.allocators.protocol import (
    read_answer,
    read_document,
    request_document,
    write_answer,
)
from ganetix.errors import BadParameter, RemoteFailure
from ganetix.objects.params import CapacityOverrides, CapacityParams, InstanceSize
from ganetix.plan.capacity.model import (
    CapCluster,
    CapGroup,
    CapInstance,
    CapNode,
    TieredSpec,
)
from ganetix.plan.capacity.requests import (
    Allocate,
    AllocateSecondary,
    Answer,
    AnyRequest,
    Capacities,
    Capacity,
    ChangeGroup,
    GroupCapacity,
    Move,
    Moves,
    MultiAllocate,
    Newcomer,
    NodeEvacuate,
    Nodes,
    NotPlaced,
    Placement,
    Placements,
    Relocate,
    Result,
)
from ganetix.test.allocators.support import clusters


def node(name: str, group: str = "u1", **values: bool) -> CapNode:
    """A node with room."""
    return CapNode(
        name=name,
        group=group,
        total_memory=16384,
        node_memory=512,
        free_memory=15000,
        total_disk=204800,
        free_disk=204800,
        total_cpus=8,
        offline=values.get("offline", False),
    )


CLUSTER = CapCluster(
    groups=(
        CapGroup(uuid="u1", name="g1"),
        CapGroup(uuid="u2", name="g2", alloc_policy="last_resort"),
    ),
    nodes=(
        *(node(f"n{number}") for number in range(1, 5)),
        node("off", offline=True),
        node("far", "u2"),
        node("far2", "u2"),
    ),
    instances=(
        CapInstance(
            name="i1",
            memory=1024,
            disk=10368,
            disks=(10240,),
            vcpus=1,
            primary="n1",
            secondary="n2",
            template="drbd",
        ),
        CapInstance(
            name="i2", memory=512, disk=1024, vcpus=1, primary="n1", template="rbd"
        ),
    ),
)
PAIR = Newcomer(
    name="new", memory=512, vcpus=2, disk=1152, disks=(1024,), template="drbd"
)
SINGLE = Newcomer(
    name="one",
    memory=512,
    vcpus=2,
    disk=1152,
    disks=(1000, 152),
    disk_spindles=3,
    template="plain",
    networks=("", "net1"),
    tags=("t",),
    os="tiny",
    hypervisor="kvm",
    restrict_to_nodes=("n1", "n2"),
)
REQUESTS: tuple[AnyRequest, ...] = (
    Allocate(instance=PAIR),
    Allocate(instance=SINGLE, group="g1"),
    MultiAllocate(instances=(PAIR, SINGLE), group="g1"),
    Relocate(instance="i1", relocate_from=("n2",)),
    NodeEvacuate(instances=("i1", "i2"), mode="secondary-only"),
    ChangeGroup(instances=("i1",), target_groups=("u2",)),
    AllocateSecondary(instance="i2"),
    Capacity(
        groups=("u1",),
        parameters={
            "u1": CapacityOverrides(
                max_inst_spec=InstanceSize(memory_mib=1, disk_mib=2, vcpus=3),
                max_cpu_ratio=2.0,
            )
        },
    ),
)


class DocumentTests(SynchronousTestCase):
    """What is asked."""

    def test_round_trip(self) -> None:
        """Every kind of request reads as it was written."""
        for request in REQUESTS:
            cluster, back = read_document(request_document(CLUSTER, request))
            self.assertEqual(back, request)
            self.assertEqual(cluster.groups[1].alloc_policy, "last_resort")
            self.assertEqual(cluster.instances[0], CLUSTER.instances[0])
            self.assertEqual(cluster.nodes[0], CLUSTER.nodes[0])

    @given(clusters())
    @settings(max_examples=40, deadline=None)
    def test_clusters_round_trip(self, cluster: CapCluster) -> None:
        """Policies, live nodes and instances stay as they are, in their order."""
        back, _ = read_document(request_document(cluster, Capacity()))
        self.assertEqual(back.groups, cluster.groups)
        self.assertEqual((back.tags, back.policy), (cluster.tags, cluster.policy))
        for ours, theirs in zip(cluster.nodes, back.nodes, strict=True):
            self.assertEqual(ours.name, theirs.name)
            if not ours.offline:
                ours = msgspec.structs.replace(ours, master=False)
                self.assertEqual(ours, theirs)
        for mine, its in zip(cluster.instances, back.instances, strict=True):
            mine = msgspec.structs.replace(mine, disks=(mine.disk,))
            self.assertEqual(mine, its)

    def test_keys(self) -> None:
        """All that hail insists on is there."""
        document = json.loads(
            request_document(CLUSTER, REQUESTS[0], enabled_hypervisors=["kvm"])
        )
        self.assertEqual(document["version"], 2)
        self.assertEqual(document["enabled_hypervisors"], ["kvm"])
        live = document["nodes"]["n1"]
        for key in (
            *("offline", "drained", "ndparams", "total_memory", "reserved_memory"),
            *("free_memory", "total_disk", "free_disk", "total_cpus", "reserved_cpus"),
            "free_spindles",
        ):
            self.assertIn(key, live)
        request = document["request"]
        self.assertEqual(request["required_nodes"], 2)
        self.assertEqual(request["disks"][0]["size"], 1024)
        self.assertNotIn("group_name", request)
        policy = document["nodegroups"]["u1"]["ipolicy"]
        self.assertIn("memory-size", policy["minmax"][0]["max"])

    def test_statuses(self) -> None:
        """The state that is told says whether an instance takes memory."""
        for status, state in (
            ("running", "up"),
            ("ERROR_up", "up"),
            ("ERROR_nodedown", "up"),
            ("ERROR_down", "down"),
            ("USER_down", "down"),
            ("ADMIN_offline", "offline"),
        ):
            instance = msgspec.structs.replace(CLUSTER.instances[0], status=status)
            cluster = msgspec.structs.replace(CLUSTER, instances=(instance,))
            document = json.loads(request_document(cluster, Capacity()))
            self.assertEqual(document["instances"]["i1"]["admin_state"], state)

    def test_mirror(self) -> None:
        """Others know our mirrors as DRBD."""
        newcomer = msgspec.structs.replace(PAIR, template="mirror")
        data = request_document(CLUSTER, Allocate(instance=newcomer))
        self.assertEqual(json.loads(data)["request"]["disk_template"], "drbd")

    def test_unknown_instance(self) -> None:
        """A relocation of nothing."""
        request = Relocate(instance="ghost", relocate_from=("n1",))
        self.assertRaises(BadParameter, request_document, CLUSTER, request)


class ForeignDocumentTests(SynchronousTestCase):
    """What others ask of our allocator."""

    def setUp(self) -> None:
        """A good document."""
        self.document = json.loads(request_document(CLUSTER, REQUESTS[0]))

    def refusal(self) -> str:
        """Why it is refused now."""
        data = json.dumps(self.document).encode()
        return str(self.assertRaises(BadParameter, read_document, data))

    def test_old_documents(self) -> None:
        """Groups had names only, and drained nodes no figures."""
        self.document["nodegroups"]["u1"] = {"name": "g1"}
        self.document["nodes"]["n2"] = {
            "group": "u1",
            "offline": False,
            "drained": True,
        }
        cluster, _ = read_document(json.dumps(self.document).encode())
        self.assertEqual(cluster.groups[0].policy.templates[0], "diskless")
        self.assertTrue(cluster.nodes[1].offline)

    def test_live_node_without_figures(self) -> None:
        """A node that is online must say what it has."""
        del self.document["nodes"]["n2"]["free_memory"]
        self.assertEqual(self.refusal(), "node n2 is online but has no free_memory")

    def test_not_vm_capable(self) -> None:
        """A node that runs no instances counts as offline."""
        self.document["nodes"]["n3"]["vm_capable"] = False
        cluster, _ = read_document(json.dumps(self.document).encode())
        self.assertTrue(cluster.nodes[2].offline)

    def test_references(self) -> None:
        """Nodes and groups that are not there."""
        self.document["nodes"]["n1"]["group"] = "u9"
        self.assertEqual(self.refusal(), "node n1: there is no group 'u9'")
        self.document["nodes"]["n1"]["group"] = "u1"
        self.document["instances"]["i1"]["nodes"] = ["n1", "n9"]
        self.assertEqual(self.refusal(), "instance i1: there is no node 'n9'")

    def test_bad_requests(self) -> None:
        """What is wrong is named by its path."""
        self.document["request"]["memory"] = "much"
        self.assertIn("$.request.memory", self.refusal())
        self.document["request"]["memory"] = 5
        self.document["request"]["required_nodes"] = 1
        self.assertIn("required_nodes is 1, but drbd takes 2", self.refusal())
        self.document["request"] = {"type": "multi-evacuate", "evac_nodes": []}
        self.assertIn("multi-evacuate", self.refusal())
        del self.document["request"]
        self.assertIn("`request`", self.refusal())

    @given(st.binary(max_size=50))
    def test_rubbish(self, data: bytes) -> None:
        """Anything else."""
        self.assertRaises(BadParameter, read_document, data)


def said(
    result: object, *, success: bool = True, info: str = "hm", **more: object
) -> bytes:
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
