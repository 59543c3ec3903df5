"""Tests for moving instances: refusals, faults, and the master's death at any step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Edits
from ganetix.errors import (
    Cancelled,
    GanetixError,
    HypervisorFault,
    NodeUnreachable,
    NoResources,
    NotFound,
    WrongState,
)
from ganetix.objects import NodeGroup
from ganetix.objects.intent import InstanceIntent
from ganetix.opcodes import (
    Opcode,
    OpInstanceFailover,
    OpInstanceMigrate,
    OpInstanceShutdown,
    OpInstanceStartup,
    OpNodeRemove,
)
from ganetix.rpc.methods import (
    GUEST_ACCEPT,
    GUEST_RECEIVE,
    GUEST_SEND,
    GUEST_SPEC,
    GUEST_START,
    GUEST_STOP,
    Method,
)
from ganetix.test.units.moving import CREATE, FAILOVER, MIGRATE
from ganetix.testing.config import make_instance, uuid_of
from ganetix.testing.sim import RecordedProgress, SimCluster


class MoveTests(SynchronousTestCase):
    """An instance without disks that runs on the second of three nodes.

    The third has little memory left, so that the first is the better one to go to.
    """

    def setUp(self) -> None:
        """Make it."""
        self.sim = SimCluster(Path(self.mktemp()), nodes=3)
        for node in self.sim.nodes.values():
            node.runner.on()
        self.sim.nodes["node3"].memory_free_mib = 1024
        self.progress = RecordedProgress()
        self.sim.run(CREATE)
        self.uuid = self.sim.snapshot.instance("web1").uuid
        self.sim.rpc.calls.clear()

    def home(self) -> str:
        """The node that the configuration has for the instance."""
        snapshot = self.sim.snapshot
        return snapshot.nodes[snapshot.instance("web1").primary_node].name

    def states(self) -> dict[str, str]:
        """What each node that knows the guest says of it."""
        infos = {
            name: self.successResultOf(node.hypervisor.info(self.uuid))
            for name, node in self.sim.nodes.items()
        }
        return {name: info.state for name, info in infos.items() if info}

    def run_op(self, op: Opcode) -> Any:
        """Run an opcode to its end; its result."""
        return self.sim.run(op, self.progress).result

    def fault(self, op: Opcode, kind: type[Exception] = GanetixError) -> str:
        """Run an opcode that must fail."""
        done = self.sim.begin(op, self.progress)
        return str(self.failureResultOf(done, kind).value)

    def refused(self, op: Opcode, kind: type[Exception] = WrongState) -> str:
        """Run an opcode that must change nothing."""
        before, states = self.sim.snapshot, self.states()
        text = self.fault(op, kind)
        self.assertIs(self.sim.snapshot, before)
        self.assertEqual(self.states(), states)
        return text

    def assert_settled_on(self, name: str) -> None:
        """The instance is on that node only, and nothing is left to be done."""
        self.assertEqual(self.home(), name)
        self.assertEqual(self.states(), {name: "running"})
        self.assertEqual(dict(self.sim.snapshot.intents), {})

    def set_down(self, name: str, is_down: bool = True) -> None:
        """Let a node not answer, or answer again."""
        self.sim.rpc.set_down(self.sim.nodes[name].node.uuid, is_down)

    def fail(  # type: ignore[override]
        self, method: Method[Any, Any], error: GanetixError, after: bool = False
    ) -> None:
        """Let the next call of a method fail, perhaps with its work done."""
        self.sim.rpc.fail(method, error, after_running=after)

    def change(self, edits: Edits) -> None:
        """Commit."""
        self.successResultOf(self.sim.config.commit(lambda _: edits))

    def leave_undecided(self) -> None:
        """Leave a move on record whose sender vanished when all was sent."""
        instance = self.sim.snapshot.instance("web1")
        intent = InstanceIntent(
            instance=instance,
            action="migrate",
            job_id=7,
            step="send",
            target_node=uuid_of("node1"),
        )
        self.change(Edits(put_intents=(intent,)))
        two, one = self.sim.nodes["node2"], self.sim.nodes["node1"]
        spec = self.successResultOf(two.hypervisor.running_spec(self.uuid))
        assert spec is not None
        receiving = one.hypervisor.receive(spec, [], "", "", lambda _: None)
        self.successResultOf(receiving)
        sending = two.hypervisor.send(self.uuid, "", 1, "", lambda _: None)
        self.successResultOf(sending)
        self.set_down("node2")
        self.fault(OpInstanceStartup(name="web1"))
        self.assertIn(self.uuid, self.sim.snapshot.intents)

    def test_failover(self) -> None:
        """It is stopped, and started on the node that was chosen."""
        result = self.run_op(FAILOVER)
        self.assertEqual(result, {"from": "node2", "to": "node1", "how": "failover"})
        self.assert_settled_on("node1")

    def test_failover_to(self) -> None:
        """The node may be named."""
        self.run_op(OpInstanceFailover(name="web1", node="node3"))
        self.assert_settled_on("node3")

    def test_failover_keeps_the_wish(self) -> None:
        """An instance that should be down is only put on the other node."""
        self.run_op(OpInstanceShutdown(name="web1", timeout=0))
        self.sim.rpc.calls.clear()
        self.run_op(FAILOVER)
        self.assertEqual(self.home(), "node1")
        self.assertEqual(self.sim.rpc.called(GUEST_START), [])
        self.assertEqual(self.sim.snapshot.instance("web1").admin_state, "down")

    def test_failover_of_silent_node(self) -> None:
        """Where the node does not answer, it is not started twice."""
        self.set_down("node2")
        text = self.refused(FAILOVER)
        self.assertIn("node2 does not answer", text)
        self.assertIn("--offline yes node2", text)
        self.assertIn("--ignore-consistency", text)

    def test_migration_from_silent_node(self) -> None:
        """No option is advised that moving without it does not have."""
        self.set_down("node2")
        text = self.refused(replace(MIGRATE, allow_failover=True))
        self.assertIn("node2 does not answer", text)
        self.assertNotIn("--ignore-consistency", text)

    def test_failover_by_force(self) -> None:
        """That can be overruled, with a warning."""
        self.set_down("node2")
        self.run_op(replace(FAILOVER, ignore_consistency=True))
        self.assertEqual(self.home(), "node1")
        self.assertIn("may still run", self.progress.warnings[0])
        self.assertEqual(dict(self.sim.snapshot.intents), {})

    def test_failover_of_offline_node(self) -> None:
        """An offline node counts as dead, and is not asked."""
        self.set_down("node2")
        self.sim.edit_node("node2", offline=True)
        self.run_op(FAILOVER)
        self.assertEqual(self.home(), "node1")
        asked = {call.node_uuid for call in self.sim.rpc.calls}
        self.assertNotIn(uuid_of("node2"), asked)

    def test_local_disks(self) -> None:
        """An instance whose disks are on its node alone stays, and says why."""
        self.sim.put(make_instance("db1", "node2"))
        text = self.refused(OpInstanceFailover(name="db1"))
        self.assertIn("template file) are on that node only", text)
        self.assertIn("only", self.refused(OpInstanceMigrate(name="db1")))

    def test_bad_targets(self) -> None:
        """Its own node, an unknown one, one that cannot take it, another group's."""
        gold = NodeGroup(uuid=uuid_of("gold"), name="gold")
        three = self.sim.snapshot.node("node3")
        self.change(Edits(put=(gold,)))
        self.change(Edits(put=(replace(three, group=gold.uuid),)))
        self.sim.edit_node("node1", drained=True)
        for op in (FAILOVER, MIGRATE):
            text = self.refused(replace(op, node="node2"))
            self.assertIn("on node node2 already", text)
            self.refused(replace(op, node="node9"), NotFound)
            text = self.refused(replace(op, node="node1"), NoResources)
            self.assertIn("is drained", text)
            text = self.refused(replace(op, node="node3"))
            self.assertIn("not in group default but in gold", text)

    def test_other_group(self) -> None:
        """Another group must be named."""
        gold = NodeGroup(uuid=uuid_of("gold"), name="gold")
        three = self.sim.snapshot.node("node3")
        self.change(Edits(put=(gold,)))
        self.change(Edits(put=(replace(three, group=gold.uuid),)))
        self.run_op(replace(MIGRATE, group="gold"))
        self.assert_settled_on("node3")

    def test_no_memory(self) -> None:
        """A node without the memory is refused; the reason is said."""
        for name in ("node1", "node3"):
            self.sim.nodes[name].memory_free_mib = 10
        text = self.refused(FAILOVER, NoResources)
        self.assertIn("has 10 MiB of memory free, needs 64", text)

    def test_alone(self) -> None:
        """In a group of one node there is no place to go."""
        for name in ("node1", "node3"):
            node = self.sim.snapshot.node(name)
            gold = NodeGroup(uuid=uuid_of(name + "s"), name=name + "s")
            self.change(Edits(put=(gold,)))
            self.change(Edits(put=(replace(node, group=gold.uuid),)))
        self.assertIn("no other node", self.refused(MIGRATE, NoResources))

    def test_failed_stop(self) -> None:
        """If the stop fails it stays, and runs."""
        self.fail(GUEST_STOP, HypervisorFault("QEMU cannot be ended"))
        self.assertIn("cannot be ended", self.fault(FAILOVER))
        self.assert_settled_on("node2")

    def test_failed_start(self) -> None:
        """If the start fails it is on the other node all the same, and told so."""
        self.fail(GUEST_START, HypervisorFault("no /dev/kvm"))
        text = self.fault(FAILOVER)
        self.assertIn("is on node1 now, but could not be started: no /dev/kvm", text)
        self.assertEqual(self.home(), "node1")
        self.assertEqual(dict(self.sim.snapshot.intents), {})

    def test_migrate(self) -> None:
        """It goes on at the secondary address of the node that was chosen."""
        result = self.run_op(MIGRATE)
        self.assertEqual(result, {"from": "node2", "to": "node1", "how": "migrate"})
        self.assert_settled_on("node1")
        (receive,) = self.sim.rpc.called(GUEST_RECEIVE)
        self.assertEqual(receive.sender, uuid_of("node2"))
        self.assertEqual(receive.address, self.sim.snapshot.node("node1").secondary_ip)
        self.assertEqual(self.sim.rpc.called(GUEST_STOP), [])

    def test_migrate_as_it_runs(self) -> None:
        """What it is sent as is what it was started as, whatever is configured now."""
        instance = self.sim.snapshot.instance("web1")
        self.change(Edits(put=(replace(instance, beparams={"memory_mib": 99}),)))
        self.run_op(MIGRATE)
        (receive,) = self.sim.rpc.called(GUEST_RECEIVE)
        self.assertEqual(receive.guest.memory_mib, 64)

    def test_migrate_stopped(self) -> None:
        """What does not run cannot be migrated, but be failed over if that will do."""
        self.run_op(OpInstanceShutdown(name="web1", timeout=0))
        self.assertIn("admin-down", self.refused(MIGRATE))
        result = self.run_op(replace(MIGRATE, allow_failover=True))
        self.assertEqual(result["how"], "failover")
        self.assertEqual(self.home(), "node1")

    def test_migrate_from_silent_node(self) -> None:
        """A node that does not answer, or is offline, sends nothing."""
        self.set_down("node2")
        self.assertIn("does not answer", self.refused(MIGRATE))
        self.assertIn(
            "may still run", self.refused(replace(MIGRATE, allow_failover=True))
        )
        self.sim.edit_node("node2", offline=True)
        self.assertIn("is offline", self.refused(MIGRATE))
        self.run_op(replace(MIGRATE, allow_failover=True))
        self.assertEqual(self.home(), "node1")

    def test_failures_before_it_left(self) -> None:
        """Whatever fails before it has left: it runs on, and nothing is left."""
        for method in (GUEST_SPEC, GUEST_RECEIVE, GUEST_SEND):
            self.fail(method, HypervisorFault("something failed"))
            self.assertIn("something failed", self.fault(MIGRATE))
            self.assert_settled_on("node2")

    def test_answer_of_the_sender_is_lost(self) -> None:
        """If it did leave, the move goes on although nobody heard of it."""
        self.fail(GUEST_SEND, NodeUnreachable("the answer was lost"), after=True)
        self.run_op(MIGRATE)
        self.assert_settled_on("node1")
        self.assertIn("the answer was lost", self.progress.warnings)

    def test_failed_accept(self) -> None:
        """A receiver that fails at the end has the guest started again."""
        self.fail(GUEST_ACCEPT, HypervisorFault("it died"))
        self.run_op(MIGRATE)
        self.assert_settled_on("node1")

    def test_undecided(self) -> None:
        """Until the sender has answered, nobody starts it anywhere."""
        self.fail(GUEST_SEND, NodeUnreachable("cut off"), after=True)
        send = self.sim.rpc.handlers[uuid_of("node2")]

        def cut_off(value: object, call: Any) -> object:
            answer = send[GUEST_SEND.name](value, call)
            self.set_down("node2")
            return answer

        handlers = {**send, GUEST_SEND.name: cut_off}
        self.sim.rpc.handlers = {
            **self.sim.rpc.handlers,
            uuid_of("node2"): handlers,  # type: ignore[dict-item]
        }
        self.fault(MIGRATE)
        text = self.fault(OpInstanceStartup(name="web1"))
        self.assertIn("nobody knows yet where it runs", text)
        self.assertEqual(self.states(), {"node1": "arriving", "node2": "left"})
        self.set_down("node2", False)
        self.run_op(OpInstanceStartup(name="web1"))
        self.assert_settled_on("node1")

    def test_undecided_and_dead(self) -> None:
        """Once the sender is declared dead, what has arrived goes on."""
        self.leave_undecided()
        self.sim.edit_node("node2", offline=True)
        self.run_op(OpInstanceStartup(name="web1"))
        self.assertEqual(self.home(), "node1")
        self.assertEqual(self.states()["node1"], "running")

    def test_undecided_and_both_dead(self) -> None:
        """With both nodes dead nothing is left to be asked: it stays where it was."""
        self.leave_undecided()
        self.set_down("node1")
        self.sim.edit_node("node2", offline=True)
        self.sim.edit_node("node1", offline=True)
        self.run_op(replace(FAILOVER, node="node3"))
        self.assertEqual(self.home(), "node3")

    def test_cancel(self) -> None:
        """A guest is called back when its job is cancelled."""
        self.sim.nodes["node2"].hypervisor.send_seconds = 100.0
        done = self.sim.begin(MIGRATE, self.progress)
        self.sim.clock.advance(5)
        self.assertEqual(self.states(), {"node1": "arriving", "node2": "running"})
        self.progress.cancel_after = 0
        self.sim.clock.pump([0.5] * 4)
        self.failureResultOf(done, Cancelled)
        self.progress.cancel_after = None
        self.assert_settled_on("node2")
        self.assertIn("calling it back", self.progress.lines)

    def test_sender_dies_when_it_has_left(self) -> None:
        """What is left on a node that went away is tidied up later."""
        two = self.sim.rpc.handlers[uuid_of("node1")]

        def accept(value: object, call: Any) -> object:
            self.set_down("node2")
            return two[GUEST_ACCEPT.name](value, call)

        handlers = {**two, GUEST_ACCEPT.name: accept}
        self.sim.rpc.handlers = {
            **self.sim.rpc.handlers,
            uuid_of("node1"): handlers,  # type: ignore[dict-item]
        }
        self.run_op(MIGRATE)
        self.assertIn("removed when that answers", self.progress.warnings[0])
        self.assertEqual(self.states(), {"node1": "running", "node2": "left"})
        self.run_op(OpInstanceStartup(name="web1"))
        self.set_down("node2", False)
        self.run_op(OpInstanceStartup(name="web1"))
        self.assert_settled_on("node1")

    def test_node_of_a_move_stays(self) -> None:
        """A node cannot be removed while a move from or to it is not at its end."""
        self.leave_undecided()
        self.assertIn("being moved", self.fault(OpNodeRemove(name="node2")))
