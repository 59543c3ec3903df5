"""Tests of the allocators' protocol: what is asked."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ganetix.allocators.protocol import read_document, request_document
from ganetix.errors import BadParameter
from ganetix.plan.capacity.model import CapCluster
from ganetix.plan.capacity.requests import Allocate, Capacity, Relocate
from ganetix.test.allocators.protocol_cases import CLUSTER, PAIR, REQUESTS
from ganetix.test.allocators.support import clusters


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
