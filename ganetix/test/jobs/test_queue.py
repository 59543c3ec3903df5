"""Tests of the job queue: the way of jobs from submission to their end."""

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Edits
from ganetix.errors import (
    BadParameter,
    Cancelled,
    HypervisorFault,
    NotFound,
    StateFault,
    Unavailable,
    WrongState,
)
from ganetix.jobs.book import JobCounts
from ganetix.jobs.queue import STOP_SECONDS
from ganetix.jobs.work import Outcome
from ganetix.objects import NodeGroup
from ganetix.state.rows import RowKey
from ganetix.test.jobs.support import Master, QueueTestCase, request
from ganetix.testing.state import HeldOffload


class SubmitTests(QueueTestCase):
    """Taking jobs."""

    def test_durable_before_answer(self) -> None:
        """A job has its number only when it is durable, and then begins."""
        held = HeldOffload()
        master = Master(self.clock, {}, held)
        starting = Deferred.fromCoroutine(master.start())
        held.release_all()
        self.successResultOf(starting)
        d = master.queue.submit([request("a")])
        self.turn()
        self.assertNoResult(d)
        self.assertEqual(master.worker.started, [])
        held.release_all()
        self.assertEqual(self.successResultOf(d), (1,))
        self.turn()
        held.release_all()
        self.assertEqual(master.worker.started, ["a"])

    def test_many(self) -> None:
        """Jobs submitted together have consecutive numbers; none is none."""
        ids = self.queue.submit([request("a"), request("b")])
        self.assertEqual(self.successResultOf(ids), (1, 2))
        self.assertEqual(self.successResultOf(self.queue.submit([])), ())

    def test_bad_priority(self) -> None:
        """A priority that is not for users is refused with those that are."""
        d = self.queue.submit([request("a"), request("b", priority=-20)])
        error = self.failureResultOf(d, BadParameter).value
        self.assertEqual(str(error), "priority: -20 is not one of -10, 0, 10")
        self.assertEqual(self.successResultOf(self.queue.jobs()), [])

    def test_internal_priority(self) -> None:
        """The master itself may use any priority of the range."""
        d = self.queue.submit([request("a", priority=-20)], internal=True)
        self.assertEqual(self.successResultOf(d), (1,))
        d = self.queue.submit([request("a", priority=-21)], internal=True)
        self.failureResultOf(d, BadParameter)

    def test_no_opcodes(self) -> None:
        """A job of nothing is refused."""
        self.failureResultOf(self.queue.submit([request()]), BadParameter)

    def test_store_fails(self) -> None:
        """A store that does not take a job: it is refused with the reason."""
        self.master.engine.fault = "disk is full"
        error = self.failureResultOf(self.queue.submit([request("a")]), StateFault)
        self.assertIn("disk is full", str(error.value))
        self.turn()
        self.assertEqual(self.worker.started, [])
        self.master.engine.fault = None
        self.submit("b")
        self.assertEqual(self.worker.started, ["b"])

    def test_caller_gone(self) -> None:
        """A job is done although its submitter went away before the answer."""
        held = HeldOffload()
        master = Master(self.clock, {}, held)
        starting = Deferred.fromCoroutine(master.start())
        held.release_all()
        self.successResultOf(starting)
        d = master.queue.submit([request("a")])
        d.cancel()
        self.failureResultOf(d, CancelledError)
        held.release_all()
        self.turn()
        held.release_all()
        self.assertEqual(master.worker.started, ["a"])

    def test_not_started(self) -> None:
        """A queue that does not run takes no jobs."""
        self.successResultOf(self.queue.stop())
        self.failureResultOf(self.queue.submit([request("a")]), Unavailable)


