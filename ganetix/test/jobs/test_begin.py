"""Tests for opcodes that work without a record of their beginning."""

from twisted.internet.defer import Deferred

from ganetix.config.snapshot import Edits
from ganetix.errors import Cancelled
from ganetix.jobs.values import JobMark
from ganetix.test.jobs.support import (
    Candidates,
    Master,
    QueueTestCase,
    instance_locks,
    request,
)
from ganetix.testing.config import make_instance


class LateTests(QueueTestCase):
    """A master whose worker needs no record before it does ``a``."""

    def setUp(self) -> None:
        super().setUp()
        self.worker.late.add("a")

    def begin(self) -> int:
        """A job that is at work on ``a``."""
        job_id = self.enqueue("a")
        self.turn()
        return job_id

    def after_crash(self, job_id: int) -> str:
        """The status of a job as the next master finds it."""
        master = Master(self.clock, dict(self.medium))
        self.successResultOf(master.start())
        return self.successResultOf(master.queue.job(job_id)).status

    def test_one_record(self) -> None:
        """From the queue to its end a job is written once."""
        self.worker.brief.add("a")
        job_id = self.enqueue("a")
        before = self.master.store.revision
        self.turn()
        self.assertEqual(self.job(job_id).status, "success")
        self.assertEqual(self.master.store.revision, before + 1)

    def test_shown(self) -> None:
        """Others see that it runs."""
        self.assertEqual(self.job(self.begin()).status, "running")

    def test_crash(self) -> None:
        """What has not begun for the record is queued for the next master."""
        job_id = self.begin()
        self.assertEqual(self.after_crash(job_id), "queued")
        self.successResultOf(self.worker.runs["a"].progress.begun())
        self.assertEqual(self.after_crash(job_id), "error")

    def test_crash_after_other_records(self) -> None:
        """A record of its priority does not say that it runs."""
        job_id = self.begin()
        self.successResultOf(self.queue.change_priority(job_id, -10))
        self.assertEqual(self.after_crash(job_id), "queued")

    def test_end_cannot_be_written(self) -> None:
        """It is tried again: nothing was done."""
        job_id = self.begin()
        self.master.engine.fault = "disk is full"
        self.succeed("a")
        self.assertEqual(self.job(job_id).status, "queued")
        self.assertIn("disk is full", self.queue.why(job_id) or "")
        self.master.engine.fault = None
        self.turn(60)
        self.succeed("a")
        self.assertEqual(self.job(job_id).status, "success")
        self.assertEqual(self.worker.started, ["a", "a"])

    def test_cannot_begin(self) -> None:
        """It is tried again if it is only now that it cannot begin."""
        job_id = self.begin()
        self.master.engine.fault = "disk is full"
        begun = self.worker.runs["a"].progress.begun()
        self.fail_op("a", self.failureResultOf(begun).value)
        self.assertEqual(self.job(job_id).status, "queued")
        self.master.engine.fault = None
        self.turn(60)
        self.assertEqual(self.worker.started, ["a", "a"])

    def test_canceled_before_it_is_tried_again(self) -> None:
        """A job that was asked to stop is not tried again."""
        job_id = self.begin()
        self.cancel(job_id)
        self.master.engine.fault = "disk is full"
        self.succeed("a")
        self.master.engine.fault = None
        self.turn(60)
        self.assertEqual(self.job(job_id).status, "canceled")
        self.assertEqual(self.worker.started, ["a"])

    def test_stop(self) -> None:
        """A master that stops leaves it queued for the next."""
        job_id = self.begin()
        stopped = Deferred.fromCoroutine(self.queue.stop())
        self.turn()
        self.successResultOf(stopped)
        self.assertEqual(self.after_crash(job_id), "queued")

    def test_each_opcode_begins(self) -> None:
        """That one opcode had begun says nothing of the next."""
        job_id = self.enqueue("b", "a")
        self.turn()
        self.succeed("b")
        self.assertEqual(self.statuses(job_id), ["success", "running"])
        self.assertEqual(self.after_crash(job_id), "queued")

    def test_cancel_and_crash(self) -> None:
        """A job that was asked to stop and has not begun is canceled after a crash."""
        job_id = self.begin()
        self.cancel(job_id)
        self.assertEqual(self.after_crash(job_id), "canceled")

    def test_cancel_before_it_begins(self) -> None:
        """A job that was asked to stop does not begin."""
        job_id = self.begin()
        self.cancel(job_id)
        begun = self.worker.runs["a"].progress.begun()
        self.fail_op("a", self.failureResultOf(begun, Cancelled).value)
        self.assertEqual(self.job(job_id).status, "canceled")

    def test_lines_before_it_begins(self) -> None:
        """What it says is not in the log while it may have to be said again."""
        job_id = self.begin()
        progress = self.worker.runs["a"].progress
        progress.say("one")
        self.turn()
        self.assertEqual(self.log(job_id), [])
        self.successResultOf(progress.begun())
        self.turn()
        self.assertEqual(self.log(job_id), ["one"])

    def test_lines_of_an_attempt(self) -> None:
        """Lines of an attempt that is made again are not in the log, nor in the way."""
        job_id = self.begin()
        self.worker.runs["a"].progress.say("in vain")
        self.master.engine.fault = "disk is full"
        self.succeed("a")
        self.master.engine.fault = None
        self.turn(60)
        self.worker.runs["a"].progress.say("one")
        self.worker.runs["a"].progress.say("two")
        watch = self.queue.watch([JobMark(job_id=job_id)])
        first = self.successResultOf(Deferred.fromCoroutine(watch.next()))
        self.assertEqual([update.lines for update in first or ()], [()])
        self.succeed("a")
        self.assertEqual(self.log(job_id), ["one", "two"])
        (update,) = self.successResultOf(Deferred.fromCoroutine(watch.next())) or ()
        self.assertEqual([line.text for line in update.lines], ["one", "two"])
        self.assertTrue(watch.is_over)

    def test_lines_when_the_master_stops(self) -> None:
        """A master that stops leaves no lines of what the next one does anew."""
        job_id = self.begin()
        self.worker.runs["a"].progress.say("in vain")
        stopped = Deferred.fromCoroutine(self.queue.stop())
        self.turn()
        self.successResultOf(stopped)
        self.assertEqual(self.log(job_id), [])

    def test_locks_are_let_go(self) -> None:
        """While it waits for the next attempt others have its locks."""
        put = Edits(put=(make_instance("web", "node1"),))
        self.successResultOf(self.master.config.commit(lambda _: put))
        self.worker.plans["a"] = self.worker.plans["b"] = instance_locks("web")
        self.begin()
        self.submit("b")
        self.assertEqual(self.worker.started, ["a"])
        self.master.engine.fault = "disk is full"
        self.worker.succeed("a")
        self.master.engine.fault = None
        self.turn(2)
        self.assertEqual(self.worker.started, ["a", "b"])

    def test_times(self) -> None:
        """A job that is tried again began when it first did, and then was executed."""
        job_id = self.begin()
        began = self.clock.seconds()
        self.master.engine.fault = "disk is full"
        self.succeed("a")
        run = self.job(job_id).ops[0]
        self.assertEqual((run.started, run.executing), (began, None))
        self.master.engine.fault = None
        self.turn(60)
        run = self.job(job_id).ops[0]
        self.assertEqual((run.started, run.executing), (began, self.clock.seconds()))

    def test_slots(self) -> None:
        """While nothing can be written, not more are done in vain than have slots."""
        others = Candidates({})
        master = Master(self.clock, {}, slots=1, replicas=others)
        self.successResultOf(master.start())
        master.worker.late |= {"a", "b"}
        master.worker.brief |= {"a", "b"}
        _ = master.scheduler.quiesce()
        submitted = master.queue.submit([request("a"), request("b")])
        self.successResultOf(submitted)
        others.obstacle = "no majority"
        master.scheduler.resume()
        self.turn()
        self.assertEqual(master.worker.started, ["a"])
        others.obstacle = None
        master.store.go_on()
        self.turn()
        self.assertEqual(master.worker.started, ["a", "b"])
        self.assertFalse(any(master.queue.counts()))
