"""Tests of the archive, and of the switch that lets no jobs in."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from ganetix.errors import BadParameter, NotFound, StateFault, WrongState
from ganetix.jobs.archive import AutoArchive
from ganetix.jobs.model import Dependency
from ganetix.jobs.rows import ARCHIVED, FINISHED, job_key
from ganetix.jobs.values import Drain, SubmitRequest
from ganetix.state.rows import RowKey
from ganetix.test.jobs.support import QueueTestCase, op, request


class ArchiveTests(QueueTestCase):
    """Ended jobs go where no list shows them unasked."""

    def done(self, *names: str) -> list[int]:
        """Jobs that have ended."""
        self.worker.brief.update(names)
        return [self.submit(name) for name in names]

    def listed(self, archived: bool = False) -> list[int]:
        """The numbers of the jobs in a list."""
        jobs = self.successResultOf(self.queue.jobs(archived=archived))
        return [job.id for job in jobs]

    def archive(self, *job_ids: int) -> list[tuple[bool, str]]:
        """Archive by hand."""
        told = self.successResultOf(self.queue.archive(job_ids))
        return [*told]

    def test_by_hand(self) -> None:
        """A job is in lists no more, but is found by number and on demand."""
        self.done("a", "b")
        self.assertEqual(self.archive(1), [(True, "job 1 is archived")])
        self.assertEqual((self.listed(), self.listed(True)), ([2], [1, 2]))
        (job,) = self.successResultOf(self.queue.jobs(ids=[1]))
        self.assertTrue(job.archived)
        self.assertEqual(self.archive(1), [(True, "job 1 is archived already")])

    def test_refused(self) -> None:
        """A job that has not ended stays; one that is none is named."""
        self.submit("a")
        self.assertEqual(
            self.archive(1), [(False, "job 1 has not ended: it is running")]
        )
        d = self.queue.archive([1, 9])
        self.assertIn("job 9", str(self.failureResultOf(d, NotFound).value))

    def test_log_stays(self) -> None:
        """The log of an archived job can be read and followed, after a restart too."""
        self.submit("a")
        self.worker.runs["a"].progress.say("one")
        self.turn()
        self.succeed("a")
        self.archive(1)
        self.restart()
        self.assertEqual(self.log(1), ["one"])
        self.assertEqual(self.job(1).status, "success")

    def test_by_age(self) -> None:
        """What ended long enough ago is archived, whatever its number."""
        self.submit("slow")
        self.done("a")
        self.turn(100)
        self.done("b")
        self.succeed("slow")
        moved = self.queue.archive_older(50)
        self.assertEqual(self.successResultOf(moved), 1)
        self.assertEqual(self.listed(), [1, 3])
        self.assertEqual(self.successResultOf(self.queue.archive_older(0)), 2)
        self.assertEqual(self.listed(), [])

    def test_many(self) -> None:
        """Many are moved in batches, with time for others between."""
        names = [f"x{n}" for n in range(1000)]
        self.worker.brief.update(names)
        requests = [request(name) for name in names]
        self.successResultOf(self.queue.submit(requests))
        while any(self.queue.counts()):
            self.turn()
        moved = self.queue.archive_older(0)
        self.turn(0.01)
        self.assertNoResult(moved)
        self.assertIn(RowKey(ARCHIVED, job_key(1)), self.medium)
        self.assertIn(RowKey(FINISHED, job_key(1000)), self.medium)
        for _ in range(10):
            self.turn(0.01)
        self.assertEqual(self.successResultOf(moved), 1000)

    def test_numbers_go_on(self) -> None:
        """The numbers of archived jobs are not given again."""
        self.done("a", "b")
        self.archive(1, 2)
        self.restart()
        self.assertEqual(self.submit("c"), 3)

    def test_dependency(self) -> None:
        """A job may depend on an archived one."""
        self.done("a")
        self.archive(1)
        self.restart()
        ops, depends = (op("b"),), (Dependency(1),)
        d = self.queue.submit([SubmitRequest(ops=ops, depends=depends)])
        self.successResultOf(d)
        self.turn()
        self.assertEqual(self.worker.started, ["b"])

    def test_store_fails(self) -> None:
        """A store that takes nothing: the reason is told, the job stays."""
        self.done("a")
        self.master.engine.fault = "disk is full"
        self.failureResultOf(self.queue.archive([1]), StateFault)
        self.master.engine.fault = None
        self.assertEqual(self.listed(), [1])


class AutoArchiveTests(QueueTestCase):
    """Archiving by itself."""

    def test_rounds(self) -> None:
        """It comes again and again, also after a failure, until it is stopped."""
        ages: list[float] = []

        def move(age_seconds: float) -> Deferred[int]:
            ages.append(age_seconds)
            if len(ages) == 1:
                raise StateFault("disk is full")
            return self.queue.archive_older(age_seconds)

        auto = AutoArchive(self.clock, move, 40)
        auto.start()
        self.turn(5)
        self.assertEqual(ages, [])
        for _ in range(3):
            self.turn(10)
        self.assertEqual(ages, [40, 40, 40])
        self.successResultOf(Deferred.fromCoroutine(auto.stop()))
        self.turn(100)
        self.assertEqual(len(ages), 3)

    def test_never(self) -> None:
        """Without an age nothing is archived."""
        AutoArchive(self.clock, self.queue.archive_older, None).start()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class DrainTests(QueueTestCase):
    """A queue that takes no jobs."""

    def test_refuses(self) -> None:
        """New jobs are refused with the reason; what runs and what waits goes on."""
        self.submit("a", "b")
        self.successResultOf(self.queue.drain("moving house"))
        error = self.failureResultOf(self.queue.submit([request("c")]), WrongState)
        self.assertEqual(
            str(error.value),
            "the queue is drained: moving house; 'gnt-cluster queue undrain' ends that",
        )
        self.succeed("a")
        self.succeed("b")
        self.assertEqual(self.job(1).status, "success")

    def test_own_jobs(self) -> None:
        """The master's own clean-ups are taken."""
        self.successResultOf(self.queue.drain())
        d = self.queue.submit([request("a")], internal=True)
        self.assertEqual(self.successResultOf(d), (1,))

    def test_durable(self) -> None:
        """It outlives the master, and ends when somebody says so."""
        self.successResultOf(self.queue.drain("x"))
        self.restart()
        since = self.clock.seconds()
        self.assertEqual(self.queue.info().drain, Drain(since=since, reason="x"))
        self.failureResultOf(self.queue.submit([request("a")]), WrongState)
        self.successResultOf(self.queue.undrain())
        self.restart()
        self.assertIsNone(self.queue.info().drain)
        self.submit("a")

    def test_again(self) -> None:
        """Drained again it keeps its time, and its reason until there is another."""
        since = self.clock.seconds()
        self.successResultOf(self.queue.drain("x"))
        self.clock.advance(5)
        self.successResultOf(self.queue.drain())
        self.assertEqual(self.queue.info().drain, Drain(since=since, reason="x"))
        self.successResultOf(self.queue.drain("y"))
        self.assertEqual(self.queue.info().drain, Drain(since=since, reason="y"))
        self.successResultOf(self.queue.undrain())
        self.successResultOf(self.queue.drain())
        self.assertEqual(
            self.queue.info().drain, Drain(since=self.clock.seconds(), reason="")
        )

    def test_long_reason(self) -> None:
        """A reason that is too long is refused, and the queue goes on."""
        error = self.failureResultOf(self.queue.drain("x" * 1001), BadParameter)
        self.assertIn("reason: 1001 characters", str(error.value))
        self.assertIsNone(self.queue.info().drain)

    def test_store_fails(self) -> None:
        """What is not durable does not count."""
        self.master.engine.fault = "disk is full"
        self.failureResultOf(self.queue.drain(), StateFault)
        self.master.engine.fault = None
        self.assertIsNone(self.queue.info().drain)
        self.submit("a")

    def test_priority_not_recorded(self) -> None:
        """A priority that the store does not take is said to be not recorded."""
        self.submit("a")
        self.master.engine.fault = "disk is full"
        d = self.queue.change_priority(1, -10)
        error = self.failureResultOf(d, StateFault).value
        self.assertIn("job 1 has priority -10, but that is not recorded", str(error))
