"""Tests of jobs and consoles that are followed."""

from __future__ import annotations

from twisted.internet.defer import CancelledError

from ganetix.api.server import LINES_PER_EVENT
from ganetix.errors import HypervisorFault, NotFound, Unavailable
from ganetix.jobs.values import JobUpdate, SubmitRequest
from ganetix.opcodes import OpTestDelay
from ganetix.test.api.support import ServedMasterTestCase

DELAY = SubmitRequest(ops=(OpTestDelay(duration=1),))


class FollowTests(ServedMasterTestCase):
    """Jobs seen from afar."""

    async def setUp(self) -> None:  # type: ignore[override]
        """A client, and what it hears."""
        await super().setUp()
        self.master.automatic = False
        self.api = await self.client()
        self.updates: list[JobUpdate] = []

    @property
    def lines(self) -> list[str]:
        """All log lines so far."""
        return [line.text for update in self.updates for line in update.lines]

    async def test_until_the_end(self) -> None:
        """All states and lines arrive in order, and the job at its end."""
        await self.api.submit([DELAY])
        following = self.api.follow(1, self.updates.append)
        await self.until(lambda: self.updates)
        self.master.advance(1, "running", ["one"])
        await self.until(lambda: self.lines)
        self.master.advance(1, "success", ["two"])
        job = await following
        self.assertEqual(job.status, "success")
        self.assertEqual(self.lines, ["one", "two"])

    async def test_run(self) -> None:
        """Jobs that are submitted and followed at once are told of as others are."""
        ids: list[tuple[int, ...]] = []
        running = self.api.run([DELAY] * 2, self.updates.append, on_submit=ids.append)
        await self.until(lambda: ids)
        self.assertEqual(ids, [(1, 2)])
        self.master.advance(2, "success", ["two"])
        self.master.advance(1, "error", ["one"])
        jobs = await running
        self.assertEqual([job.status for job in jobs], ["error", "success"])
        self.assertEqual(sorted(self.lines), ["one", "two"])

    async def test_run_across_restart(self) -> None:
        """Jobs that were submitted are followed on after a restart of the master."""
        ids: list[tuple[int, ...]] = []
        running = self.api.run([DELAY], self.updates.append, on_submit=ids.append)
        await self.until(lambda: ids)
        await self.stop_listening()
        self.master.advance(1, "success", ["one"])
        await self.listen()
        (job,) = await running
        self.assertEqual((job.status, self.lines), ("success", ["one"]))

    async def test_run_refused(self) -> None:
        """What is refused is not followed; the connection goes on."""
        self.master.error = NotFound("no such thing")
        with self.assertRaises(NotFound):
            await self.api.run([DELAY], self.updates.append)
        self.master.error = None
        self.assertEqual(await self.api.submit([DELAY]), (1,))

    async def test_ended_job(self) -> None:
        """A job that has ended is told at once, with its log."""
        await self.api.submit([DELAY])
        self.master.advance(1, "error", ["one"])
        job = await self.api.follow(1, self.updates.append)
        self.assertEqual(job.status, "error")
        self.assertEqual(self.lines, ["one"])

    async def test_long_log(self) -> None:
        """A long log arrives whole, in messages of bounded length."""
        await self.api.submit([DELAY])
        texts = [f"line {n}" for n in range(3 * LINES_PER_EVENT + 1)]
        self.master.advance(1, "success", texts)
        await self.api.follow(1, self.updates.append)
        self.assertEqual(self.lines, texts)
        self.assertEqual(len(self.updates), 4)

    async def test_many_jobs(self) -> None:
        """Many jobs are followed at once; they come back in the order asked."""
        await self.api.submit([DELAY] * 300)
        ids = list(range(300, 0, -1))
        following = self.api.follow_many(ids, self.updates.append, ends_only=True)
        await self.until(lambda: self.master.watches)
        for job_id in range(1, 301):
            self.master.advance(job_id, "success", ["one"])
        jobs = await following
        self.assertEqual([job.id for job in jobs], ids)
        self.assertEqual((len(self.updates), self.lines), (300, []))

    async def test_unknown_job(self) -> None:
        """A job that does not exist is an error, not a wait."""
        with self.assertRaises(NotFound):
            await self.api.follow(99, self.updates.append)

    async def test_restart(self) -> None:
        """Across a restart of the master nothing is lost, told twice or unsaid."""
        await self.api.submit([DELAY])
        following = self.api.follow(1, self.updates.append)
        self.master.advance(1, "running", ["one"])
        await self.until(lambda: self.lines)
        await self.stop_listening()
        self.master.advance(1, "success", ["two"])
        await self.listen()
        job = await following
        self.assertEqual(job.status, "success")
        self.assertEqual(self.lines, ["one", "two"])
        self.assertEqual(len(self.said), 2)
        self.assertIn("lost the connection", self.said[0])

    async def test_master_stays_away(self) -> None:
        """A master that does not come back in time ends the wait with a word."""
        await self.api.submit([DELAY])
        following = self.api.follow(1, self.updates.append, reconnect_seconds=0.2)
        await self.until(lambda: self.updates)
        await self.stop_listening()
        try:
            await following
        except Unavailable as error:
            self.assertIn("did not come back within 0.2 s; job 1 goes on", str(error))
        else:
            self.fail("it ended well")
        await self.listen()

    async def test_cancelled_wait(self) -> None:
        """Who stops waiting leaves no watch behind, and the job alone."""
        await self.api.submit([DELAY])
        following = self.api.follow(1, self.updates.append)
        await self.until(lambda: self.updates)
        following.cancel()
        with self.assertRaises(CancelledError):
            await following
        await self.until(lambda: self.master.watches[0]._has_ended)
        self.assertEqual(self.master.jobs[1].status, "queued")

    async def test_update_that_fails(self) -> None:
        """Who cannot take news gets the error back, and the connection goes on."""
        await self.api.submit([DELAY])
        told: list[JobUpdate] = []

        def tell(update: JobUpdate) -> None:
            told.append(update)
            raise BrokenPipeError("nobody reads")

        following = self.api.follow(1, tell)
        with self.assertRaises(BrokenPipeError):
            await following
        self.master.advance(1, "running", ["one"])
        await self.until(lambda: self.master.watches[0]._has_ended)
        self.assertEqual((len(told), self.said), (1, []))
        self.assertEqual(await self.api.submit([DELAY]), (2,))

    async def test_gone_client(self) -> None:
        """A client that goes away leaves no watch behind."""
        await self.api.submit([DELAY])
        following = self.api.follow(1, self.updates.append, reconnect_seconds=0)
        await self.until(lambda: self.updates)
        self.api.close()
        await self.until(lambda: self.master.watches[0]._has_ended)
        with self.assertRaises(Unavailable):
            await following

    async def test_slow_client(self) -> None:
        """Of many changes a client that is slow hears the last, without a backlog."""
        await self.api.submit([DELAY])
        following = self.api.follow(1, self.updates.append)
        for number in range(100):
            self.master.advance(1, "running", [str(number)])
        self.master.advance(1, "success")
        await following
        self.assertEqual(self.lines, [str(number) for number in range(100)])
        self.assertLess(len(self.updates), 10)


