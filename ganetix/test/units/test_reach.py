"""The promise of groups: an operation on one makes no call to nodes of another."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ganetix import opcodes as ops
from ganetix.api.types import QueryKind, QueryRequest
from ganetix.config.snapshot import Edits
from ganetix.errors import Bug
from ganetix.objects import JoinToken, NodeGroup
from ganetix.objects.node_calls import NodeInfoRequest
from ganetix.query.service import QueryService
from ganetix.rpc.methods import NODE_INFO
from ganetix.testing.config import make_node, uuid_of
from ganetix.testing.master import SimMaster
from ganetix.testing.rpc import FakeNodeRpc
from ganetix.units.reach import ReachRpc

OTHERS = ("node3", "node4")
NEW = "node5"


class ReachRpcTests(SynchronousTestCase):
    """Calls of one opcode."""

    def setUp(self) -> None:
        """It is about group ``default``."""
        self.fake = FakeNodeRpc({})
        groups = frozenset({uuid_of("default")})
        self.rpc = ReachRpc(self.fake, "OP_TEST", groups)

    def test_outside(self) -> None:
        """A call of another group's node is a bug, and is not made."""
        node = make_node("node3", "b")
        called = self.rpc.call(node, NODE_INFO, NodeInfoRequest())
        failure = self.failureResultOf(called, Bug)
        self.assertIn("OP_TEST calls node_info of node node3", str(failure.value))
        self.assertEqual(self.fake.calls, [])

    def test_inside(self) -> None:
        """A call of a node of the group is made."""
        node = make_node("node1")
        self.failureResultOf(self.rpc.call(node, NODE_INFO, NodeInfoRequest()))
        self.assertEqual(len(self.fake.calls), 1)


class GroupIsolationTests(SynchronousTestCase):
    """Two nodes in the default group; two in another, which never answer."""

    def setUp(self) -> None:
        """Make them."""
        self.master = SimMaster(Path(self.mktemp()), nodes=5)
        snapshot = self.master.snapshot
        group = NodeGroup(uuid=uuid_of("b"), name="b")
        moved = (replace(snapshot.node(n), group=group.uuid) for n in OTHERS)
        new = snapshot.node(NEW)
        token = JoinToken(node=new, used=True)
        self.commit(
            Edits(put=(group, *moved), delete=(new,), put_tokens=(token,)),
        )
        silent = {uuid_of(name) for name in OTHERS}
        self.master.rpc.handlers = {
            uuid: dict.fromkeys(each, lambda value, call: Deferred())
            if uuid in silent
            else each
            for uuid, each in self.master.rpc.handlers.items()
        }
        self.master.rpc.calls.clear()

    def commit(self, edits: Edits) -> None:
        """Change the configuration."""
        done = self.master.config.commit(lambda _: edits)
        self.master.wait(0)
        self.successResultOf(done)

    def assert_works(self, op: ops.AnyOpcode) -> None:
        """A job is done without any other group's node, in no time."""
        job_id = self.master.submit(op)
        self.master.wait(1.0)
        job = next(job for job in self.master.jobs() if job.id == job_id)
        self.assertEqual(job.status, "success", job.error)
        self.assert_kept()

    def assert_kept(self) -> None:
        """No node of the other group was called."""
        called = {call.node_uuid for call in self.master.rpc.calls}
        self.assertEqual(called & {uuid_of(name) for name in OTHERS}, set())

    def test_instances(self) -> None:
        """Instances are added, stopped, started, rebooted and removed."""
        self.assert_works(
            ops.OpInstanceCreate(
                name="web",
                os="noop",
                hypervisor="fake",
                disk_template="diskless",
            )
        )
        self.assert_works(ops.OpInstanceShutdown(name="web"))
        self.assert_works(ops.OpInstanceStartup(name="web"))
        self.assert_works(ops.OpInstanceReboot(name="web"))
        self.assert_works(ops.OpInstanceRemove(name="web"))

    def test_nodes(self) -> None:
        """Nodes are reserved, looked at before they are admitted, and removed."""
        self.assert_works(ops.OpNodeAdd(name="node9", primary_ip="127.0.0.99"))
        self.assert_works(ops.OpNodeRemove(name="node2"))
        job_id = self.master.submit(ops.OpNodeEnrol(node_uuid=uuid_of(NEW), name=NEW))
        self.master.wait(1.0)
        job = next(job for job in self.master.jobs() if job.id == job_id)
        self.assertIn("another certificate", str(job.error))
        self.assert_kept()

    def test_verify(self) -> None:
        """The group is verified, with repair."""
        self.assert_works(ops.OpClusterVerify())
        self.assert_works(ops.OpClusterVerify(repair=True))

    def test_queries(self) -> None:
        """Nodes, instances and OS definitions of the group are listed."""
        service = QueryService(
            self.master.clock, self.master.config, self.master.rpc, self.master.queue
        )
        kinds: tuple[QueryKind, ...] = ("node", "instance", "os")
        for kind in kinds:
            request = QueryRequest(kind=kind, group="default")
            self.successResultOf(service.query(request))
        self.assert_kept()

    def test_other_group(self) -> None:
        """What is about the other group does wait for its nodes."""
        self.master.submit(ops.OpClusterVerify(group="b"))
        self.master.wait(1.0)
        self.assertEqual(self.master.jobs()[-1].status, "running")
        called = {call.node_uuid for call in self.master.rpc.calls}
        self.assertEqual(called, {uuid_of(name) for name in OTHERS})
