"""Tests of ``gnt-cluster command`` and ``copyfile``."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Mapping

from ganetix.cli.streams import Streams
from ganetix.opcodes import OpNodesCommand, OpNodesCopyFile
from ganetix.test.cli.support import CommandTestCase


class RemoteCase(CommandTestCase):
    """How jobs of these commands go."""

    def ends(self, **statuses: int) -> None:
        """Have jobs end so on these nodes."""
        nodes = [
            {"node": name, "status": status, "error": ""}
            for name, status in statuses.items()
        ]
        for kind in (OpNodesCommand, OpNodesCopyFile):
            self.master.results[kind] = {"nodes": nodes}

    async def shown(self, line: str, lines: list[str], status: int = 0) -> None:
        """Run a command of which the job's log says so."""
        self.master.automatic = False
        running = self.start(line)
        await self.until(lambda: self.master.watches)
        self.master.advance(1, "running", lines)
        self.master.finish(1)
        self.assertEqual(await running, status)


class FullOutput(io.StringIO):
    """A file for which there is no more room."""

    def write(self, text: str) -> int:
        """Fail as the system does."""
        raise OSError(errno.ENOSPC, "No space left on device")


class NoRoomTests(RemoteCase):
    """Output that cannot be written."""

    def streams(self, stdin: str, environ: Mapping[str, str]) -> Streams:
        """With such a file as standard output."""
        return super().streams(stdin, environ)._replace(stdout=FullOutput())

    async def test_ends(self) -> None:
        """Nobody would see more of it: no more nodes begin."""
        self.master.automatic = False
        running = self.start("gnt-cluster command hostname")
        await self.until(lambda: self.master.watches)
        self.master.advance(1, "running", ["node1 stdout: one"])
        self.assertEqual(await running, 1)
        self.assertEqual(self.master.jobs[1].status, "canceled")


class RemoteTests(RemoteCase):
    """What is submitted, and what the user sees."""

    async def test_words_are_the_commands(self) -> None:
        """Options behind the command's first word are the command's own."""
        self.ends(node1=0)
        line = "gnt-cluster command -g rack2 --parallel 4 ls -l --json /tmp"
        self.assertEqual(await self.run_line(line), 0)
        (op,) = self.master.submitted[0].ops
        expected = OpNodesCommand(
            command="ls -l --json /tmp", group="rack2", parallel=4
        )
        self.assertEqual(op, expected)

    async def test_worst_status(self) -> None:
        """The exit status is the highest of all nodes'."""
        self.ends(node1=0, node2=3, node3=1)
        self.assertEqual(await self.run_line("gnt-cluster command -- false"), 3)

    async def test_json(self) -> None:
        """What each node wrote stands with how it ended there."""
        self.ends(node1=0, node2=3)
        self.master.automatic = False
        running = self.start("gnt-cluster command --json hostname")
        await self.until(lambda: self.master.watches)
        self.master.advance(
            1,
            "running",
            [
                "node1 stdout: one",
                "node2 stdout: a: b",
                "node1 stdout: \\x00two\\c",
                "node2 stderr: no\\xff\\c",
            ],
        )
        self.master.finish(1)
        self.assertEqual(await running, 3)
        first, second = json.loads(self.out)["nodes"]
        self.assertEqual((first["node"], first["status"]), ("node1", 0))
        self.assertEqual((first["stdout"], first["stderr"]), ("one\n\0two", ""))
        self.assertIsNone(first["stdout_base64"])
        self.assertEqual((second["stdout"], second["stderr"]), ("a: b\n", "no\ufffd"))
        self.assertEqual(second["stderr_base64"], "bm//")

    async def test_names(self) -> None:
        """Lines stand behind names, whole, and end in a newline."""
        self.ends(node1=0, node2=0)
        await self.shown(
            "gnt-cluster command x",
            [
                "node1 stdout: on\\c",
                "node2 stdout: two\\x1b",
                "node1 stdout: e",
                "node2 stdout: end\\c",
                "node1 stderr: bad",
            ],
        )
        self.assertEqual(self.out, "node2: two\x1b\nnode1: one\nnode2: end\n")
        self.assertEqual(self.err, "node1: bad\n")

    async def test_one_node(self) -> None:
        """Of one node alone it is as it was, without an end that was not there."""
        self.ends(node1=0)
        await self.shown("gnt-cluster command -n node1 x", ["node1 stdout: a\\c"])
        self.assertEqual(self.out, "a")

    async def test_raw(self) -> None:
        """So it is of all, if that is asked for."""
        self.ends(node1=0, node2=0)
        lines = ["node1 stdout: a\\c", "node2 stdout: b", "node1 stdout: c"]
        await self.shown("gnt-cluster command --raw x", lines)
        self.assertEqual(self.out, "ab\nc\n")

    async def test_no_command(self) -> None:
        """Without a command there is nothing to run."""
        self.assertEqual(await self.run_line("gnt-cluster command -n node1"), 2)
        self.assertIn("command: empty", self.err)
        self.assertEqual(self.master.submitted, [])

    async def test_copy(self) -> None:
        """A file goes to the nodes named."""
        self.ends(node2=0)
        line = "gnt-cluster copyfile -n node2 -n node3 /etc/hosts"
        self.assertEqual(await self.run_line(line), 0)
        (op,) = self.master.submitted[0].ops
        expected = OpNodesCopyFile(path="/etc/hosts", nodes=("node2", "node3"))
        self.assertEqual(op, expected)

    async def test_relative_path(self) -> None:
        """A path that is not absolute is wrong usage."""
        self.assertEqual(await self.run_line("gnt-cluster copyfile hosts"), 2)
        self.assertIn("'hosts' is not the path of a file", self.err)

    async def test_no_node(self) -> None:
        """That nobody was meant is not taken for success."""
        self.ends()
        self.assertEqual(await self.run_line("gnt-cluster command true"), 2)


class TerminalTests(RemoteCase):
    """What a terminal gets."""

    is_terminal = True
    bold = ("node1 stderr: \\x1b[m\\\\ä",)

    async def test_shown(self) -> None:
        """What it would obey is shown."""
        self.ends(node1=0)
        await self.shown("gnt-cluster command -n node1 x", [*self.bold])
        self.assertEqual(self.err, "\\x1b[m\\ä\n")

    async def test_raw(self) -> None:
        """Unless it is to have that, too."""
        self.ends(node1=0)
        await self.shown("gnt-cluster command --raw x", [*self.bold])
        self.assertEqual(self.err, "\x1b[m\\ä\n")
