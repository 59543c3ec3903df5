"""Tests for starting, stopping, rebooting and removing instances."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import (
    Cancelled,
    ClusterFault,
    HypervisorFault,
    NodeUnreachable,
    NotFound,
    WrongState,
)
from ganetix.objects import GuestState
from ganetix.opcodes import (
    DiskRequest,
    Opcode,
    OpInstanceCreate,
    OpInstanceReboot,
    OpInstanceRemove,
    OpInstanceShutdown,
    OpInstanceStartup,
)
from ganetix.rpc.methods import GUEST_PURGE, GUEST_RESET, GUEST_START, GUEST_STOP
from ganetix.testing.sim import RecordedProgress, SimCluster


class InstanceRunTests(SynchronousTestCase):
    """Tests on an instance that runs on the first of two nodes."""

    def setUp(self) -> None:
        """Create it."""
        self.sim = SimCluster(Path(self.mktemp()))
        self.node = self.sim.nodes["node1"]
        self.node.runner.on()
        self.sim.run(
            OpInstanceCreate(
                name="web1",
                os="noop",
                disks=(DiskRequest(size_mib=64),),
                node="node1",
            )
        )
        self.progress = RecordedProgress()

    @property
    def state(self) -> GuestState | None:
        """What the node says of the guest."""
        guests = self.successResultOf(self.node.hypervisor.guests())
        return guests[0].state if guests else None

    @property
    def admin_state(self) -> str:
        """What the administrator wants."""
        return self.sim.snapshot.instance("web1").admin_state

    def refused(self, kind: type[Exception], op: Opcode) -> str:
        """Run an opcode that must fail; the error's text."""
        return str(self.failureResultOf(self.sim.begin(op, self.progress), kind).value)

    def test_stop(self) -> None:
        """Stopping says how the guest ended, and records the wish."""
        outcome = self.sim.run(OpInstanceShutdown(name="web1"), self.progress)
        self.assertEqual(outcome.result, {"how": "the guest powered off"})
        self.assertEqual((self.state, self.admin_state), ("admin-down", "down"))
        self.assertIn("web1: the guest powered off", self.progress.lines)

    def test_stop_by_force(self) -> None:
        """A guest that ignores the power button is ended, and that is said."""
        self.node.hypervisor.ignores_power_button = True
        outcome = self.sim.run(OpInstanceShutdown(name="web1", timeout=1))
        self.assertIn("was ended", str(outcome.result))
        self.assertEqual(self.state, "admin-down")

    def test_stop_twice(self) -> None:
        """Stopping one that is down succeeds and says so."""
        self.sim.run(OpInstanceShutdown(name="web1"))
        outcome = self.sim.run(OpInstanceShutdown(name="web1"))
        self.assertEqual(outcome.result, {"how": "the guest was down already"})

    def test_failed_stop_changes_nothing(self) -> None:
        """If the node fails to stop it, the wish is taken back."""
        self.sim.rpc.fail(GUEST_STOP, HypervisorFault("no"))
        self.refused(HypervisorFault, OpInstanceShutdown(name="web1"))
        self.assertEqual((self.state, self.admin_state), ("running", "up"))

    def test_start(self) -> None:
        """A stopped instance starts again."""
        self.sim.run(OpInstanceShutdown(name="web1"))
        outcome = self.sim.run(OpInstanceStartup(name="web1"))
        self.assertEqual(outcome.result, {"started": True, "node": "node1"})
        self.assertEqual((self.state, self.admin_state), ("running", "up"))

    def test_start_running(self) -> None:
        """One that runs is left as it is."""
        calls = len(self.sim.rpc.called(GUEST_START))
        outcome = self.sim.run(OpInstanceStartup(name="web1"), self.progress)
        self.assertEqual(outcome.result, {"started": False, "node": "node1"})
        self.assertEqual(len(self.sim.rpc.called(GUEST_START)), calls)
        self.assertIn("runs already", self.progress.lines[0])

    def test_failed_start_changes_nothing(self) -> None:
        """If it does not start, it stays down as the administrator had it."""
        self.sim.run(OpInstanceShutdown(name="web1"))
        self.node.hypervisor.failures.append(HypervisorFault("no memory"))
        text = self.refused(HypervisorFault, OpInstanceStartup(name="web1"))
        self.assertIn("no memory", text)
        self.assertEqual((self.state, self.admin_state), ("admin-down", "down"))

    def test_wish_stays_if_the_outcome_is_unknown(self) -> None:
        """A node that did it, and whose answer was lost, does what is on record."""
        self.sim.rpc.fail(GUEST_STOP, NodeUnreachable("cut"), after_running=True)
        self.refused(NodeUnreachable, OpInstanceShutdown(name="web1"))
        self.assertEqual((self.state, self.admin_state), ("admin-down", "down"))
        self.sim.rpc.fail(GUEST_START, NodeUnreachable("cut"), after_running=True)
        self.refused(NodeUnreachable, OpInstanceStartup(name="web1"))
        self.assertEqual((self.state, self.admin_state), ("running", "up"))

    def test_wish_is_durable_before_the_start(self) -> None:
        """A master that dies while starting leaves the wish on record."""
        self.sim.run(OpInstanceShutdown(name="web1"))
        self.sim.rpc.fail(
            GUEST_START, NodeUnreachable("the master dies here"), after_running=True
        )
        seen: list[str] = []
        self.sim.config.on_change(lambda _, new: seen.append(self.admin_state))
        self.refused(NodeUnreachable, OpInstanceStartup(name="web1"))
        self.assertEqual(seen, ["up"])

    def test_reboot(self) -> None:
        """A soft reboot stops and starts, a hard one resets."""
        self.sim.run(OpInstanceReboot(name="web1"))
        self.assertEqual(self.state, "running")
        self.assertEqual(len(self.sim.rpc.called(GUEST_STOP)), 1)
        self.sim.run(OpInstanceReboot(name="web1", mode="hard"))
        self.assertEqual(len(self.sim.rpc.called(GUEST_RESET)), 1)

    def test_reboot_of_one_that_is_down(self) -> None:
        """It is refused, with the state and what to do."""
        self.sim.run(OpInstanceShutdown(name="web1"))
        text = self.refused(WrongState, OpInstanceReboot(name="web1"))
        self.assertIn("start it instead", text)

    def test_remove(self) -> None:
        """Guest, disks and configuration are gone."""
        outcome = self.sim.run(OpInstanceRemove(name="web1"))
        self.assertEqual(outcome.result, {"disks": 1})
        self.assertIsNone(self.state)
        self.assertEqual(self.successResultOf(self.node.storage.disks()), ())
        self.assertRaises(NotFound, self.sim.snapshot.instance, "web1")
        self.assertEqual(dict(self.sim.snapshot.intents), {})

    def test_remove_with_its_node_down(self) -> None:
        """It is refused and nothing changed, unless failures are to be ignored."""
        self.sim.rpc.set_down(self.node.node.uuid)
        self.refused(NodeUnreachable, OpInstanceRemove(name="web1"))
        self.assertEqual(self.admin_state, "up")
        self.sim.run(OpInstanceRemove(name="web1", ignore_failures=True), self.progress)
        self.assertEqual(dict(self.sim.snapshot.instances), {})
        (intent,) = self.sim.snapshot.intents.values()
        self.assertEqual(intent.action, "remove")
        self.assertIn("when that answers", self.progress.warnings[-1])

    def test_remove_cancelled(self) -> None:
        """Given up once the guest was stopped, the instance is one that is down."""
        self.progress.cancel_after = 1
        self.refused(Cancelled, OpInstanceRemove(name="web1"))
        self.assertEqual((self.state, self.admin_state), ("admin-down", "down"))

    def test_remove_with_a_guest_that_cannot_be_stopped(self) -> None:
        """It is refused and nothing changed, unless failures are to be ignored."""
        self.sim.rpc.fail(GUEST_STOP, HypervisorFault("no"))
        self.refused(HypervisorFault, OpInstanceRemove(name="web1"))
        self.assertEqual((self.state, self.admin_state), ("running", "up"))
        self.sim.rpc.fail(GUEST_STOP, HypervisorFault("no"))
        self.sim.run(OpInstanceRemove(name="web1", ignore_failures=True))
        self.assertEqual(dict(self.sim.snapshot.instances), {})

    def test_node_dies_while_removing(self) -> None:
        """Past the point of no return, what is left is on record, and said."""
        self.sim.rpc.fail(GUEST_PURGE, NodeUnreachable("gone"))
        text = self.refused(ClusterFault, OpInstanceRemove(name="web1"))
        self.assertIn("is removed when that answers", text)
        self.assertEqual(len(self.sim.snapshot.intents), 1)

    def test_offline_node(self) -> None:
        """An instance on an offline node is refused without a call."""
        self.sim.edit_node("node1", offline=True)
        calls = len(self.sim.rpc.calls)
        text = self.refused(WrongState, OpInstanceStartup(name="web1"))
        self.assertIn("node1 of instance web1 is offline", text)
        self.assertEqual(len(self.sim.rpc.calls), calls)
