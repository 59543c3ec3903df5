"""Tests of lists about nodes: disks, storage, health, reservations."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix import __version__
from ganetix.api.types import Cell, QueryKind, QueryRequest
from ganetix.config.snapshot import Edits
from ganetix.errors import NotFound, VersionMismatch
from ganetix.objects import JoinToken, NodeGroup
from ganetix.objects.node_calls import DiskSpace, NodeInfo, NodeVerify, VerifyRequest
from ganetix.opcodes import DiskRequest, OpInstanceCreate
from ganetix.query.health import HealthRow
from ganetix.query.service import JobSource, QueryService
from ganetix.query.view import View
from ganetix.rpc.methods import NODE_INFO, NODE_VERIFY
from ganetix.testing.config import make_node, make_snapshot, uuid_of
from ganetix.testing.sim import SimCluster


class NodeQueryTests(SynchronousTestCase):
    """A cluster of three nodes, one offline, one that does not answer."""

    def setUp(self) -> None:
        """Make it, with an instance on the first."""
        self.sim = SimCluster(Path(self.mktemp()), nodes=3)
        self.sim.nodes["node1"].runner.on()
        self.sim.run(
            OpInstanceCreate(
                name="web1",
                os="noop",
                disks=(DiskRequest(size_mib=8),),
                node="node1",
                start=False,
            )
        )
        self.sim.edit_node("node2", offline=True)
        self.sim.rpc.set_down(uuid_of("node3"))
        self.sim.rpc.calls.clear()
        self.service = QueryService(
            self.sim.clock, self.sim.config, self.sim.rpc, cast(JobSource, None)
        )

    def rows(
        self, kind: QueryKind, *fields: str, names: tuple[str, ...] = ()
    ) -> list[tuple[tuple[Cell, ...], str]]:
        """Cells and sources."""
        request = QueryRequest(kind=kind, fields=fields, names=names)
        result = self.successResultOf(self.service.query(request))
        return [(row.cells, row.source) for row in result.rows]

    def change(self, edits: Edits) -> None:
        """Commit."""
        self.successResultOf(self.sim.config.commit(lambda _: edits))

    def test_volumes(self) -> None:
        """A row a disk; silent and offline nodes have one row without values."""
        self.assertEqual(
            self.rows("volume", "node", "instance", "size"),
            [
                (("node1", "web1", 8), "live"),
                (("node2", None, None), "offline"),
                (("node3", None, None), "unreachable"),
            ],
        )
        asked = {call.node_uuid for call in self.sim.rpc.calls}
        self.assertNotIn(uuid_of("node2"), asked)

    def test_stray_volume(self) -> None:
        """A disk of no instance has no name beside it."""
        self.change(Edits(delete=(self.sim.snapshot.instance("web1"),)))
        self.assertEqual(
            self.rows("volume", "instance", names=("node1",)), [(("",), "live")]
        )

    def test_storage(self) -> None:
        """A row for each template that takes space."""
        rows = self.rows("storage", "node", "template", "total", "used")
        (first, source), *others = rows
        self.assertEqual((first[:2], source), (("node1", "file"), "live"))
        self.assertEqual([row[1] for row in others], ["offline", "unreachable"])

    def test_health(self) -> None:
        """Every node has a verdict, asked or not."""
        rows = self.rows("health", "node", "status", "version")
        self.assertEqual(
            [cells for cells, _ in rows],
            [
                ("node1", "error", __version__),
                ("node2", "offline", None),
                ("node3", "unreachable", None),
            ],
        )

    def test_problem(self) -> None:
        """Of a node that does not answer it is told why."""
        (cells, _) = self.rows("health", "problems", names=("node3",))[0]
        self.assertIn("node3 (127.0.0.13:1811) is not reachable: nothing", str(cells))

    def test_refusal(self) -> None:
        """A node that answers with an error is not told as one that does not answer."""
        self.sim.rpc.fail(NODE_INFO, VersionMismatch("upgrade node node1"))
        self.assertEqual(
            self.rows("health", "status", "version", "problems", names=("node1",)),
            [(("error", None, ["upgrade node node1"]), "live")],
        )

    def test_unknown(self) -> None:
        """An unknown node is refused."""
        kinds: tuple[QueryKind, ...] = ("volume", "storage", "health", "reservation")
        for kind in kinds:
            request = QueryRequest(kind=kind, names=("node9",))
            self.failureResultOf(self.service.query(request), NotFound)

    def test_reservations(self) -> None:
        """How far each has come; a member that joins again is marked."""
        now = self.sim.clock.seconds()
        gold = NodeGroup(uuid=uuid_of("gold"), name="gold")
        self.change(Edits(put=(gold,)))
        nine = make_node("node9", "gold", last=19)
        tokens = (
            JoinToken(node=nine, token="t", expires=now + 60),
            JoinToken(node=make_node("node8", last=18), token="t", expires=now - 1),
            JoinToken(node=make_node("node7", last=17)),
            JoinToken(node=make_node("node6", last=16), token="t", used=True),
            JoinToken(node=self.sim.snapshot.node("node2"), token="t", expires=now + 9),
        )
        self.change(Edits(put_tokens=tokens))
        rows = self.rows("reservation", "name", "group", "status", "readd")
        self.assertEqual(
            [cells for cells, _ in rows],
            [
                ("node2", "default", "reserved", True),
                ("node6", "default", "joining", False),
                ("node7", "default", "no-token", False),
                ("node8", "default", "expired", False),
                ("node9", "gold", "reserved", False),
            ],
        )
        request = QueryRequest(kind="reservation", fields=("name",), group="gold")
        result = self.successResultOf(self.service.query(request))
        self.assertEqual([row.cells for row in result.rows], [("node9",)])


class HealthTests(SynchronousTestCase):
    """Verdicts on values."""

    def setUp(self) -> None:
        """A node that is well."""
        node = make_node("node1")
        self.row = HealthRow(
            view=View(make_snapshot(node), {}),
            node=node,
            now=1000.0,
            info=NodeInfo(
                version=__version__,
                node_uuid=node.uuid,
                boot_id="b",
                time=1001.0,
                memory_total_mib=1000,
                memory_free_mib=500,
                cpus=4,
                disk_space=(DiskSpace(template="file", total_mib=100, free_mib=50),),
            ),
            found=replace(
                self.answer(),
                certificate_fingerprint=node.certificate,
                certificate_expires=1000.0 + 365 * 86400,
                problems=(),
                loose_secrets=(),
            ),
        )

    def answer(self) -> NodeVerify:
        """What a node says of itself."""
        sim = SimCluster(Path(self.mktemp()), nodes=1)
        node = sim.snapshot.node("node1")
        return self.successResultOf(sim.rpc.call(node, NODE_VERIFY, VerifyRequest()))

    def verdict(self, **fields: object) -> str:
        """The verdict on a node of which some is different."""
        info, found = self.row.info, self.row.found
        assert info is not None and found is not None
        for name, value in fields.items():
            if name in type(info).__struct_fields__:
                info = replace(info, **{name: value})
            else:
                found = replace(found, **{name: value})
        return replace(self.row, info=info, found=found).verdict

    def test_well(self) -> None:
        """Nothing is wrong."""
        self.assertEqual(self.verdict(), "ok")
        self.assertEqual(self.row.errors, [])

    def test_errors(self) -> None:
        """What must be put right."""
        wrong: dict[str, object] = {
            "version": "9",
            "node_uuid": "another",
            "time": 5000.0,
            "certificate_fingerprint": "another",
            "certificate_expires": 999.0,
            "problems": ("hypervisor kvm: QEMU is not installed",),
            "loose_secrets": ("/x/node.key",),
        }
        for name, value in wrong.items():
            self.assertEqual(self.verdict(**{name: value}), "error", name)

    def test_warnings(self) -> None:
        """What should be looked after."""
        space = (DiskSpace(template="file", total_mib=100, free_mib=4),)
        soon = 1000.0 + 3 * 86400
        for name, value in (
            ("memory_free_mib", 49),
            ("disk_space", space),
            ("certificate_expires", soon),
        ):
            self.assertEqual(self.verdict(**{name: value}), "warning", name)
