"""Tests of ``gnt-job``."""

from __future__ import annotations

from ganetix.test.cli.support import QueriedTestCase, table


class JobTests(QueriedTestCase):
    """Jobs are listed, waited for, changed and archived."""

    async def test_change_priority(self) -> None:
        """A priority is a word or a number; jobs that have ended are refused."""
        self.master.automatic = False
        await self.run_line("gnt-debug delay --submit 1")
        await self.run_line("gnt-debug delay --submit 1")
        self.assertEqual(await self.run_line("gnt-job change-priority high 1"), 0)
        self.assertEqual(self.out, "job 1 has priority -10\n")
        self.assertEqual(await self.run_line("gnt-job change-priority -10 2"), 0)
        self.assertEqual(self.master.jobs[2].priority, -10)
        self.master.advance(1, "success")
        self.assertEqual(await self.run_line("gnt-job change-priority low 1 2"), 1)
        self.assertEqual(self.out, "job 2 has priority 10\n")
        self.assertIn("error: job 1 has ended already: success", self.err)
        self.assertEqual(await self.run_line("gnt-job change-priority 5 1"), 2)
        self.assertIn("PRIORITY: '5' is not one of low, normal, high", self.err)

    async def test_archive(self) -> None:
        """Jobs are archived by number, by age, or all."""
        self.master.automatic = False
        for _ in range(3):
            await self.run_line("gnt-debug delay --submit 1")
        self.master.advance(1, "success")
        self.assertEqual(await self.run_line("gnt-job archive 1 2"), 1)
        self.assertEqual(self.out, "job 1 is archived\n")
        self.assertIn("error: job 2 has not ended: it is queued", self.err)
        self.master.advance(2, "success")
        self.assertEqual(await self.run_line("gnt-job archive --older-than 1h"), 0)
        self.assertEqual(self.out, "archived 0 jobs\n")
        self.assertEqual(await self.run_line("gnt-job archive --all"), 0)
        self.assertEqual(self.out, "archived 1 job\n")

    async def test_archive_what(self) -> None:
        """Without jobs, or with several ways to name them, it is usage."""
        for rest in ("", " --all 1", " --all --older-than 1h", " --older-than x"):
            self.assertEqual(await self.run_line(f"gnt-job archive{rest}"), 2)
        self.assertEqual(await self.run_line("gnt-job archive 99"), 1)
        self.assertEqual(self.err, "gnt-job: error: there is no job 99\n")

    async def test_list_archived(self) -> None:
        """--archived is asked for."""
        self.answers["job"] = lambda _: table("id")
        await self.run_line("gnt-job list --archived")
        await self.run_line("gnt-job list")
        self.assertEqual([r.archived for r in self.requests], [True, False])

    async def test_why(self) -> None:
        """What jobs wait for is a line each."""
        self.answers["job"] = lambda _: table(
            "id status summary why",
            (7, "queued", "TEST_DELAY(1)", "waits for job 6"),
            (8, "running", "TEST_DELAY(1)", None),
        )
        self.assertEqual(await self.run_line("gnt-job why 7 8"), 0)
        self.assertEqual(
            self.out,
            "job 7, TEST_DELAY(1): queued, waits for job 6\n"
            "job 8, TEST_DELAY(1): running, waits for nothing\n",
        )

    async def test_wait(self) -> None:
        """wait prints how jobs ended; watch their logs from the beginning."""
        self.master.automatic = False
        await self.run_line("gnt-debug delay --submit 1")
        self.master.advance(1, "error", ["one"])
        self.assertEqual(await self.run_line("gnt-job wait 1"), 1)
        self.assertEqual((self.out, self.err), ("1 error\n", ""))
        self.assertEqual(await self.run_line("gnt-job watch 1"), 1)
        self.assertIn("  one\n", self.err)
        self.assertEqual(await self.run_line("gnt-job wait 99"), 1)
        self.assertEqual(self.err, "gnt-job: error: there is no job 99\n")

    async def test_cancel(self) -> None:
        """A job that has ended cannot be cancelled: status 1."""
        await self.run_line("gnt-debug delay 1")
        self.assertEqual(await self.run_line("gnt-job cancel 1"), 1)
        self.assertIn("ended already", self.err)
