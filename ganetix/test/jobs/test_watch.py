"""Tests of watching jobs."""

from twisted.internet.defer import CancelledError, Deferred

from ganetix.errors import NotFound
from ganetix.jobs.live import RECENT_LINES
from ganetix.jobs.values import JobMark, JobUpdate
from ganetix.jobs.watch import GATHER_SECONDS, MOST_LINES, JobsWatch
from ganetix.test.jobs.support import QueueTestCase


class WatchTests(QueueTestCase):
    """Following a job."""

    def watch(self, job_id: int, serial: int = 0, log_serial: int = 0) -> JobsWatch:
        """Watch a job."""
        return self.queue.watch([JobMark(job_id, serial, log_serial)])

    def next(self, watch: JobsWatch) -> Deferred[JobUpdate | None]:
        """Ask for what is new of one job."""

        async def first() -> JobUpdate | None:
            updates = await watch.next()
            return updates[0] if updates else None

        d = Deferred.fromCoroutine(first())
        self.turn()
        return d

    def update(self, watch: JobsWatch) -> JobUpdate:
        """What is new, which there must be."""
        update = self.successResultOf(self.next(watch))
        assert update is not None
        return update

    def say(self, *texts: str) -> None:
        """Have job ``a`` say something."""
        for text in texts:
            self.worker.runs["a"].progress.say(text)
        self.turn()

    def texts(self, update: JobUpdate) -> list[str]:
        """The texts of the lines."""
        return [line.text for line in update.lines]

    def test_way_of_a_job(self) -> None:
        """A watcher sees the state, then each change, then the end, then nothing."""
        watch = self.watch(self.submit("a"))
        self.assertEqual(self.update(watch).job.status, "running")
        d = self.next(watch)
        self.assertNoResult(d)
        self.say("one", "two")
        update = self.successResultOf(d)
        assert update is not None
        self.assertEqual(self.texts(update), ["one", "two"])
        d = self.next(watch)
        self.succeed("a")
        update = self.successResultOf(d)
        assert update is not None
        self.assertEqual((update.job.status, update.lines), ("success", ()))
        self.assertIsNone(self.successResultOf(self.next(watch)))

    def test_coalesces(self) -> None:
        """A slow watcher gets all that it missed in one."""
        watch = self.watch(self.submit("a"))
        self.update(watch)
        self.say("one")
        self.say("two")
        self.succeed("a")
        update = self.update(watch)
        self.assertEqual(
            (update.job.status, self.texts(update)), ("success", ["one", "two"])
        )

    def test_resumes(self) -> None:
        """A watcher that comes back with its serials gets only what it has not seen."""
        job_id = self.submit("a")
        self.say("one")
        seen = self.update(self.watch(job_id))
        self.say("two")
        watch = self.watch(job_id, seen.job.serial, seen.job.log_serial)
        self.assertEqual(self.texts(self.update(watch)), ["two"])
        watch = self.watch(job_id, seen.job.serial, 2)
        self.assertNoResult(self.next(watch))

    def test_ended(self) -> None:
        """The end is told to whoever asks, though the serial was seen before."""
        job_id = self.submit("a")
        self.say("one")
        self.succeed("a")
        serial = self.job(job_id).serial
        watch = self.watch(job_id, serial, 1)
        self.assertEqual(self.update(watch).job.status, "success")
        self.assertIsNone(self.successResultOf(self.next(watch)))

    def test_of_an_earlier_master(self) -> None:
        """A job that ended under an earlier master is read from the store."""
        job_id = self.submit("a")
        self.say("one")
        self.succeed("a")
        self.restart()
        update = self.update(self.watch(job_id))
        self.assertEqual((update.job.status, self.texts(update)), ("success", ["one"]))

    def test_long_log(self) -> None:
        """Lines that are not in memory any more come from the store, in portions."""
        job_id = self.submit("a")
        count = MOST_LINES + RECENT_LINES
        self.say(*(str(n) for n in range(count)))
        self.succeed("a")
        watch = self.watch(job_id)
        first, second = self.update(watch), self.update(watch)
        texts = self.texts(first) + self.texts(second)
        self.assertEqual(texts, [str(n) for n in range(count)])
        self.assertIsNone(self.successResultOf(self.next(watch)))

    def test_many_watchers(self) -> None:
        """Each of many watchers is told."""
        job_id = self.submit("a")
        watches = [self.watch(job_id) for _ in range(3)]
        for watch in watches:
            self.update(watch)
        waiting = [self.next(watch) for watch in watches]
        self.succeed("a")
        for d in waiting:
            update = self.successResultOf(d)
            self.assertEqual(update and update.job.status, "success")

    def test_many_jobs(self) -> None:
        """The changes of many jobs come together, each job's until its end."""
        names = [f"j{n}" for n in range(20)]
        job_ids = [self.submit(name) for name in names]
        watch = self.queue.watch([JobMark(job_id) for job_id in job_ids])
        found = self.successResultOf(Deferred.fromCoroutine(watch.next()))
        assert found is not None
        self.assertEqual([update.job.id for update in found], job_ids)
        news = Deferred.fromCoroutine(watch.next())
        for name in names:
            self.succeed(name)
        self.turn(GATHER_SECONDS)
        found = self.successResultOf(news)
        assert found is not None
        self.assertEqual({update.job.status for update in found}, {"success"})
        self.assertEqual(len(found), 20)
        self.assertIsNone(self.successResultOf(Deferred.fromCoroutine(watch.next())))

    def test_ends_only(self) -> None:
        """Who wants no more than the ends hears nothing before, and no lines."""
        job_ids = [self.submit("a"), self.submit("b")]
        self.say("one")
        self.succeed("b")
        marks = [JobMark(job_id) for job_id in job_ids]
        watch = self.queue.watch(marks, ends_only=True)
        update = self.update(watch)
        self.assertEqual((update.job.id, update.job.status), (job_ids[1], "success"))
        d = self.next(watch)
        self.say("two")
        self.assertNoResult(d)
        self.succeed("a")
        last = self.successResultOf(d)
        assert last is not None
        self.assertEqual((last.job.status, last.lines), ("success", ()))

    def test_forgotten_jobs(self) -> None:
        """Jobs in memory and jobs that only the store has are watched together."""
        old = self.submit("a")
        self.succeed("a")
        self.restart()
        new = self.submit("b")
        watch = self.queue.watch([JobMark(old), JobMark(new)])
        found = self.successResultOf(Deferred.fromCoroutine(watch.next()))
        assert found is not None
        statuses = [update.job.status for update in found]
        self.assertEqual(statuses, ["success", "running"])

    def test_unknown(self) -> None:
        """A job that does not exist cannot be watched."""
        self.failureResultOf(self.next(self.watch(9)), NotFound)

    def test_close(self) -> None:
        """Closing ends a waiting request with nothing."""
        watch = self.watch(self.submit("a"))
        self.update(watch)
        d = self.next(watch)
        watch.close()
        self.assertIsNone(self.successResultOf(d))
        self.assertIsNone(self.successResultOf(self.next(watch)))
        self.succeed("a")

    def test_cancelled_request(self) -> None:
        """A request that is cancelled loses nothing."""
        watch = self.watch(self.submit("a"))
        self.update(watch)
        d = self.next(watch)
        d.cancel()
        self.failureResultOf(d, CancelledError)
        self.say("one")
        self.assertEqual(self.texts(self.update(watch)), ["one"])

    def test_long_line(self) -> None:
        """A line beyond all measure is cut."""
        job_id = self.submit("a")
        self.say("x" * 1_000_000)
        (text,) = self.log(job_id)
        self.assertEqual((len(text), text[-1]), (4097, "…"))

    def test_lines_after_the_end(self) -> None:
        """What a unit says after its job has ended is not heard."""
        job_id = self.submit("a")
        progress = self.worker.runs["a"].progress
        self.succeed("a")
        progress.say("too late")
        self.turn()
        self.assertEqual(self.log(job_id), [])
