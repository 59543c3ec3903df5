"""Tests for units on nodes, groups and the cluster, and for recovery."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from ganetix import opcodes as ops
from ganetix.config.snapshot import Edits
from ganetix.errors import (
    AlreadyExists,
    Cancelled,
    NodeUnreachable,
    NotFound,
    Refused,
    StateFault,
    VersionMismatch,
    WrongState,
)
from ganetix.objects import JoinToken
from ganetix.objects.guest_calls import Purged
from ganetix.objects.intent import InstanceIntent
from ganetix.rpc.methods import (
    DELAY,
    GUEST_LIST,
    GUEST_PURGE,
    NODE_LEAVE,
    NODE_VERIFY,
    Method,
)
from ganetix.rpc.server import Call
from ganetix.testing.config import make_instance, make_node, uuid_of
from ganetix.testing.sim import RecordedProgress, SimCluster
from ganetix.units.recovery import INTERVAL_SECONDS, Recovery
from ganetix.units.worker import UNITS


class SimTests(SynchronousTestCase):
    """A cluster of two nodes."""

    def setUp(self) -> None:
        """Make it."""
        self.sim = SimCluster(Path(self.mktemp()))
        self.progress = RecordedProgress()
        for node in self.sim.nodes.values():
            node.runner.on()

    def refused(self, kind: type[Exception], op: ops.Opcode) -> str:
        """Run an opcode that must fail; the error's text."""
        return str(self.failureResultOf(self.sim.begin(op, self.progress), kind).value)

    def change(self, edits: Edits) -> None:
        """Commit."""
        self.successResultOf(self.sim.config.commit(lambda _: edits))

    def leave_intent(self, job_id: int = 7) -> InstanceIntent:
        """A creation on the second node that was cut short."""
        intent = InstanceIntent(
            instance=make_instance("left1", "node2"), job_id=job_id, step="disks"
        )
        self.change(Edits(put_intents=(intent,)))
        return intent

    def before(self, method: Method[Any, Any], act: Callable[[], object]) -> None:
        """Do something as the first node gets its next call of a method."""
        uuid = self.sim.nodes["node1"].node.uuid
        handlers = dict(self.sim.rpc.handlers[uuid])
        handle = handlers[method.name]

        def handle_late(value: object, call: Call) -> Deferred[object]:
            self.sim.rpc.handlers = {
                **self.sim.rpc.handlers,
                uuid: {**handlers, method.name: handle},
            }
            act()
            return handle(value, call)

        handlers[method.name] = handle_late
        self.sim.rpc.handlers = {**self.sim.rpc.handlers, uuid: handlers}


