"""Tests of the moves of jobs."""

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import Bug, StateFault, WireError
from ganetix.jobs.model import RESTARTED, Job, OpRun
from ganetix.jobs.rows import job_of, job_rows, line_of
from ganetix.state.rows import Row
from ganetix.test.jobs.support import op

ERROR = WireError(code="NOT_FOUND", message="no such thing")


def make_job(*names: str) -> Job:
    """A job with these opcodes."""
    runs = tuple(OpRun(op=op(name)) for name in names or ("a",))
    return Job(id=7, ops=runs, received=1.0)


class MoveTests(SynchronousTestCase):
    """What may happen to a job, and what it is then."""

    def statuses(self, job: Job) -> list[str]:
        """The statuses of the opcodes."""
        return [run.status for run in job.ops]

    def test_to_success(self) -> None:
        """An opcode goes from queued over waiting and running to success."""
        job = make_job()
        self.assertEqual(job.status, "queued")
        job = job.waiting(2.0)
        self.assertEqual((job.status, job.started), ("waiting", 2.0))
        job = job.running(3.0)
        self.assertEqual((job.status, job.ops[0].executing), ("running", 3.0))
        job = job.succeeded(4.0, None)
        self.assertEqual((job.status, job.ended, job.serial), ("success", 4.0, 4))
        self.assertTrue(job.is_final)

    def test_queued_between_opcodes(self) -> None:
        """After an opcode the job is queued with the priority of the next."""
        job = make_job("a", "b")
        job = job.changed(1, replace(job.ops[1], priority=10))
        job = job.waiting(2).running(2).succeeded(3, None)
        self.assertEqual((job.status, job.current, job.priority), ("queued", 1, 10))
        self.assertIsNone(job.ended)

    def test_requeued(self) -> None:
        """A job that did not get its locks is queued, perhaps more urgently."""
        job = make_job().waiting(2).requeued(-1)
        self.assertEqual((job.status, job.priority), ("queued", -1))
        self.assertEqual(job.waiting(9).ops[0].started, 2)

    def test_failed(self) -> None:
        """A failed opcode fails all that follow it."""
        job = make_job("a", "b", "c").waiting(2).running(2).succeeded(3, None)
        job = job.waiting(4).running(4).failed(5, ERROR)
        self.assertEqual(self.statuses(job), ["success", "error", "error"])
        self.assertEqual((job.status, job.ended), ("error", 5))
        self.assertEqual(job.ops[1].error, ERROR)
        error = job.ops[2].error
        self.assertEqual(error and error.message, "previous opcode failed")

    def test_canceled_queued(self) -> None:
        """A queued job is canceled with all its opcodes."""
        job = make_job("a", "b").canceled(2)
        self.assertEqual(self.statuses(job), ["canceled", "canceled"])
        self.assertEqual((job.status, job.ended), ("canceled", 2))

    def test_canceling_then_canceled(self) -> None:
        """A running job is asked, and is canceled when it stops."""
        job = make_job("a", "b").waiting(2).running(2).canceling()
        self.assertEqual(job.status, "canceling")
        self.assertEqual(self.statuses(job.canceled(3)), ["canceled", "canceled"])

    def test_canceling_then_done(self) -> None:
        """An opcode that ends well although it was asked to stop is a success."""
        job = make_job("a", "b").waiting(2).running(2).canceling().succeeded(3, None)
        self.assertEqual(self.statuses(job), ["success", "canceled"])
        self.assertEqual((job.status, job.ended), ("canceled", 3))

    def test_canceling_then_failed(self) -> None:
        """One that fails on the way out is an error; the rest is canceled."""
        job = make_job("a", "b").waiting(2).running(2).canceling().failed(3, ERROR)
        self.assertEqual(self.statuses(job), ["error", "canceled"])

    def test_interrupted(self) -> None:
        """What ran when the master ended is an error that says so."""
        job = make_job("a", "b").waiting(2).running(2).interrupted(9)
        self.assertEqual(self.statuses(job), ["error", "error"])
        error = job.ops[0].error
        self.assertEqual(error and error.message, RESTARTED)

    def test_illegal(self) -> None:
        """Moves that make no sense are bugs."""
        queued = make_job()
        running = queued.waiting(2).running(2)
        ended = running.succeeded(3, None)
        for move in [
            lambda: queued.running(1),
            lambda: queued.succeeded(1, None),
            lambda: queued.canceling(),
            lambda: queued.requeued(),
            lambda: queued.interrupted(1),
            lambda: running.waiting(1),
            lambda: running.canceled(1),
            lambda: ended.failed(1, ERROR),
            lambda: ended.canceled(1),
            lambda: ended.waiting(1),
            lambda: queued.with_priority(-21),
        ]:
            self.assertRaises(Bug, move)

    def test_with_priority(self) -> None:
        """A new priority is for opcodes that have not ended."""
        job = make_job("a", "b").waiting(2).running(2).succeeded(3, None)
        job = job.with_priority(-10)
        self.assertEqual([run.priority for run in job.ops], [0, -10])


class RowTests(SynchronousTestCase):
    """Jobs as rows."""

    def test_round_trip(self) -> None:
        """A job comes back from its row as it was."""
        job = make_job("a", "b").waiting(2)
        (row,) = job_rows(job)
        self.assertEqual(row[:2], ("job", "000000000007"))
        self.assertEqual(job_of(row), job)

    def test_ended(self) -> None:
        """A job that has ended leaves the unfinished ones in the same batch."""
        gone, done = job_rows(make_job().canceled(2))
        self.assertEqual(gone, Row("job", "000000000007", None))
        self.assertEqual(done.kind, "job.done")
        self.assertEqual(job_of(done).status, "canceled")

    def test_damaged(self) -> None:
        """A damaged row is a fault that names the job."""
        error = self.assertRaises(StateFault, job_of, Row("job", "07", b'{"id":"x"}'))
        self.assertIn("07", str(error))
        self.assertRaises(StateFault, line_of, Row("job.log", "07/1", b"{"))
