"""Tests of commands and files that go to nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Edits
from ganetix.errors import Cancelled, NotAllowed, NotFound, WrongState
from ganetix.objects.remote import MOST_LINES, FileOffer, FilePart, FileState
from ganetix.opcodes import OpNodesCommand, OpNodesCopyFile
from ganetix.rpc.methods import COMMAND_RUN, FILE_COMMIT, FILE_WRITE, Nothing
from ganetix.rpc.server import Call, Handler
from ganetix.testing.sim import RecordedProgress, SimCluster


class RemoteCase(SynchronousTestCase):
    """A cluster of three nodes."""

    def setUp(self) -> None:
        """Make it."""
        self.cluster = SimCluster(Path(self.mktemp()).absolute(), nodes=3)
        self.progress = RecordedProgress()

    def run_op(self, op: OpNodesCommand | OpNodesCopyFile) -> list[tuple[str, int]]:
        """Names of nodes and how it ended there."""
        result: Any = self.cluster.run(op, self.progress).result
        return [(end.node, end.status) for end in result["nodes"]]

    def refused(
        self, kind: type[Exception], op: OpNodesCommand | OpNodesCopyFile
    ) -> None:
        """The opcode fails so."""
        self.failureResultOf(self.cluster.begin(op, self.progress), kind)


class CommandTests(RemoteCase):
    """``OpNodesCommand``."""

    def test_everywhere(self) -> None:
        """Output stands behind its node's name; each node's status is told."""
        for number, sim in enumerate(self.cluster.nodes.values()):
            sim.runner.on("sh", stdout=f"up {number}\n".encode(), status=number)
        ends = self.run_op(OpNodesCommand(command="uptime"))
        self.assertEqual(ends, [("node1", 0), ("node2", 1), ("node3", 2)])
        self.assertIn("node2 stdout: up 1", self.progress.lines)
        self.assertIn("node3: exit status 2", self.progress.warnings)

    def test_too_much(self) -> None:
        """Output that is not told as a whole is no success."""
        for sim in self.cluster.nodes.values():
            sim.runner.on("sh", stdout=b"\n" * (MOST_LINES + 2))
        op = OpNodesCommand(command="yes", nodes=("node1",))
        self.assertEqual(self.run_op(op), [("node1", 255)])
        said = f"node1: 2 lines of its output are missing, {MOST_LINES} are there"
        self.assertIn(said, self.progress.warnings)

    def test_unreachable_node(self) -> None:
        """A node that does not answer is said so, and keeps no other from it."""
        for name in ("node1", "node3"):
            self.cluster.nodes[name].runner.on("sh")
        self.cluster.rpc.set_down(self.cluster.snapshot.node("node2").uuid)
        ends = self.run_op(OpNodesCommand(command="true"))
        self.assertEqual(ends, [("node1", 0), ("node2", 255), ("node3", 0)])

    def test_offline_node_is_left_out(self) -> None:
        """An offline node is not asked, unless it is named: then that is an error."""
        self.cluster.edit_node("node3", offline=True)
        for sim in self.cluster.nodes.values():
            sim.runner.on("sh")
        ends = self.run_op(OpNodesCommand(command="true"))
        self.assertEqual([name for name, _ in ends], ["node1", "node2"])
        self.assertIn("node3 is offline: left out", self.progress.warnings)
        named = OpNodesCommand(command="true", nodes=("node3",))
        self.refused(WrongState, named)

    def test_turned_off(self) -> None:
        """Where the cluster forbids it, nothing is run."""
        cluster = replace(self.cluster.snapshot.cluster, remote_commands=False)
        self.successResultOf(
            self.cluster.config.commit(lambda _: Edits(put=(cluster,)))
        )
        self.refused(NotAllowed, OpNodesCommand(command="true"))
        self.assertEqual(self.cluster.rpc.called(COMMAND_RUN), [])

    def test_unknown_names(self) -> None:
        """A node or group that is not there is an error, and nothing is run."""
        for op in (
            OpNodesCommand(command="true", nodes=("node9",)),
            OpNodesCommand(command="true", group="nowhere"),
        ):
            self.refused(NotFound, op)
        self.assertEqual(self.cluster.rpc.called(COMMAND_RUN), [])

    def test_cancelled(self) -> None:
        """After a cancellation no more nodes begin."""
        self.progress.cancel_after = 2
        for sim in self.cluster.nodes.values():
            sim.runner.on("sh")
        op = OpNodesCommand(command="true", parallel=1)
        self.refused(Cancelled, op)
        self.assertEqual(len(self.cluster.rpc.called(COMMAND_RUN)), 1)

    def test_bad_requests(self) -> None:
        """What makes no sense is refused before it becomes a job."""
        for fields in (
            {"command": " "},
            {"command": "true", "parallel": 0},
            {"command": "true", "timeout_seconds": 0.0},
            {"command": "true", "nodes": ("n",), "group": "g"},
        ):
            self.assertRaises(ValueError, OpNodesCommand, **fields)


class CopyTests(RemoteCase):
    """``OpNodesCopyFile``: nodes of one machine share its files, so one is a stub."""

    def setUp(self) -> None:
        """``node2`` has parts of its own."""
        super().setUp()
        self.source = Path(self.mktemp()).absolute()
        self.data = b"\0\xff" * 1_000_000
        self.source.write_bytes(self.data)
        self.received = b""
        self.committed: list[FileOffer] = []
        self.has_already = 0
        node = self.cluster.nodes["node2"]
        handlers: dict[str, Handler] = {
            **node.handlers,
            "file_offer": self._offer,
            "file_write": self._write,
            "file_commit": self._commit,
        }
        self.cluster.rpc.handlers = {
            **self.cluster.rpc.handlers,
            node.node.uuid: handlers,
        }

    def _offer(self, offer: FileOffer, call: Call) -> Deferred[FileState]:
        async def answer() -> FileState:
            return FileState(received=self.has_already)

        return Deferred.fromCoroutine(answer())

    def _write(self, part: FilePart, call: Call) -> Deferred[Nothing]:
        async def answer() -> Nothing:
            self.received = self.received[: part.offset] + part.data
            return Nothing()

        return Deferred.fromCoroutine(answer())

    def _commit(self, offer: FileOffer, call: Call) -> Deferred[Nothing]:
        async def answer() -> Nothing:
            self.committed.append(offer)
            return Nothing()

        return Deferred.fromCoroutine(answer())

    def test_copied(self) -> None:
        """All bytes arrive in parts; nodes that have the file are left alone."""
        ends = self.run_op(OpNodesCopyFile(path=str(self.source)))
        self.assertEqual(ends, [("node2", 0), ("node3", 0)])
        self.assertEqual(self.received, self.data)
        self.assertEqual(self.committed[0].size, len(self.data))
        self.assertIn("node3: has it already", self.progress.lines)

    def test_goes_on(self) -> None:
        """What an earlier try has brought is not sent again."""
        self.has_already = 1_500_000
        self.received = self.data[:1_500_000]
        self.run_op(OpNodesCopyFile(path=str(self.source), nodes=("node2",)))
        self.assertEqual(self.received, self.data)
        (part,) = self.cluster.rpc.called(FILE_WRITE)
        self.assertEqual(part.offset, 1_500_000)

    def test_no_such_file(self) -> None:
        """A file that is not there is an error, and no node is asked."""
        self.refused(NotFound, OpNodesCopyFile(path="/no/such"))
        self.assertEqual(self.cluster.rpc.called(FILE_COMMIT), [])

    def test_bad_paths(self) -> None:
        """Only plain absolute paths of files are taken."""
        for path in ("etc/hosts", "/etc/", "/etc/../x", "/a\nb", ""):
            self.assertRaises(ValueError, OpNodesCopyFile, path=path)
