"""Tests for creating instances."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import (
    AlreadyExists,
    BadParameter,
    Cancelled,
    CommandFailed,
    HypervisorFault,
    NodeUnreachable,
    NoResources,
    NotFound,
    StorageFault,
)
from ganetix.opcodes import DiskRequest, OpInstanceCleanup, OpInstanceCreate
from ganetix.rpc.methods import (
    CREATE_CHECK,
    DISKS_CREATE,
    GUEST_PURGE,
    GUEST_START,
    NODE_INFO,
    OS_CREATE,
)
from ganetix.rpc.server import Call
from ganetix.testing.sim import RecordedProgress, SimCluster


def request(**more: object) -> OpInstanceCreate:
    """A request for an instance with a disk of 1 GiB."""
    fields: dict[str, object] = {
        "name": "web1",
        "os": "noop",
        "disks": (DiskRequest(size_mib=1024),),
        "node": "node1",
    }
    return OpInstanceCreate(**{**fields, **more})  # type: ignore[arg-type]


class InstanceCreateTests(SynchronousTestCase):
    """Tests for ``OpInstanceCreate``."""

    def setUp(self) -> None:
        """A cluster of two nodes whose OS scripts do nothing."""
        self.sim = SimCluster(Path(self.mktemp()))
        for node in self.sim.nodes.values():
            node.runner.on()
        self.node = self.sim.nodes["node1"]

    def assert_clean(self, node_name: str = "node1") -> None:
        """Nothing is left: no instance, no intent, no disk, no guest."""
        node = self.sim.nodes[node_name]
        self.assertEqual(dict(self.sim.snapshot.instances), {})
        self.assertEqual(dict(self.sim.snapshot.intents), {})
        self.assertEqual(self.successResultOf(node.storage.disks()), ())
        self.assertEqual(len(self.successResultOf(node.hypervisor.guests())), 0)

    def refused(
        self,
        kind: type[Exception],
        op: OpInstanceCreate | None = None,
        progress: RecordedProgress | None = None,
    ) -> str:
        """Run a request that must fail; the error's text."""
        done = self.sim.begin(op or request(), progress or RecordedProgress())
        return str(self.failureResultOf(done, kind).value)

    def test_creates_and_starts(self) -> None:
        """The instance is in the configuration and its guest runs with its disk."""
        progress = RecordedProgress()
        self.sim.run(request(), progress)
        instance = self.sim.snapshot.instance("web1")
        self.assertEqual(instance.admin_state, "up")
        self.assertEqual(instance.primary_node, self.node.node.uuid)
        (guest,) = self.successResultOf(self.node.hypervisor.guests())
        self.assertEqual((guest.name, guest.state), ("web1", "running"))
        (disk,) = self.successResultOf(self.node.storage.disks())
        self.assertEqual(disk.disk_uuid, instance.disks[0].uuid)
        self.assertEqual(dict(self.sim.snapshot.intents), {})
        self.assertEqual(progress.warnings, [])

    def test_without_start(self) -> None:
        """With ``start`` off the guest is not started, and should be down."""
        self.sim.run(request(start=False))
        self.assertEqual(self.sim.rpc.called(GUEST_START), [])
        self.assertEqual(self.sim.snapshot.instance("web1").admin_state, "down")

    def test_node_is_chosen(self) -> None:
        """Without a node the one with more free memory is taken, and said so."""
        self.sim.nodes["node2"].memory_free_mib = 5000
        progress = RecordedProgress()
        self.sim.run(request(node=None), progress)
        node2 = self.sim.nodes["node2"].node
        instance = self.sim.snapshot.instance("web1")
        self.assertEqual(instance.primary_node, node2.uuid)
        self.assertIn("node node2 was chosen", progress.lines[0])

    def test_node_down_is_left_out(self) -> None:
        """A node of the group that is down is no candidate, and no hindrance."""
        self.sim.nodes["node2"].memory_free_mib = 5000
        self.sim.rpc.set_down(self.sim.nodes["node2"].node.uuid)
        progress = RecordedProgress()
        self.sim.run(request(node=None), progress)
        instance = self.sim.snapshot.instance("web1")
        self.assertEqual(instance.primary_node, self.node.node.uuid)
        self.assertIn("node2 is left out", progress.warnings[0])

    def test_two_at_once_get_different_memory(self) -> None:
        """Of two that decide at the same time, the second takes what is left."""
        self.sim.nodes["node2"].memory_free_mib = 3000
        self.decide_at_once(self.sim.nodes["node1"].node.name, request(name="web2"))
        progress = RecordedProgress()
        op = request(node=None, memory_mib=2500)
        self.sim.run(op, progress)
        node2 = self.sim.nodes["node2"].node
        self.assertEqual(self.sim.snapshot.instance("web1").primary_node, node2.uuid)
        self.assertIn("node node2 was chosen", progress.lines[0])

    def test_two_at_once_on_one_node(self) -> None:
        """Memory of a node is not promised twice; the second is told what is left."""
        self.decide_at_once("node1", request(name="web2"))
        text = self.refused(NoResources, request(memory_mib=2500))
        self.assertIn("node node1 has 1596 MiB of memory free, needs 2500", text)
        self.assertEqual(list(self.sim.snapshot.instance_index.names), ["web2"])

    def decide_at_once(self, node_name: str, other: OpInstanceCreate) -> None:
        """Have another instance come between the next decision and its record."""
        handlers = dict(self.sim.nodes[node_name].handlers)
        check = handlers[CREATE_CHECK.name]
        others = [replace(other, memory_mib=2500)]

        def check_late(value: object, call: Call) -> Deferred[object]:
            if others:
                self.sim.run(others.pop())
            return check(value, call)

        handlers[CREATE_CHECK.name] = check_late
        node_uuid = self.sim.nodes[node_name].node.uuid
        self.sim.rpc.handlers = {**self.sim.rpc.handlers, node_uuid: handlers}

    def test_refusals(self) -> None:
        """What cannot be honoured is refused before anything is begun."""
        self.sim.run(request(name="old1", start=False))
        for kind, op, shown in (
            (NotFound, request(node="node9"), "node9"),
            (AlreadyExists, request(name="old1"), "old1"),
            (NoResources, request(memory_mib=100_000), "needs 100000"),
            (NoResources, request(disks=(DiskRequest(size_mib=200_000),)), "200000"),
            (BadParameter, request(hypervisor="xen"), "xen"),
            (BadParameter, request(os="beos"), "node node1: OS definition 'beos'"),
        ):
            text = self.refused(kind, op)
            self.assertIn(shown, text)
            self.assertEqual(dict(self.sim.snapshot.intents), {})
            self.assertEqual(list(self.sim.snapshot.instance_index.names), ["old1"])

    def test_node_down(self) -> None:
        """With its node down it fails with the node's name and address."""
        self.sim.rpc.set_down(self.node.node.uuid)
        text = self.refused(NodeUnreachable)
        self.assertIn("node1 (127.0.0.11:1811)", text)
        self.assert_clean()

    def test_every_step_is_undone(self) -> None:
        """Whichever step fails, all that was done is undone, and the log says so."""
        for method, error in (
            (DISKS_CREATE, StorageFault("disk on fire")),
            (OS_CREATE, CommandFailed("create failed with status 3")),
            (GUEST_START, HypervisorFault("no QEMU here")),
        ):
            progress = RecordedProgress()
            self.sim.rpc.fail(method, error)
            text = self.refused(type(error), progress=progress)
            self.assertEqual(text, str(error))
            self.assertIn("undoing", progress.warnings[0])
            self.assertIn("undone: remove what was made on node1", progress.lines)
            self.assert_clean()

    def test_answer_lost(self) -> None:
        """A step whose answer is lost is undone too, though it was done."""
        for method in (DISKS_CREATE, GUEST_START):
            self.sim.rpc.fail(method, NodeUnreachable("cut"), after_running=True)
            self.refused(NodeUnreachable)
            self.assert_clean()

    def test_cancelled_at_every_safe_point(self) -> None:
        """Cancelled at whichever safe point, nothing is left."""
        cancelled = 0
        for after in range(20):
            progress = RecordedProgress()
            progress.cancel_after = after
            done = self.sim.begin(request(), progress)
            if self.sim.snapshot.instances:
                self.successResultOf(done)
                break
            self.failureResultOf(done, Cancelled)
            self.assert_clean()
            cancelled += 1
        self.assertGreaterEqual(cancelled, 4)

    def test_node_dies_in_the_middle(self) -> None:
        """If undoing fails too, that is said, and the intent leads a later clean-up."""
        progress = RecordedProgress()
        self.sim.rpc.fail(OS_CREATE, NodeUnreachable("node1 went away"))
        self.sim.rpc.fail(GUEST_PURGE, NodeUnreachable("node1 is still away"))
        self.refused(NodeUnreachable, progress=progress)
        self.assertIn("could not remove what was made on node1", progress.warnings[-1])
        (intent,) = self.sim.snapshot.intents.values()
        self.assertEqual(intent.step, "install")
        self.sim.run(OpInstanceCleanup(instance_uuid=intent.instance.uuid, name="web1"))
        self.assert_clean()

    def test_intent_precedes_every_effect(self) -> None:
        """Nothing is done on the node before the intent is durable."""
        self.sim.rpc.fail(DISKS_CREATE, StorageFault("x"))
        seen: list[int] = []
        handlers = dict(self.node.handlers)
        original = handlers[GUEST_PURGE.name]

        def purge(value: object, call: object) -> object:
            seen.append(len(self.sim.snapshot.intents))
            return original(value, call)  # type: ignore[arg-type]

        handlers[GUEST_PURGE.name] = purge  # type: ignore[assignment]
        self.sim.rpc.handlers = {self.node.node.uuid: handlers}
        self.refused(StorageFault)
        self.assertEqual(seen, [1])
        order = [call.method for call in self.sim.rpc.calls]
        self.assertEqual(
            order[:3], [NODE_INFO.name, CREATE_CHECK.name, DISKS_CREATE.name]
        )
