"""Tests of ``gnt-instance``."""

from __future__ import annotations

from ganetix.errors import NoResources
from ganetix.opcodes import (
    OpInstanceFailover,
    OpInstanceMigrate,
    OpInstanceRemove,
    OpInstanceShutdown,
    OpInstanceStartup,
)
from ganetix.test.cli.support import CommandTestCase, QueriedTestCase, table


class StateTests(QueriedTestCase):
    """Commands with a job for each instance."""

    async def test_several(self) -> None:
        """Several instances are a job each; one failure is status 1."""
        self.assertEqual(await self.run_line("gnt-instance start web1 web2 web1"), 0)
        self.assertEqual(
            self.submitted,
            [OpInstanceStartup(name="web1"), OpInstanceStartup(name="web2")],
        )
        self.master.failures[OpInstanceShutdown] = NoResources("no")
        self.assertEqual(
            await self.run_line("gnt-instance stop --timeout 5s web1 web2"), 1
        )
        self.assertIn("2 of 2 jobs failed: 3, 4", self.err)
        self.assertEqual(
            self.submitted[-1], OpInstanceShutdown(name="web2", timeout=5.0)
        )

    async def test_selection(self) -> None:
        """-g and --all select by query; nothing selected is usage."""
        self.answers["instance"] = lambda _: table("name", ("web1",), ("web2",))
        self.assertEqual(await self.run_line("gnt-instance start -g rack2"), 0)
        self.assertEqual(len(self.master.submitted), 2)
        self.assertEqual(await self.run_line("gnt-instance stop"), 2)
        self.assertIn("which instances?", self.err)
        self.assertEqual(await self.run_line("gnt-instance stop --all"), 1)
        self.assertIn("give -f", self.err)
        self.assertEqual(await self.run_line("gnt-instance stop -f --all"), 0)
        self.assertEqual(len(self.master.submitted), 4)

    async def test_remove_needs_force(self) -> None:
        """Where nobody can answer, removal needs -f."""
        self.assertEqual(await self.run_line("gnt-instance remove web1", "y\n"), 1)
        self.assertEqual(self.master.submitted, [])
        self.assertEqual(await self.run_line("gnt-instance remove -f web1"), 0)
        self.assertEqual(self.asked(), OpInstanceRemove(name="web1"))

    async def test_moves(self) -> None:
        """Single instances are moved; failover asks first."""
        await self.run_line("gnt-instance migrate -n node3 --allow-failover web1 web1")
        await self.run_line("gnt-instance failover web1")
        await self.run_line("gnt-instance failover -f -g rack2 -I . web1")
        self.assertEqual(
            self.submitted,
            [
                OpInstanceMigrate(name="web1", node="node3", allow_failover=True),
                OpInstanceFailover(name="web1", group="rack2", iallocator="."),
            ],
        )
        line = "gnt-instance migrate -n node3 -I hail web1"
        self.assertEqual(await self.run_line(line), 2)
        self.assertIn("-I: a node is named already", self.err)


class ConsoleTests(CommandTestCase):
    """The serial console."""

    async def test_console_log(self) -> None:
        """The end of the console's log is printed, without its control sequences."""
        self.master.console_log = "one\nguest# \x1b[6n\x1b[1;32mtwo\x07\r\n"
        self.assertEqual(await self.run_line("gnt-instance console --log -n 1 w"), 0)
        self.assertEqual(self.out, "guest# two\n")

    async def test_console_needs_terminal(self) -> None:
        """Without a terminal there is no console."""
        self.assertEqual(await self.run_line("gnt-instance console web1"), 1)
        self.assertIn("needs a terminal", self.err)


class TerminalTests(CommandTestCase):
    """Where a human looks on."""

    is_terminal = True

    async def test_confirm(self) -> None:
        """Removal asks; anything but yes does nothing."""
        self.assertEqual(await self.run_line("gnt-instance remove web1", "\n"), 1)
        self.assertIn("nothing was done", self.err)
        self.assertEqual(self.master.submitted, [])
        self.assertEqual(await self.run_line("gnt-instance remove web1", "y\n"), 0)
        self.assertEqual(len(self.master.submitted), 1)