class ConsoleTests(ServedMasterTestCase):
    """Consoles through the master."""

    async def test_echo(self) -> None:
        """What is typed arrives, and what the guest writes comes back."""
        client = await self.client()
        shown: list[bytes] = []
        console = await client.console_open("web1", shown.append)
        await console.write(b"ls\r\x00\xff")
        await self.until(lambda: shown)
        self.assertEqual(b"".join(shown), b"ls\r\x00\xff")
        await console.close()
        await console.ended()

    async def test_big_output(self) -> None:
        """Much output comes in pieces, in order."""
        client = await self.client()
        shown: list[bytes] = []
        await client.console_open("web1", shown.append)
        data = bytes(range(256)) * 1000
        await self.master.consoles[0].output(data)
        self.assertEqual(b"".join(shown), data)
        self.assertGreater(len(shown), 1)

    async def test_refused(self) -> None:
        """A console that cannot be opened says why."""
        self.master.error = HypervisorFault("web1 does not run")
        client = await self.client()
        error = await self.failure(client.console_open("web1", bytes))
        self.assertEqual(str(error), "web1 does not run")

    async def test_gone_client(self) -> None:
        """A client that goes away detaches."""
        client = await self.client()
        console = await client.console_open("web1", bytes)
        client.close()
        await self.until(lambda: self.master.consoles[0].is_closed)
        with self.assertRaises(Unavailable):
            await console.ended()

    async def test_tail(self) -> None:
        """The end of the log is as long as asked, within bounds."""
        self.master.console_log = "one\ntwo\nthree\n"
        client = await self.client()
        self.assertEqual(await client.console_tail("web1", 2), "two\nthree\n")
        error = await self.failure(client.console_tail("web1", 0))
        self.assertIn("between 1 and 100000", str(error))
