"""Tests of jobs that wait for other jobs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from ganetix.errors import BadParameter, HypervisorFault, NotFound, StateFault
from ganetix.jobs.model import Dependency, FinalStatus
from ganetix.jobs.rows import FINISHED, job_key
from ganetix.jobs.values import SubmitRequest
from ganetix.state.rows import RowKey
from ganetix.test.jobs.support import Master, QueueTestCase, request
from ganetix.testing.state import HeldOffload


def after(
    name: str, *others: int, statuses: Sequence[FinalStatus] = ("success",)
) -> SubmitRequest:
    """A job with one opcode that depends on others."""
    depends = tuple(Dependency(other, tuple(statuses)) for other in others)
    return replace(request(name), depends=depends)


class DependTestCase(QueueTestCase):
    """Submits jobs that depend on each other."""

    def take(self, *requests: SubmitRequest) -> tuple[int, ...]:
        """Submit jobs in one call, and let them begin."""
        ids = self.successResultOf(self.queue.submit(requests))
        self.turn()
        return ids

    def error(self, job_id: int) -> str:
        """Why a job failed."""
        error = self.job(job_id).error
        return error.message if error else ""


class SubmitTests(DependTestCase):
    """Dependencies as they are given."""

    def test_wire(self) -> None:
        """They are lists of a number and the statuses that will do."""
        text = b'{"ops": [], "depends": [[-1, ["success"]], [17, []]]}'
        found = msgspec.json.decode(text, type=SubmitRequest).depends
        self.assertEqual(found, (Dependency(-1, ("success",)), Dependency(17, ())))
        with self.assertRaisesRegex(msgspec.ValidationError, "'running'"):
            msgspec.json.decode(
                text.replace(b"success", b"running"), type=SubmitRequest
            )

    def test_relative(self) -> None:
        """In a job's record they are numbers, whatever they were in the call."""
        ids = self.take(request("a"), after("b", -1), after("c", -1, -2))
        self.assertEqual(self.worker.started, ["a"])
        found = [[d.job_id for d in self.job(i).depends] for i in ids]
        self.assertEqual(found, [[], [1], [2, 1]])

    def test_refused(self) -> None:
        """What names no job, or one that comes later, is refused with the reason."""
        self.take(request("a"))
        for depends, kind, text in (
            ((99,), NotFound, "depends: there is no job 99"),
            ((2,), NotFound, "depends: there is no job 2"),
            ((-1,), BadParameter, "depends: -1 is before the call's first job"),
            ((0,), BadParameter, "depends: 0 is no job"),
            ((1, 1), BadParameter, "depends: job 1 is named twice"),
        ):
            d = self.queue.submit([after("b", *depends)])
            error = self.failureResultOf(d, kind).value
            self.assertIn(text, str(error))
        self.assertEqual(len(self.successResultOf(self.queue.jobs())), 1)

    def test_store_fails(self) -> None:
        """A job that was not taken is not waited for, nor does it wait."""
        self.take(request("a"))
        self.master.engine.fault = "disk is full"
        self.failureResultOf(self.queue.submit([after("b", 1)]), StateFault)
        self.master.engine.fault = None
        self.succeed("a")
        self.assertEqual(self.worker.started, ["a"])

    def test_ends_on_the_way(self) -> None:
        """An end that comes while the dependant is being written is not missed."""
        held = HeldOffload()
        master = Master(self.clock, {}, held)
        starting = Deferred.fromCoroutine(master.start())
        held.release_all()
        self.successResultOf(starting)
        master.worker.brief = {"a", "b"}
        _ = master.queue.submit([request("a")])
        held.release()
        self.turn()
        held.release()
        submitted = master.queue.submit([after("b", 1)])
        for _ in range(5):
            self.turn()
            held.release_all()
        self.assertEqual(self.successResultOf(submitted), (2,))
        self.assertEqual(master.worker.started, ["a", "b"])