class RunTests(QueueTestCase):
    """Doing jobs."""

    slots = 1

    def test_success(self) -> None:
        """A job that was done has its result, its times and its log."""
        job_id = self.submit("a")
        self.assertEqual(self.job(job_id).status, "running")
        self.worker.runs["a"].progress.say("one\ntwo")
        self.worker.runs["a"].progress.warn("three")
        self.turn(5)
        self.succeed("a", Outcome(result={"x": 1}))
        job = self.job(job_id)
        self.assertEqual((job.status, job.ended), ("success", self.clock.seconds()))
        self.assertEqual(job.ops[0].result, {"x": 1})
        self.assertEqual(self.log(job_id), ["one", "two", "three"])
        self.assertEqual(job.log_serial, 3)

    def test_change_and_success_are_one_batch(self) -> None:
        """The unit's change and the job's end become durable together."""
        job_id = self.submit("a")
        before = self.master.store.revision
        group = NodeGroup(uuid="g2", name="g2")
        self.succeed("a", Outcome(change=lambda _: Edits(put=(group,))))
        self.assertEqual(self.master.store.revision, before + 1)
        self.assertIn("g2", self.master.config.snapshot().groups)
        self.assertEqual(self.job(job_id).status, "success")

    def test_change_refused(self) -> None:
        """A change that does not fit fails the opcode."""
        job_id = self.submit("a")

        def change(_: object) -> Edits:
            raise WrongState("group g2 is in use")

        self.succeed("a", Outcome(change=change))
        error = self.job(job_id).ops[0].error
        self.assertEqual(error and error.message, "group g2 is in use")

    def test_opcodes_in_order(self) -> None:
        """Between opcodes a job is queued, and others of its priority come first."""
        first, second = self.submit("a", "b"), self.submit("c")
        self.assertEqual(self.worker.started, ["a"])
        self.succeed("a")
        self.assertEqual(self.worker.started, ["a", "c"])
        self.assertEqual(self.job(first).status, "queued")
        self.succeed("c")
        self.succeed("b")
        self.assertEqual(self.job(first).status, "success")
        self.assertEqual(self.job(second).status, "success")

    def test_priority(self) -> None:
        """A more urgent job comes first."""
        self.submit("a")
        self.submit("b", priority=10)
        self.submit("c", priority=-10)
        self.succeed("a")
        self.succeed("c")
        self.assertEqual(self.worker.started, ["a", "c", "b"])

    def test_change_priority(self) -> None:
        """A pending job can be made more urgent, durably."""
        self.submit("a")
        self.submit("b")
        late = self.submit("c")
        d = self.queue.change_priority(late, -10)
        self.assertEqual(self.successResultOf(d), (True, "job 3 has priority -10"))
        self.failureResultOf(self.queue.change_priority(late, -11), BadParameter)
        self.failureResultOf(self.queue.change_priority(9, 0), NotFound)
        self.restart()
        self.turn()
        self.assertEqual(self.worker.started, ["c"])

    def test_failure(self) -> None:
        """A failed opcode shows its error, and what follows is not done."""
        job_id = self.submit("a", "b")
        self.fail_op("a", HypervisorFault("QEMU said no", node="node1"))
        job = self.job(job_id)
        self.assertEqual(self.statuses(job_id), ["error", "error"])
        errors = [run.error.message for run in job.ops if run.error]
        self.assertEqual(errors, ["QEMU said no", "previous opcode failed"])
        self.assertEqual(self.worker.started, ["a"])

    def test_unexpected_failure(self) -> None:
        """An unexpected exception is logged with an id, and only that is shown."""
        job_id = self.submit("a")
        self.fail_op("a", ZeroDivisionError())
        error = self.job(job_id).ops[0].error
        assert error is not None
        self.assertEqual(error.code, "BUG")
        self.assertRegex(error.message, r"^internal error [0-9a-f]{8};")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_stray_cancellation(self) -> None:
        """A unit that lets a cancellation of its own escape is a bug, not the end."""
        job_id = self.submit("a")
        self.fail_op("a", CancelledError())
        self.assertEqual(self.job(job_id).status, "error")
        self.assertEqual(len(self.flushLoggedErrors(CancelledError)), 1)

    def test_result_not_json(self) -> None:
        """A result that no JSON can hold is a bug."""
        job_id = self.submit("a")
        self.succeed("a", Outcome(result=object()))
        self.assertEqual(self.job(job_id).status, "error")
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    def test_plan_refused(self) -> None:
        """An opcode that names what does not exist fails before it begins."""
        self.worker.plans["a"] = NotFound("there is no instance 'x'")
        job_id = self.submit("a")
        error = self.job(job_id).ops[0].error
        self.assertEqual(error and error.message, "there is no instance 'x'")
        self.assertEqual(self.worker.started, [])

    def test_plan_bug(self) -> None:
        """An exception in the plan ends the job, and the next one is done."""
        self.worker.plans["a"] = KeyError("x")
        job_id = self.submit("a")
        self.assertEqual(self.job(job_id).status, "error")
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.submit("b")
        self.assertEqual(self.worker.started, ["b"])

    def test_counts(self) -> None:
        """The queue knows how many jobs are where."""
        self.submit("a")
        self.submit("b")
        self.assertEqual(self.queue.counts(), JobCounts(1, 0, 1))
        self.succeed("a")
        self.succeed("b")
        self.assertEqual(self.queue.counts(), JobCounts(0, 0, 0))