class NodeTests(SimTests):
    """Tests for units on nodes."""

    def test_every_opcode_has_a_unit(self) -> None:
        """What can be submitted can be done."""
        self.assertEqual(set(UNITS), set(get_args(ops.AnyOpcode)))

    def test_reserve(self) -> None:
        """Adding reserves; the node is no member yet."""
        self.sim.run(ops.OpNodeAdd(name="node3", primary_ip="127.0.0.13"))
        (token,) = self.sim.snapshot.tokens.values()
        self.assertEqual(token.node.name, "node3")
        self.assertEqual(len(self.sim.snapshot.nodes), 2)

    def test_remove_reservation(self) -> None:
        """A reservation is removed by the node's name, without any call."""
        self.sim.run(ops.OpNodeAdd(name="node3", primary_ip="127.0.0.13"))
        self.sim.run(ops.OpNodeRemove(name="node3"))
        self.assertEqual(dict(self.sim.snapshot.tokens), {})
        self.assertEqual(self.sim.rpc.calls, [])

    def test_withdraw(self) -> None:
        """What a new node was promised is taken back; a second time it is not there."""
        self.sim.run(ops.OpNodeAdd(name="node3", primary_ip="127.0.0.13"))
        withdraw = ops.OpNodeRemove(name="node3", reservation=True)
        self.sim.run(withdraw)
        self.assertEqual(dict(self.sim.snapshot.tokens), {})
        error = self.failureResultOf(
            self.sim.begin(withdraw, self.progress), NotFound
        ).value
        self.assertIn("no node 'node3' is about to join", str(error))

    def test_enrol_withdrawn(self) -> None:
        """A node whose reservation was removed meanwhile is named, not numbered."""
        op = ops.OpNodeEnrol(node_uuid=uuid_of("node3"), name="node3")
        error = self.failureResultOf(self.sim.begin(op, self.progress), NotFound).value
        self.assertIn("node node3 has no reservation any more", str(error))

    def test_reserved_is_told(self) -> None:
        """Who asks for a node that is only reserved hears that."""
        self.sim.run(ops.OpNodeAdd(name="node3", primary_ip="127.0.0.13"))
        error = self.assertRaises(NotFound, self.sim.snapshot.node, "node3")
        self.assertIn("node node3 is reserved and has not joined yet", str(error))

    def test_withdraw_readd(self) -> None:
        """A member that was to join again stays the member that it is."""
        self.sim.run(ops.OpNodeAdd(name="node2", readd=True))
        before = self.sim.snapshot.node("node2")
        self.sim.run(ops.OpNodeRemove(name="node2", reservation=True), self.progress)
        self.assertEqual(dict(self.sim.snapshot.tokens), {})
        self.assertEqual(self.sim.snapshot.node("node2"), before)
        self.assertEqual(self.sim.rpc.calls, [])
        self.assertEqual(self.progress.warnings, [])

    def test_withdraw_member(self) -> None:
        """A member that nobody promised anything stays, and that is said."""
        withdraw = ops.OpNodeRemove(name="node2", reservation=True)
        error = self.failureResultOf(
            self.sim.begin(withdraw, self.progress), NotFound
        ).value
        self.assertIn("no node 'node2' is about to join", str(error))
        self.assertEqual(len(self.sim.snapshot.nodes), 2)

    def test_remove(self) -> None:
        """A node that is removed forgets the cluster."""
        self.sim.run(ops.OpNodeRemove(name="node2"))
        self.assertTrue(self.sim.nodes["node2"].has_left)
        self.assertEqual(len(self.sim.snapshot.nodes), 1)

    def test_remove_dead_node(self) -> None:
        """One that does not answer is removed all the same, with a warning."""
        self.sim.rpc.set_down(self.sim.nodes["node2"].node.uuid)
        self.sim.run(ops.OpNodeRemove(name="node2"), self.progress)
        self.assertIn("was not told to leave", self.progress.warnings[0])
        self.assertEqual(len(self.sim.snapshot.nodes), 1)

    def test_remove_clears_what_was_cut_short(self) -> None:
        """What a job left half done on a node goes with the node."""
        self.leave_intent()
        self.sim.run(ops.OpNodeRemove(name="node2"), self.progress)
        self.assertEqual(len(self.sim.rpc.called(GUEST_PURGE)), 1)
        self.assertEqual(dict(self.sim.snapshot.intents), {})
        self.assertEqual(self.progress.warnings, [])

    def test_remove_dead_node_with_something_left(self) -> None:
        """A dead node takes what cannot be cleared with it, and that is said."""
        self.leave_intent()
        self.sim.rpc.set_down(self.sim.nodes["node2"].node.uuid)
        self.sim.run(ops.OpNodeRemove(name="node2"), self.progress)
        self.assertIn("left of left1 stays on node2", self.progress.warnings[0])
        self.assertEqual(dict(self.sim.snapshot.intents), {})
        self.assertEqual(len(self.sim.snapshot.nodes), 1)

    def test_remove_node_with_instances(self) -> None:
        """One that holds instances is not removed, nor told to leave."""
        self.sim.put(make_instance("web1", "node2"))
        self.assertIn("web1", self.refused(WrongState, ops.OpNodeRemove(name="node2")))
        self.assertEqual(self.sim.rpc.called(NODE_LEAVE), [])

    def test_enrol_waits_for_the_daemon(self) -> None:
        """Admission waits until the new daemon answers, then says why it is refused."""
        node = replace(self.sim.nodes["node2"].node, certificate="not what it has")
        self.sim.run(ops.OpNodeRemove(name="node2"))
        self.change(Edits(put_tokens=(JoinToken(node=node, token="t", used=True),)))
        self.sim.rpc.set_down(node.uuid)
        op = ops.OpNodeEnrol(node_uuid=node.uuid, name=node.name)
        done = self.sim.begin(op, self.progress)
        self.sim.clock.advance(5)
        self.assertNoResult(done)
        self.sim.rpc.set_down(node.uuid, False)
        self.sim.clock.advance(5)
        text = str(self.failureResultOf(done, WrongState).value)
        self.assertIn("another certificate", text)
        self.assertIn("0.1.0, the master 1.0", text)

    def test_enrol_gives_up(self) -> None:
        """A daemon that never answers fails the job, in about a minute."""
        node = make_node("node3", last=13)
        self.change(Edits(put_tokens=(JoinToken(node=node, token="t", used=True),)))
        self.sim.rpc.set_down(node.uuid)
        op = ops.OpNodeEnrol(node_uuid=node.uuid, name=node.name)
        done = self.sim.begin(op, self.progress)
        self.sim.clock.pump([1.0] * 70)
        self.failureResultOf(done, NodeUnreachable)


