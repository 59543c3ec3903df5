"""Tests of commands in general: their jobs, progress and ends."""

from __future__ import annotations

import argparse

from twisted.trial.unittest import SynchronousTestCase

from ganetix.cli.main import parser_of
from ganetix.errors import NoResources
from ganetix.jobs.model import Dependency
from ganetix.opcodes import OpClusterVerify, OpGroupAdd
from ganetix.test.cli.support import CommandTestCase


class UsageTests(SynchronousTestCase):
    """The first lines of help."""

    def usage(self, program: str, command: str) -> str:
        """Those of a command."""
        (commands,) = (
            action
            for action in parser_of(program)._actions
            if isinstance(action, argparse._SubParsersAction)
        )
        text: str = commands.choices[command].format_usage()
        return text

    def test_options_are_whole(self) -> None:
        """No line ends between an option and its value."""
        usage = self.usage("gnt-instance", "add")
        self.assertIn(" -o OS[+VARIANT] ", usage)
        self.assertIn(" [--net N[:KEY=VALUE,…] | --no-nics]", usage)
        self.assertTrue(usage.replace("\n", "").isprintable())

    def test_rest_is_named(self) -> None:
        """What takes the rest of the line is called by its name."""
        self.assertIn(" COMMAND ...\n", self.usage("gnt-cluster", "command"))


class JobTests(CommandTestCase):
    """Commands that make jobs."""

    async def test_success(self) -> None:
        """A job's progress goes to stderr, and nothing to stdout."""
        self.assertEqual(await self.run_line("gnt-group add rack2"), 0)
        self.assertEqual(self.master.submitted[0].ops, (OpGroupAdd(name="rack2"),))
        self.assertEqual(self.out, "")
        self.assertIn("job 1: success, GROUP_ADD(rack2)", self.err)

    async def test_failure(self) -> None:
        """A job that fails is status 1, with the reason in one line."""
        self.master.failures[OpGroupAdd] = NoResources("no room")
        self.assertEqual(await self.run_line("gnt-group add rack2"), 1)
        self.assertTrue(self.err.endswith("gnt-group: error: job 1: no room\n"))

    async def test_submit(self) -> None:
        """--submit prints the number alone and does not wait."""
        self.master.automatic = False
        line = "gnt-group add --submit --priority high --reason why rack2"
        self.assertEqual(await self.run_line(line), 0)
        self.assertEqual((self.out, self.err), ("1\n", ""))
        self.assertEqual(self.master.submitted[0].priority, -10)
        self.assertEqual(self.master.submitted[0].reason, "why")

    async def test_wrong_value(self) -> None:
        """A value that an opcode refuses is usage, and nothing is submitted."""
        self.assertEqual(await self.run_line("gnt-group add /bad"), 2)
        self.assertIn("gnt-group: error: name: '/bad' is not a name", self.err)
        self.assertEqual(self.master.submitted, [])

    async def test_interrupt(self) -> None:
        """Ctrl-C says that the job goes on, and how to follow and cancel it."""
        self.master.automatic = False
        running = self.start("gnt-group add rack2")
        await self.until(lambda: self.master.watches)
        await self.until(lambda: self.master.watches[0]._wake)
        running.cancel()
        self.assertEqual(await running, 130)
        self.assertIn("job 1 goes on", self.err)
        self.assertIn("gnt-job cancel 1", self.err)
        self.assertEqual(self.master.jobs[1].status, "queued")

    async def test_depends(self) -> None:
        """--depends names jobs and how they may end; success if it says nothing."""
        line = (
            "gnt-debug delay --depends 7 --depends 8:error+canceled --depends 9:any 1"
        )
        self.assertEqual(await self.run_line(line), 0)
        self.assertEqual(
            self.master.submitted[0].depends,
            (
                Dependency(7, ("success",)),
                Dependency(8, ("error", "canceled")),
                Dependency(9, ()),
            ),
        )

    async def test_wrong_depends(self) -> None:
        """What is no job, or no way to end, is usage."""
        for text, said in (
            ("x", "'x' is not the number of a job"),
            ("-1", "'-1' is not the number of a job"),
            ("0:error", "'0' is not the number of a job"),
            ("7:running", "'running' is not one of success, error, canceled, or any"),
            ("7:", "'' is not one of"),
        ):
            self.assertEqual(
                await self.run_line(f"gnt-debug delay --depends {text} 1"), 2
            )
            self.assertIn(said, self.err)
        self.assertEqual(self.master.submitted, [])

    async def test_no_master(self) -> None:
        """Without a master: one line, with what to do."""
        await self.stop_listening()
        self.assertEqual(await self.run_line("gnt-cluster info"), 1)
        self.assertIn("ganetix-master does not run here", self.err)
        self.assertIn("this host is in no cluster; 'gnt-cluster init'", self.err)
        self.assertEqual(self.err.count("\n"), 1)
        await self.listen()

    async def test_internal_error(self) -> None:
        """An unexpected exception is a line, never a traceback."""
        self.master.results[OpClusterVerify] = {"findings": "nonsense"}
        self.assertEqual(await self.run_line("gnt-cluster verify"), 1)
        self.assertIn("internal error: ValidationError", self.err)
        self.assertNotIn("Traceback", self.err)


class TerminalTests(CommandTestCase):
    """Where a human looks on."""

    is_terminal = True

    async def test_status_line(self) -> None:
        """The status is written over; log lines and the end stay."""
        self.master.automatic = False
        running = self.start("gnt-group add rack2")
        await self.until(lambda: "queued" in self.err)
        self.master.advance(1, "running", ["a line"])
        await self.until(lambda: "running" in self.err)
        self.master.advance(1, "success")
        self.assertEqual(await running, 0)
        kept = [text.rpartition("\r\x1b[K")[2] for text in self.err.split("\n")]
        self.assertEqual(kept[0], "  a line")
        self.assertTrue(kept[1].startswith("job 1: success"))
        self.assertEqual(kept[2], "")