class CancelTests(QueueTestCase):
    """Cancelling jobs."""

    slots = 1

    def test_queued(self) -> None:
        """A queued job is canceled at once, and never runs."""
        self.submit("a")
        job_id = self.submit("b")
        self.assertEqual(self.cancel(job_id), (True, "job 2 was canceled"))
        self.assertEqual(self.job(job_id).status, "canceled")
        self.succeed("a")
        self.assertEqual(self.worker.started, ["a"])

    def test_running(self) -> None:
        """A running job is asked, and stops at its next safe point."""
        job_id = self.submit("a", "b")
        progress = self.worker.runs["a"].progress
        progress.check_cancelled()
        said = self.cancel(job_id)
        self.assertEqual(said, (True, "job 1 is running; it was asked to stop"))
        self.assertEqual(self.job(job_id).status, "canceling")
        self.assertTrue(self.cancel(job_id)[0])
        error = self.assertRaises(Cancelled, progress.check_cancelled)
        self.fail_op("a", error)
        self.assertEqual(self.statuses(job_id), ["canceled", "canceled"])

    def test_running_to_the_end(self) -> None:
        """A job that reaches no safe point ends as it would; what follows does not."""
        job_id = self.submit("a", "b")
        self.cancel(job_id)
        self.succeed("a")
        self.assertEqual(self.statuses(job_id), ["success", "canceled"])
        self.assertEqual(self.worker.started, ["a"])

    def test_cancelled_without_wish(self) -> None:
        """A unit that says it was cancelled, though nobody asked, has failed."""
        job_id = self.submit("a")
        self.fail_op("a", Cancelled("the node stopped"))
        self.assertEqual(self.job(job_id).status, "error")

    def test_ended(self) -> None:
        """A job that has ended stays as it is."""
        job_id = self.submit("a")
        self.succeed("a")
        said = self.cancel(job_id)
        self.assertEqual(said, (False, "job 1 has ended already: success"))

    def test_unknown(self) -> None:
        """A number that no job has is refused by name."""
        error = self.failureResultOf(self.queue.cancel(9), NotFound).value
        self.assertEqual(str(error), "there is no job 9")

    def test_store_fails(self) -> None:
        """The job is ended all the same; its end is shown when the store works."""
        self.submit("a")
        job_id = self.submit("b")
        self.master.engine.fault = "disk is full"
        error = self.failureResultOf(self.queue.cancel(job_id), StateFault).value
        self.assertIn("job 2 is canceled", str(error))
        self.assertIn("disk is full", self.queue.why(job_id) or "")
        self.assertEqual(self.job(job_id).status, "queued")
        self.master.engine.fault = None
        self.turn(60)
        self.assertEqual(self.job(job_id).status, "canceled")
        self.succeed("a")
        self.assertEqual(self.worker.started, ["a"])