class WaitTests(DependTestCase):
    """Waiting for others."""

    slots = 1

    def test_met(self) -> None:
        """A job begins when all others have ended as they should, not before."""
        self.take(request("a"), request("b"), after("c", -1, -2))
        self.succeed("a")
        self.assertEqual(self.job(3).status, "queued")
        self.succeed("b")
        self.assertEqual(self.worker.started, ["a", "b", "c"])

    def test_takes_no_slot(self) -> None:
        """A job that waits for others leaves its slot to those that do not."""
        self.take(request("a"), after("b", -1), request("c"))
        self.succeed("a")
        self.assertEqual(self.worker.started, ["a", "c"])

    def test_unmet(self) -> None:
        """An end of the wrong kind fails the dependants, and theirs, with reasons."""
        self.take(request("a"), after("b", -1), after("c", -1), request("d"))
        self.fail_op("a", HypervisorFault("no"))
        self.assertEqual(self.error(2), "depends on job 1, which ended as error")
        self.assertEqual(self.error(3), "depends on job 2, which ended as error")
        self.assertEqual(self.job(2).status, "error")
        self.assertEqual(self.worker.started, ["a", "d"])

    def test_other_statuses(self) -> None:
        """An error may be what is waited for; no status at all stands for any."""
        self.take(
            request("a"),
            after("b", -1, statuses=("error",)),
            after("c", -2, statuses=("success", "error")),
            after("d", -3, statuses=()),
            after("e", -4, statuses=("canceled",)),
        )
        self.fail_op("a", HypervisorFault("no"))
        for name in "bcd":
            self.succeed(name)
        self.assertEqual(self.worker.started, ["a", "b", "c", "d"])
        self.assertEqual(self.error(5), "depends on job 1, which ended as error")

    def test_cancel_awaited(self) -> None:
        """Canceling a job fails those that need its success."""
        self.take(request("a"), request("b"), after("c", -1), after("d", -2))
        self.cancel(2)
        self.turn()
        self.assertEqual(self.error(3), "depends on job 2, which ended as canceled")
        self.assertEqual(self.job(4).status, "error")

    def test_cancel_dependant(self) -> None:
        """A job that waits for another can be canceled, and then never runs."""
        self.take(request("a"), after("b", -1), after("c", -1, statuses=("canceled",)))
        self.assertTrue(self.cancel(2)[0])
        self.turn()
        self.succeed("a")
        self.assertEqual(self.worker.started, ["a", "c"])
        self.assertEqual(self.job(2).status, "canceled")

    def test_priority(self) -> None:
        """A priority given while waiting for others counts afterwards."""
        self.take(request("a"), after("b", -1), after("c", -2))
        self.successResultOf(self.queue.change_priority(3, -10))
        self.turn()
        self.succeed("a")
        self.assertEqual(self.worker.started, ["a", "c"])

    def test_why(self) -> None:
        """What a job waits for is told."""
        self.take(request("a"), after("b", -1), after("c", -1, -2))
        self.assertEqual(
            self.queue.why(3),
            "waits for job 2, which is queued, to end as success; and for job 1",
        )
        self.assertIn("job 1, which is running,", self.queue.why(2) or "")

    def test_finished(self) -> None:
        """A job that has ended is judged when the dependant is submitted."""
        self.take(request("a"), request("b"))
        self.succeed("a")
        self.fail_op("b", HypervisorFault("no"))
        self.take(after("c", 1), after("d", 2))
        self.assertEqual(self.worker.started, ["a", "b", "c"])
        self.assertEqual(self.error(4), "depends on job 2, which ended as error")

    def test_long_chain(self) -> None:
        """Five thousand jobs each after the other fail without recursion."""
        many = [after(f"x{n}", -1) for n in range(5000)]
        ids = self.take(request("a"), *many)
        self.fail_op("a", HypervisorFault("no"))
        for _ in range(3):
            self.turn()
        while self.queue.counts().queued:
            self.turn()
        self.assertIn("which ended as error", self.error(ids[-1]))


class RestartTests(DependTestCase):
    """Waiting over the death of the master."""

    def test_goes_on_waiting(self) -> None:
        """A job waits on after a restart."""
        self.take(request("a"), request("b", priority=10), after("c", -1))
        self.succeed("a")
        self.successResultOf(self.queue.submit([request("d"), after("e", -1)]))
        self.restart()
        self.turn()
        self.assertEqual(self.worker.started, ["d"])
        self.succeed("d")
        self.assertEqual(self.worker.started, ["d", "e"])

    def test_interrupted(self) -> None:
        """What ran when the master died is an error for its dependants, too."""
        self.take(request("a"), after("b", -1), after("c", -2, statuses=("error",)))
        self.restart()
        self.turn()
        self.assertEqual(self.error(2), "depends on job 1, which ended as error")
        self.assertEqual(self.worker.started, ["c"])

    def test_ended_before(self) -> None:
        """An end that the last master could not act on is found in the store."""
        self.take(request("a"), after("b", -1))
        self.worker.succeed("a")
        self.restart()
        self.turn()
        self.assertEqual(self.worker.started, ["b"])

    def test_record_lost(self) -> None:
        """A job whose record is gone fails those that wait for it."""
        self.take(request("a"), after("b", -1))
        self.worker.succeed("a")
        del self.medium[RowKey(FINISHED, job_key(1))]
        self.restart()
        self.turn()
        self.assertEqual(self.error(2), "depends on job 1, which does not exist")
