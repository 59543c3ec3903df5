"""Tests for units that change nodes."""

from __future__ import annotations

from dataclasses import replace as with_fields
from pathlib import Path

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix import __version__
from ganetix.config.snapshot import Edits
from ganetix.errors import GanetixError, WrongState
from ganetix.opcodes import Opcode, OpNodeModify, OpNodePowercycle, OpNodeRemove
from ganetix.plan.guest import guest_spec
from ganetix.rpc.methods import GUEST_PURGE, NODE_INFO
from ganetix.testing.config import make_instance
from ganetix.testing.sim import RecordedProgress, SimCluster
from ganetix.units.worker import LogicalUnits


class ModifyTests(SynchronousTestCase):
    """A cluster of three nodes, whose pool of two is full."""

    def setUp(self) -> None:
        """Make it."""
        self.sim = SimCluster(Path(self.mktemp()), nodes=3)
        self.sim.services = with_fields(self.sim.services, version=__version__)
        self.sim.units = LogicalUnits(self.sim.services)
        self.progress = RecordedProgress()
        self.sim.edit_node("node1", master_candidate=True)
        self.sim.edit_node("node2", master_candidate=True)
        cluster = replace(self.sim.snapshot.cluster, candidate_pool_size=2)
        done = self.sim.config.commit(lambda _: Edits(put=(cluster,)))
        self.successResultOf(done)

    def modify(self, name: str = "node2", **wishes: object) -> object:
        """Change a node; the job's result."""
        op = OpNodeModify(name=name, **wishes)  # type: ignore[arg-type]
        return self.sim.run(op, self.progress).result

    def refused(self, op: Opcode) -> str:
        """Run an opcode that must fail; nothing may have changed."""
        before = self.sim.snapshot
        done = self.sim.begin(op, self.progress)
        error = self.failureResultOf(done, GanetixError).value
        self.assertIs(self.sim.snapshot, before)
        return str(error)

    def run_guest(self, name: str, node: str, home: str) -> None:
        """Have a guest run on a node, its instance at home on perhaps another."""
        instance = replace(
            make_instance(name, home), disk_template="diskless", disks=()
        )
        self.sim.put(instance)
        spec = guest_spec(instance, self.sim.snapshot)
        hypervisor = self.sim.nodes[node].hypervisor
        self.successResultOf(hypervisor.start(spec, [], lambda _: None))

    def guests(self, node: str) -> list[str]:
        """Names of what a node knows of."""
        found = self.successResultOf(self.sim.nodes[node].hypervisor.guests())
        return [guest.name for guest in found]

    def down(self, name: str) -> None:
        """Let a node not answer."""
        self.sim.rpc.set_down(self.sim.nodes[name].node.uuid)

    def test_offline_dead(self) -> None:
        """A dead node goes offline, and a candidate takes its place in one commit."""
        self.down("node2")
        revision = self.sim.snapshot.revision
        result = self.modify(offline=True)
        self.assertEqual(self.sim.snapshot.revision, revision + 1)
        self.assertTrue(self.sim.snapshot.node("node2").offline)
        self.assertTrue(self.sim.snapshot.node("node3").master_candidate)
        self.assertIn("node3", str(result))
        self.assertIn("node node3 becomes a master candidate", self.progress.lines)

    def test_offline_alive(self) -> None:
        """One that answers and runs guests does not go offline unless forced."""
        self.run_guest("web1", "node2", home="node2")
        text = self.refused(OpNodeModify(name="node2", offline=True))
        self.assertIn("answers and runs web1", text)
        self.modify(offline=True, force=True)
        self.assertTrue(self.sim.snapshot.node("node2").offline)

    def test_back(self) -> None:
        """A node that comes back answers first."""
        self.sim.edit_node("node2", offline=True, master_candidate=False)
        self.down("node2")
        text = self.refused(OpNodeModify(name="node2", offline=False))
        self.assertIn("not reachable", text)
        self.sim.rpc.set_down(self.sim.nodes["node2"].node.uuid, False)
        self.modify(offline=False)
        self.assertFalse(self.sim.snapshot.node("node2").offline)

    def test_back_by_force(self) -> None:
        """Without the node's word only by force, with a warning."""
        self.sim.edit_node("node2", offline=True)
        self.down("node2")
        self.modify(offline=False, force=True)
        self.assertIn("not reachable", self.progress.warnings[0])

    def test_back_with_stale_guests(self) -> None:
        """What was started elsewhere meanwhile is ended before the node is back."""
        self.sim.edit_node("node2", offline=True)
        self.run_guest("web1", "node2", home="node3")
        self.run_guest("web2", "node2", home="node2")
        self.modify(offline=False)
        self.assertEqual(self.guests("node2"), ["web2"])
        (purge,) = self.sim.rpc.called(GUEST_PURGE)
        self.assertEqual(purge.disk_templates, ())

    def test_address(self) -> None:
        """A new address is asked first, with the node's name in its certificate."""
        self.modify(primary_ip="127.0.0.99")
        self.assertEqual(self.sim.snapshot.node("node2").primary_ip, "127.0.0.99")
        self.assertEqual(len(self.sim.rpc.called(NODE_INFO)), 1)

    def test_address_that_does_not_answer(self) -> None:
        """Where the node does not answer it is not moved, unless forced."""
        self.down("node2")
        op = OpNodeModify(name="node2", primary_ip="127.0.0.99")
        self.assertIn("--force", self.refused(op))
        self.modify(primary_ip="127.0.0.99", force=True)
        self.assertEqual(self.sim.snapshot.node("node2").primary_ip, "127.0.0.99")

    def test_flags_ask_nobody(self) -> None:
        """Roles and flags change without a call."""
        self.modify(drained=True)
        self.assertEqual(self.sim.rpc.calls, [])

    def test_removal_promotes(self) -> None:
        """The pool is kept at its size when a candidate is removed."""
        self.sim.run(OpNodeRemove(name="node2"), self.progress)
        self.assertTrue(self.sim.snapshot.node("node3").master_candidate)
        self.assertIn("node node3 becomes a master candidate", self.progress.lines)

    def test_powercycle(self) -> None:
        """No power is cut: the master's, under guests, or without means."""
        self.run_guest("web1", "node2", home="node2")
        for op, reason in (
            (OpNodePowercycle(name="node1"), "is the master"),
            (OpNodePowercycle(name="node2"), "runs web1"),
            (OpNodePowercycle(name="node2", force=True), "no out-of-band helper"),
            (OpNodePowercycle(name="node3"), "no out-of-band helper"),
        ):
            self.assertIn(reason, self.refused(op))

    def test_powercycle_silent(self) -> None:
        """Of a node that does not answer, what should run there counts."""
        self.sim.put(replace(make_instance("web1", "node2"), admin_state="up"))
        self.down("node2")
        self.assertIn("web1", self.refused(OpNodePowercycle(name="node2")))
        done = self.sim.begin(OpNodePowercycle(name="node3"), self.progress)
        self.failureResultOf(done, WrongState)