class RaceTests(SynchronousTestCase):
    """What happens while records are on their way to the disk."""

    def setUp(self) -> None:
        self.held = HeldOffload()
        self.clock = Clock()
        self.medium: dict[RowKey, bytes] = {}
        self.master = Master(self.clock, self.medium, self.held)
        starting = Deferred.fromCoroutine(self.master.start())
        self.held.release_all()
        self.successResultOf(starting)
        self.queue, self.worker = self.master.queue, self.master.worker

    def turn(self) -> None:
        """Let all that is due be done."""
        for _ in range(20):
            self.clock.advance(0)

    def submit(self, *names: str) -> int:
        """A job that is queued, but has not begun."""
        _ = self.master.scheduler.quiesce()
        d = self.queue.submit([request(*names)])
        self.held.release_all()
        self.master.scheduler.resume()
        return self.successResultOf(d)[0]

    def status(self, job_id: int) -> str:
        """The status of a job as others see it."""
        return self.successResultOf(self.queue.job(job_id)).status

    def stored(self, job_id: int) -> str:
        """The status of a job as a new master finds it."""
        master = Master(self.clock, dict(self.medium))
        self.successResultOf(master.start())
        return self.successResultOf(master.queue.job(job_id)).status

    def test_runs_only_when_recorded(self) -> None:
        """An opcode begins when the store knows that it runs, not before."""
        self.submit("a")
        self.turn()
        self.assertEqual(self.worker.started, [])
        self.held.release_all()
        self.assertEqual(self.worker.started, ["a"])

    def test_cancel_while_beginning(self) -> None:
        """A job cancelled while the record that it runs is written never runs."""
        job_id = self.submit("a")
        self.turn()
        d = self.queue.cancel(job_id)
        self.turn()
        self.assertEqual(self.status(job_id), "canceling")
        self.held.release_all()
        self.turn()
        self.assertTrue(self.successResultOf(d)[0])
        self.assertEqual(self.worker.started, [])
        self.assertEqual(self.status(job_id), "canceled")
        self.assertEqual(self.stored(job_id), "canceled")
        self.assertEqual(self.master.scheduler.running, ())

    def test_end_is_shown_when_durable(self) -> None:
        """A job has ended, for others, when that is durable."""
        job_id = self.submit("a")
        self.turn()
        self.held.release_all()
        self.worker.succeed("a")
        self.turn()
        self.assertEqual(self.status(job_id), "running")
        self.held.release_all()
        self.assertEqual(self.status(job_id), "success")

    def test_cancel_while_ending(self) -> None:
        """A job whose last opcode's end is being written cannot be canceled."""
        job_id = self.submit("a")
        self.turn()
        self.held.release_all()
        self.worker.succeed("a")
        said = self.successResultOf(self.queue.cancel(job_id))
        self.assertEqual(said, (False, "job 1 is just ending"))
        self.held.release_all()
        self.assertEqual(self.status(job_id), "success")

    def test_cancel_while_first_opcode_ends(self) -> None:
        """Cancelled while an opcode's end is being written, a job does no more."""
        job_id = self.submit("a", "b")
        self.turn()
        self.held.release_all()
        self.worker.succeed("a")
        self.assertTrue(self.successResultOf(self.queue.cancel(job_id))[0])
        self.held.release_all()
        self.turn()
        self.assertEqual(self.worker.started, ["a"])
        self.assertEqual(self.status(job_id), "canceled")
        self.assertEqual(self.stored(job_id), "canceled")

    def test_priority_while_beginning(self) -> None:
        """A new priority while the record that it runs is written cannot undo that."""
        job_id = self.submit("a")
        self.turn()
        changing = self.queue.change_priority(job_id, 10)
        self.assertNoResult(changing)
        self.held.release_all()
        self.successResultOf(changing)
        self.assertEqual(self.worker.started, ["a"])
        self.assertEqual(self.stored(job_id), "error")

    def test_priority_while_ending(self) -> None:
        """A priority that comes while the end is written comes too late."""
        job_id = self.submit("a")
        self.turn()
        self.held.release_all()
        self.worker.succeed("a")
        changing = self.queue.change_priority(job_id, 10)
        self.held.release_all()
        done, said = self.successResultOf(changing)
        self.assertEqual((done, said), (False, "job 1 has ended already: success"))
        shown = self.successResultOf(self.queue.job(job_id))
        found = Deferred.fromCoroutine(self.queue._history.finished([job_id]))
        self.held.release_all()
        (stored,) = self.successResultOf(found)
        self.assertEqual((shown, shown.priority), (stored, 0))

    def stop_while_ending(self, *names: str) -> tuple[int, Deferred[None]]:
        """A job whose first opcode's end is being written, and a queue that stops."""
        job_id = self.submit(*names)
        self.turn()
        self.held.release_all()
        self.worker.succeed(names[0])
        stopped = Deferred.fromCoroutine(self.queue.stop())
        self.turn()
        return job_id, stopped

    def let_stop(self, stopped: Deferred[None]) -> None:
        """Write all that is to be written."""
        for _ in range(3):
            self.held.release_all()
            self.turn()
        self.successResultOf(stopped)

    def test_stop_while_ending(self) -> None:
        """A master that stops waits for an end that is being written, and shows it."""
        job_id, stopped = self.stop_while_ending("a")
        self.assertNoResult(stopped)
        self.let_stop(stopped)
        self.assertEqual(self.status(job_id), "success")
        self.assertEqual(self.stored(job_id), "success")

    def test_cancel_while_stopping(self) -> None:
        """Nothing is written after an end, although the master stops."""
        job_id, stopped = self.stop_while_ending("a")
        said = self.successResultOf(self.queue.cancel(job_id))
        self.assertEqual(said, (False, "job 1 is just ending"))
        self.let_stop(stopped)
        self.assertEqual(self.stored(job_id), "success")

    def test_priority_while_stopping(self) -> None:
        """A new priority for a master that stops does not undo what was done."""
        self.worker.late.add("a")
        job_id, stopped = self.stop_while_ending("a", "b")
        changing = self.queue.change_priority(job_id, 10)
        self.let_stop(stopped)
        self.assertTrue(self.successResultOf(changing)[0])
        master = Master(self.clock, dict(self.medium))
        self.successResultOf(master.start())
        job = self.successResultOf(master.queue.job(job_id))
        self.assertEqual([run.status for run in job.ops], ["success", "queued"])
        self.assertEqual(job.priority, 10)


