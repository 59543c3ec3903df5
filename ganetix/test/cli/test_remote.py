"""Tests of ``gnt-cluster command`` and ``copyfile``."""

from __future__ import annotations

import json

from ganetix.opcodes import OpNodesCommand, OpNodesCopyFile
from ganetix.test.cli.support import CommandTestCase


class RemoteTests(CommandTestCase):
    """What is submitted, and what the user sees."""

    def ends(self, **statuses: int) -> None:
        """Have jobs end so on these nodes."""
        nodes = [
            {"node": name, "status": status, "error": ""}
            for name, status in statuses.items()
        ]
        for kind in (OpNodesCommand, OpNodesCopyFile):
            self.master.results[kind] = {"nodes": nodes}

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
        said = ["node1: one", "node2: a: b", "node1: two"]
        self.master.advance(1, "running", said)
        self.master._finish(1)
        self.assertEqual(await running, 3)
        first = {"node": "node1", "status": 0, "error": "", "output": ["one", "two"]}
        second = {"node": "node2", "status": 3, "error": "", "output": ["a: b"]}
        self.assertEqual(json.loads(self.out), {"job": 1, "nodes": [first, second]})

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