class ClusterTests(SimTests):
    """Tests for units on groups and the cluster."""

    def test_group(self) -> None:
        """A group is added once."""
        self.sim.run(ops.OpGroupAdd(name="gold"))
        self.assertEqual(self.sim.snapshot.group("gold").name, "gold")
        self.refused(AlreadyExists, ops.OpGroupAdd(name="gold"))

    def test_verify_asks_one_group(self) -> None:
        """Verify reports an unreachable node, and asks only nodes of its group."""
        self.sim.run(ops.OpGroupAdd(name="gold"))
        gold = self.sim.snapshot.group("gold")
        node2 = self.sim.snapshot.node("node2")
        self.change(Edits(put=(replace(node2, group=gold.uuid),)))
        self.sim.rpc.set_down(node2.uuid)
        self.sim.run(ops.OpClusterVerify())
        asked = {call.node_uuid for call in self.sim.rpc.calls}
        self.assertNotIn(node2.uuid, asked)
        outcome = self.sim.run(ops.OpClusterVerify(group="gold"))
        self.assertIn("ENODERPC", str(outcome.result))

    def test_verify_of_other_version(self) -> None:
        """A node of another node RPC is told as one of another version."""
        self.sim.rpc.fail(NODE_VERIFY, VersionMismatch("upgrade node node2"))
        outcome = self.sim.run(ops.OpClusterVerify())
        self.assertIn("ENODEVERSION", str(outcome.result))
        self.assertNotIn("ENODERPC", str(outcome.result))

    def test_verify_repairs(self) -> None:
        """``repair`` clears what was cut short, not what a job works on."""
        left = InstanceIntent(
            instance=make_instance("left1", "node1"), job_id=7, step="disks"
        )
        busy = InstanceIntent(
            instance=make_instance("busy1", "node1"), job_id=8, step="disks"
        )
        self.change(Edits(put_intents=(left, busy)))
        self.sim.active.add(8)
        before = self.sim.run(ops.OpClusterVerify())
        self.assertIn("left1", str(before.result))
        self.assertNotIn("busy1", str(before.result))
        after = self.sim.run(ops.OpClusterVerify(repair=True))
        self.assertNotIn("left1", str(after.result))
        self.assertEqual(set(self.sim.snapshot.intents), {busy.instance.uuid})

    def test_verify_beside_a_creation(self) -> None:
        """What is created while the nodes are asked is no finding, nor cut short."""
        op = ops.OpInstanceCreate(
            name="web1", os="noop", disks=(ops.DiskRequest(size_mib=8),), node="node1"
        )
        busy = InstanceIntent(
            instance=make_instance("busy1", "node1"), job_id=8, step="disks"
        )
        self.change(Edits(put_intents=(busy,)))
        self.sim.active.add(8)

        def finish() -> None:
            self.sim.run(op)
            self.sim.put(busy.instance)
            self.change(Edits(delete_intents=(busy.instance.uuid,)))
            self.sim.active.clear()

        self.before(GUEST_LIST, finish)
        outcome = self.sim.run(ops.OpClusterVerify())
        for name in ("web1", "busy1"):
            self.assertNotIn(name, str(outcome.result))

    def test_repair_beside_a_cleanup(self) -> None:
        """Two who clear the same thing at once do not get into each other's way."""
        intent = self.leave_intent()
        uuid = intent.instance.uuid
        cleanup = ops.OpInstanceCleanup(instance_uuid=uuid, name="left1")
        purged = Deferred[Purged]()
        node2 = self.sim.nodes["node2"]
        slow = {**node2.handlers, GUEST_PURGE.name: lambda *_: purged}
        quick = self.sim.rpc.handlers
        self.sim.rpc.handlers = {**quick, node2.node.uuid: slow}
        done = self.sim.begin(cleanup, self.progress)
        self.sim.rpc.handlers = quick
        self.sim.run(ops.OpClusterVerify(repair=True))
        purged.callback(Purged(guest=False, disks=0))
        self.assertIn("no guest", str(self.successResultOf(done).result))

    def test_destroy(self) -> None:
        """A cluster with another node or instances is not destroyed."""
        self.assertIn("node2", self.refused(WrongState, ops.OpClusterDestroy()))
        self.sim.run(ops.OpNodeRemove(name="node2"))
        self.sim.put(make_instance("web1", "node1"))
        self.assertIn("web1", self.refused(WrongState, ops.OpClusterDestroy()))
        self.assertEqual(self.sim.farewells, 0)
        self.change(Edits(delete=(self.sim.snapshot.instance("web1"),)))
        self.sim.run(ops.OpClusterDestroy())
        self.assertEqual(self.sim.farewells, 1)