class FaultTests(QueueTestCase):
    """A store that fails under running jobs."""

    def test_cannot_begin(self) -> None:
        """A job whose beginning cannot be recorded waits until the store works."""
        self.worker.brief.add("a")
        job_id = self.enqueue("a")
        self.master.engine.fault = "disk is full"
        self.turn()
        self.assertEqual(self.job(job_id).status, "queued")
        self.assertIn("disk is full", self.queue.why(job_id) or "")
        self.master.engine.fault = None
        self.turn(60)
        self.assertEqual(self.job(job_id).status, "success")

    def test_cannot_end(self) -> None:
        """A job whose end cannot be recorded is an error once the store works."""
        job_id = self.submit("a", "b")
        self.worker.runs["a"].progress.say("done it")
        self.master.engine.fault = "disk is full"
        self.worker.succeed("a")
        self.turn(5)
        self.assertEqual(self.job(job_id).status, "running")
        self.assertEqual(self.master.scheduler.running, ())
        self.master.engine.fault = None
        self.turn(60)
        self.assertEqual(self.statuses(job_id), ["error", "error"])
        error = self.job(job_id).ops[0].error
        why = "this was done, but not recorded: disk is full"
        self.assertEqual(error and error.message, why)
        self.restart()
        self.assertEqual(self.statuses(job_id), ["error", "error"])

    def test_cannot_change(self) -> None:
        """A job whose last change cannot be written says that this was not done."""
        job_id = self.submit("a")
        self.master.engine.fault = "disk is full"
        group = NodeGroup(uuid="g2", name="g2")
        self.succeed("a", Outcome(change=lambda _: Edits(put=(group,))))
        self.master.engine.fault = None
        self.turn(60)
        self.assertNotIn("g2", self.master.config.snapshot().groups)
        error = self.job(job_id).ops[0].error
        why = "this was done up to its change of the configuration, which failed: "
        self.assertEqual(error and error.message, f"{why}disk is full")

    def test_lines_that_cannot_be_written(self) -> None:
        """Log lines that the store does not take do not stop the job."""
        job_id = self.submit("a")
        self.master.engine.fault = "disk is full"
        self.worker.runs["a"].progress.say("lost")
        self.turn()
        self.master.engine.fault = None
        self.succeed("a")
        self.assertEqual(self.job(job_id).status, "success")


class RestartTests(QueueTestCase):
    """A master that is killed, or stopped, and comes back."""

    def test_queued_goes_on(self) -> None:
        """A queued job is done by the next master, in its order and priority."""
        for name, priority in [("a", 0), ("b", 0), ("c", -10)]:
            self.enqueue(name, priority=priority)
        self.restart()
        self.turn()
        self.assertEqual(self.worker.started, ["c", "a", "b"])

    def test_running_is_interrupted(self) -> None:
        """A job that ran when the master died is an error with the reason."""
        job_id = self.submit("a", "b")
        self.worker.runs["a"].progress.say("half-way")
        self.turn()
        self.restart()
        self.turn()
        job = self.job(job_id)
        self.assertEqual(self.statuses(job_id), ["error", "error"])
        error = job.ops[0].error
        message = "the master was restarted while this ran"
        self.assertEqual(error and error.message, message)
        self.assertEqual(self.worker.started, [])
        self.assertEqual((job.log_serial, self.log(job_id)), (1, ["half-way"]))

    def test_between_opcodes_goes_on(self) -> None:
        """What was done before a restart is not done again."""
        job_id = self.submit("a", "b")
        self.succeed("a")
        self.successResultOf(self.queue.stop())
        self.restart()
        self.assertEqual(self.statuses(job_id)[0], "success")

    def test_canceled_stays_canceled(self) -> None:
        """A canceled job is canceled for the next master, too."""
        job_id = self.submit("a")
        self.restart()
        late = self.enqueue("b")
        self.cancel(late)
        self.restart()
        self.turn()
        self.assertEqual(self.job(late).status, "canceled")
        self.assertEqual(self.job(job_id).status, "error")
        self.assertEqual(self.worker.started, [])

    def test_numbers_go_on(self) -> None:
        """A new master never gives a number again."""
        self.assertEqual(self.submit("a"), 1)
        self.restart()
        self.assertEqual(self.submit("b"), 2)
        for key in [key for key in self.medium if key.kind.startswith("job")]:
            del self.medium[key]
        self.restart()
        self.assertEqual(self.submit("c"), 3)

    def test_store_fails_at_start(self) -> None:
        """A store that cannot be written does not keep the master from starting."""
        job_id = self.submit("a")
        master = Master(self.clock, self.medium)
        master.engine.fault = "read-only"
        self.successResultOf(master.start())
        self.assertEqual(
            self.successResultOf(master.queue.job(job_id)).status, "running"
        )
        master.engine.fault = None
        self.turn(60)
        self.assertEqual(self.successResultOf(master.queue.job(job_id)).status, "error")

    def test_damaged_record(self) -> None:
        """A damaged record is left alone, and the other jobs go on."""
        self.enqueue("a")
        self.medium[RowKey("job", "000000000009")] = b"{"
        self.restart()
        self.turn()
        self.assertEqual(self.worker.started, ["a"])
        self.assertEqual(self.submit("b"), 10)

    def test_stop(self) -> None:
        """Stopping cancels running work, which is recorded, and keeps the rest."""
        job_id = self.submit("a")
        queued = self.enqueue("b")
        stopped = Deferred.fromCoroutine(self.queue.stop())
        self.turn()
        self.successResultOf(stopped)
        job = self.job(job_id)
        error = job.ops[0].error
        self.assertEqual(
            error and error.message, "the master was stopped while this ran"
        )
        self.restart()
        self.assertEqual(self.job(queued).status, "queued")

    def test_stop_does_not_wait_for_ever(self) -> None:
        """A unit that does not come to its end is left to the next start."""
        self.worker.stubborn.add("a")
        job_id = self.submit("a")
        stopped = Deferred.fromCoroutine(self.queue.stop())
        self.turn(STOP_SECONDS / 2)
        self.assertNoResult(stopped)
        self.turn(STOP_SECONDS / 2)
        self.successResultOf(stopped)
        self.restart()
        self.assertEqual(self.job(job_id).status, "error")


class ListTests(QueueTestCase):
    """Asking for jobs."""

    def setUp(self) -> None:
        """Three jobs that have ended and two that run."""
        super().setUp()
        self.worker.brief |= {"a", "b", "c"}
        for name in "abcde":
            self.submit(name)

    def ids(self, **wanted: object) -> list[int]:
        """The numbers of the jobs listed."""
        found = self.queue.jobs(**wanted)  # type: ignore[arg-type]
        return [job.id for job in self.successResultOf(found)]

    def test_all(self) -> None:
        """All jobs by number, the newest last."""
        self.assertEqual(self.ids(), [1, 2, 3, 4, 5])

    def test_limit(self) -> None:
        """A limit keeps the newest."""
        self.assertEqual(self.ids(limit=3), [3, 4, 5])
        self.assertEqual(self.ids(limit=1), [5])
        self.assertEqual(self.ids(limit=0), [])

    def test_unfinished(self) -> None:
        """Those that have ended can be left out."""
        self.assertEqual(self.ids(finished=False), [4, 5])

    def test_ids(self) -> None:
        """Some jobs by their numbers; one that does not exist is named."""
        self.assertEqual(self.ids(ids=[5, 2]), [2, 5])
        error = self.failureResultOf(self.queue.jobs(ids=[2, 77]), NotFound).value
        self.assertEqual(str(error), "there is no job 77")

    def test_job_of_an_earlier_master(self) -> None:
        """An ended job is found in the store."""
        self.restart()
        self.assertEqual(self.job(2).status, "success")
        self.failureResultOf(self.queue.job(77), NotFound)

    def test_log_of_neighbours(self) -> None:
        """A job's log has its own lines only."""
        for number, name in [(4, "d"), (5, "e")]:
            self.worker.runs[name].progress.say(f"line of {number}")
        self.turn()
        self.assertEqual(self.log(4), ["line of 4"])
        self.assertEqual(self.log(5), ["line of 5"])
        self.assertEqual(self.successResultOf(self.queue.log(4, 1)), [])