class DelayTests(SimTests):
    """Tests for ``OpTestDelay``."""

    def test_master_and_nodes(self) -> None:
        """It waits on the master, then on the nodes."""
        op = ops.OpTestDelay(duration=2, on_nodes=("node1", "node2"))
        done = self.sim.begin(op, self.progress)
        self.sim.clock.pump([0.5] * 4)
        self.assertEqual(len(self.sim.rpc.called(DELAY)), 2)
        self.assertNoResult(done)
        self.sim.clock.pump([0.5] * 4)
        self.assertEqual(self.successResultOf(done).result, {"duration": 2})

    def test_cancelled(self) -> None:
        """A cancelled delay ends within a slice."""
        done = self.sim.begin(ops.OpTestDelay(duration=1000), self.progress)
        self.progress.cancel_after = 0
        self.sim.clock.advance(0.5)
        self.failureResultOf(done, Cancelled)

    def test_fails_on_demand(self) -> None:
        """It can be asked to fail."""
        self.refused(Refused, ops.OpTestDelay(duration=0, fail=True))


class RecoveryTests(SimTests):
    """Tests for ``Recovery``."""

    def setUp(self) -> None:
        """A recovery whose submissions are recorded."""
        super().setUp()
        self.submitted: list[ops.Opcode] = []
        self.fault: Exception | None = None
        self.recovery = Recovery(self.sim.services, self.submit)
        self.addCleanup(self.recovery.stop)

    def submit(self, op: ops.Opcode) -> Deferred[int]:
        """Number it; it is not active afterwards."""
        if self.fault is not None:
            return fail(self.fault)
        self.submitted.append(op)
        return succeed(100 + len(self.submitted))

    def advance(self, seconds: float) -> None:
        """Let time pass in steps of the recovery's interval."""
        self.sim.clock.pump([INTERVAL_SECONDS] * int(seconds / INTERVAL_SECONDS))

    def test_submits_cleanup(self) -> None:
        """What no job works on is given to one."""
        intent = self.leave_intent()
        self.recovery.start()
        (op,) = self.submitted
        assert isinstance(op, ops.OpInstanceCleanup)
        self.assertEqual(op.instance_uuid, intent.instance.uuid)

    def test_leaves_running_jobs_alone(self) -> None:
        """What a job works on is left to it, until it has ended."""
        self.leave_intent()
        self.sim.active.add(7)
        self.recovery.start()
        self.assertEqual(self.submitted, [])
        self.sim.active.clear()
        self.advance(INTERVAL_SECONDS)
        self.assertEqual(len(self.submitted), 1)

    def test_waits_for_the_node(self) -> None:
        """No job is submitted while the node is down."""
        self.leave_intent()
        uuid = self.sim.nodes["node2"].node.uuid
        self.sim.rpc.set_down(uuid)
        self.recovery.start()
        self.advance(300)
        self.assertEqual(self.submitted, [])
        self.sim.rpc.set_down(uuid, False)
        self.advance(INTERVAL_SECONDS)
        self.assertEqual(len(self.submitted), 1)

    def test_pauses_grow(self) -> None:
        """Jobs that fail again and again become rare."""
        self.leave_intent()
        self.recovery.start()
        self.advance(600)
        self.assertLess(len(self.submitted), 10)
        self.assertGreater(len(self.submitted), 3)

    def test_store_that_takes_nothing(self) -> None:
        """As soon as jobs are taken again, one is submitted, however long it took."""
        self.leave_intent()
        self.fault = StateFault("the disk is full")
        self.recovery.start()
        self.advance(600)
        self.assertEqual(self.submitted, [])
        self.fault = None
        self.advance(INTERVAL_SECONDS)
        self.assertEqual(len(self.submitted), 1)

    def test_goes_on_after_a_bug(self) -> None:
        """An error that nobody thought of does not end recovery for ever."""
        self.leave_intent()
        self.fault = ValueError("unforeseen")
        self.recovery.start()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.fault = None
        self.advance(INTERVAL_SECONDS)
        self.assertEqual(len(self.submitted), 1)

    def test_enrolled_node(self) -> None:
        """A node that was enrolled and not admitted is tried again, if nobody does."""
        node = self.sim.nodes["node2"].node
        self.sim.run(ops.OpNodeRemove(name="node2"))
        self.change(Edits(put_tokens=(JoinToken(node=node, token="t", used=True),)))
        self.recovery.began(node.uuid, 9)
        self.sim.active.add(9)
        self.recovery.start()
        self.assertEqual(self.submitted, [])
        self.sim.active.clear()
        self.advance(INTERVAL_SECONDS)
        (op,) = self.submitted
        self.assertIsInstance(op, ops.OpNodeEnrol)

    def test_cleanup_is_what_clears(self) -> None:
        """The job that is submitted ends the matter."""
        self.leave_intent()
        self.recovery.start()
        self.sim.run(self.submitted[0])
        self.assertEqual(dict(self.sim.snapshot.intents), {})
        self.assertEqual(len(self.sim.rpc.called(GUEST_PURGE)), 1)
        self.advance(600)
        self.assertEqual(len(self.submitted), 1)
