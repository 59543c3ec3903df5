"""The job queue over random histories: jobs that depend on each other, cancels,
priorities, the archive, faults, crashes and fail-overs."""

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Edits
from ganetix.errors import HypervisorFault, StateFault, Unavailable
from ganetix.jobs.model import Dependency, FinalStatus, Job, JobStatus
from ganetix.jobs.rows import (
    ARCHIVED,
    FINISHED,
    LOG,
    UNFINISHED,
    job_key,
    job_of,
    line_of,
)
from ganetix.jobs.values import SubmitRequest
from ganetix.jobs.work import LockPlan, Outcome
from ganetix.objects import NodeGroup
from ganetix.opcodes import OpGroupAdd
from ganetix.state.rows import Row, RowKey
from ganetix.test.histories import run_histories
from ganetix.test.jobs.support import Candidates, Master, creates, instance_locks, op
from ganetix.testing.config import make_instance
from ganetix.testing.state import HeldOffload

INSTANCES = ("db", "web")
PLANS: tuple[LockPlan, ...] = (
    {},
    instance_locks("web"),
    instance_locks("web", "db"),
    instance_locks("db", mode="shared"),
    creates("new"),
)

Ends = tuple[FinalStatus, ...] | None
WAYS_TO_DEPEND: tuple[tuple[Ends, Ends], ...] = (
    (None, None),
    (None, None),
    (("success",), None),
    (None, ("success", "error")),
    (("error", "canceled"), ("success",)),
    ((), ("canceled",)),
)


class QueueMachine(RuleBasedStateMachine):
    """What was promised is kept, whatever happens."""

    def __init__(self) -> None:
        super().__init__()
        self.medium: dict[RowKey, bytes] = {}
        self.plans: dict[str, LockPlan] = {}
        self.accepted: set[int] = set()
        self.answers: list[Deferred[object]] = []
        self.finals: dict[int, JobStatus] = {}
        self.canceled: set[int] = set()
        self.priorities: dict[int, int | None] = {}
        self.starts: Counter[str] = Counter()
        self.late: set[str] = set()
        self.ended_well: set[str] = set()
        self.is_stopping = False
        self.old: list[Master] = []
        self.count = 0
        self.now = 0.0
        self.come_up()
        puts = tuple(make_instance(name, "node1") for name in INSTANCES)
        _ = self.master.config.commit(lambda _: Edits(put=puts))
        self.held.release_all()

    def come_up(self) -> None:
        """A new master on the medium."""
        self.clock = Clock()
        self.clock.advance(self.now)
        self.held = HeldOffload()
        self.others = Candidates(self.medium)
        self.master = Master(self.clock, self.medium, self.held, 2, self.others)
        self.is_stopping = False
        self.master.worker.plans.update(self.plans)
        self.master.worker.late.update(self.late)
        starting = Deferred.fromCoroutine(self.master.start())
        self.held.release_all()
        assert starting.called and not isinstance(starting.result, Failure)
        self.seen = 0

    @initialize(data=st.data(), is_late=st.booleans())
    def first(self, data: st.DataObject, is_late: bool) -> None:
        """There are jobs from the first."""
        for priority in (0, 10):
            plans = [PLANS[0], PLANS[1]]
            self.submit(plans, priority, (None, None), is_late, True, data)

    @rule(
        ops=st.lists(st.sampled_from(PLANS), min_size=1, max_size=3),
        priority=st.sampled_from([-10, 0, 10]),
        how=st.sampled_from(WAYS_TO_DEPEND),
        is_late=st.booleans(),
        goes_on=st.booleans(),
        data=st.data(),
    )
    def submit(
        self,
        ops: list[LockPlan],
        priority: int,
        how: tuple[Ends, Ends],
        is_late: bool,
        goes_on: bool,
        data: st.DataObject,
    ) -> None:
        """Somebody submits a job, perhaps after others, and one that comes after it."""
        on_old, on_new = how
        depends: tuple[Dependency, ...] = ()
        if on_old is not None and self.accepted:
            old = data.draw(st.sampled_from(sorted(self.accepted)))
            depends = (Dependency(old, on_old),)
        requests = [self.request(ops, priority, depends, is_late)]
        if on_new is not None:
            depends = (*depends, Dependency(-1, on_new))
            requests.append(self.request([{}], priority, depends, not is_late))

        def taken(ids: tuple[int, ...]) -> None:
            self.accepted.update(ids)
            for job_id in ids:
                self.priorities.setdefault(job_id, priority)

        d = self.master.queue.submit(requests)
        _ = d.addCallbacks(taken, self.refused)
        if goes_on:
            self.settle()

    def request(
        self,
        ops: list[LockPlan],
        priority: int,
        depends: tuple[Dependency, ...],
        is_late: bool,
    ) -> SubmitRequest:
        """A job with these locks; a late one's opcodes begin without a record."""
        self.count += 1
        names = [f"job{self.count}op{index}" for index in range(len(ops))]
        self.plans.update(zip(names, ops, strict=True))
        self.master.worker.plans.update(self.plans)
        if is_late:
            self.late.update(names)
            self.master.worker.late.update(names)
        return SubmitRequest(
            ops=tuple(map(op, names)), priority=priority, depends=depends
        )

    def active(self) -> list[int]:
        """The jobs accepted that have not ended."""
        return sorted(filter(self.master.queue.is_active, self.accepted))

    def refused(self, failure: Failure) -> None:
        """A store that fails may refuse, and so may a master that stops."""
        failure.trap(StateFault, Unavailable)

    @precondition(lambda self: self.active())
    @rule(data=st.data(), priority=st.sampled_from([None, None, -10, 10]))
    def disturb(self, data: st.DataObject, priority: int | None) -> None:
        """Somebody cancels a job, or changes its priority."""
        job_id = data.draw(st.sampled_from(self.active()))
        if priority is not None:
            self.priorities[job_id] = None
            master = self.master

            def changed(answer: tuple[bool, str]) -> None:
                if answer[0] and master is self.master:
                    self.priorities[job_id] = priority

            d = master.queue.change_priority(job_id, priority)
            _ = d.addCallbacks(changed, self.refused)
            return

        def told(answer: tuple[bool, str]) -> None:
            if "was canceled" in answer[1]:
                self.canceled.add(job_id)

        d = self.master.queue.cancel(job_id)
        _ = d.addCallbacks(told, self.refused)

    @precondition(lambda self: self.master.worker.runs)
    @rule(
        data=st.data(),
        how=st.sampled_from(["good", "good", "bad", "say", "say", "check", "begin"]),
        goes_on=st.booleans(),
    )
    def work(self, data: st.DataObject, how: str, goes_on: bool) -> None:
        """A unit gets on."""
        runs = self.master.worker.runs
        name = data.draw(st.sampled_from(sorted(runs)))
        if how == "good":
            self.succeed(name)
        elif how == "bad":
            self.master.worker.fail(name, HypervisorFault("no"))
        elif how == "say":
            runs[name].progress.say(f"{name}: {self.starts[name]}")
        elif how == "begin":
            worker = self.master.worker

            def failed(failure: Failure) -> None:
                error = failure.value
                assert isinstance(error, Exception)
                if name in worker.runs and not worker.runs[name].end.called:
                    worker.fail(name, error)

            begun = runs[name].progress.begun()
            _ = begun.addCallbacks(lambda _: self.late.discard(name), failed)
        else:
            try:
                runs[name].progress.check_cancelled()
            except Exception as error:  # noqa: BLE001 - whatever it is, the unit ends
                self.master.worker.fail(name, error)
        if goes_on:
            self.settle()

    @precondition(lambda self: self.master.worker.runs)
    @rule(data=st.data())
    def work_in_vain(self, data: st.DataObject) -> None:
        """A unit ends well, and just then the disk is full for a moment."""
        name = data.draw(st.sampled_from(sorted(self.master.worker.runs)))
        self.master.engine.fault = "disk is full"
        self.succeed(name)
        self.settle()
        self.master.engine.fault = None

    def succeed(self, name: str) -> None:
        """A unit ends well; that of a job's first opcode adds a group."""
        change = None
        if adds_group(name):
            group = NodeGroup(uuid=name, name=name)
            change = lambda _: Edits(put=(group,))  # noqa: E731
        self.master.worker.succeed(name, Outcome(change=change))

    @rule(how=st.sampled_from(["turn", "settle", "write", "later", "much later"]))
    def get_on(self, how: str) -> None:
        """Time passes, or the disk gets on, or both until nothing happens."""
        if how == "settle":
            self.settle()
        elif how == "write":
            if len(self.held):
                self.held.release()
        else:
            self.clock.advance({"turn": 0, "later": 0.7, "much later": 12}[how])
            self.now = self.clock.seconds()

    def settle(self) -> None:
        """Let the disk, and all that is due, get on until nothing happens."""
        for _ in range(5):
            self.clock.advance(0)
            self.held.release_all()

    @rule(age=st.sampled_from([0.0, 5.0]))
    def archive(self, age: float) -> None:
        """Ended jobs go into the archive."""
        _ = self.master.queue.archive_older(age).addErrback(self.refused)

    @rule(what=st.sampled_from(["crash", "stop", "fault", "fault", "no fault"]))
    def trouble(self, what: str) -> None:
        """The disk fails or works again; or the master is killed, and comes back.

        What the master has not written is lost with it. One that stops may still be
        told something, before it is killed.
        """
        if what == "crash":
            self.old.append(self.master)
            self.come_up()
        elif what == "stop":
            if not self.is_stopping:
                self.is_stopping = True
                _ = Deferred.fromCoroutine(self.master.queue.stop())
        else:
            self.master.engine.fault = "disk is full" if what == "fault" else None

    @rule(what=st.sampled_from(["hold", "one", "go", "go", "silence", "depose"]))
    def replicate(self, what: str) -> None:
        """The candidates confirm nothing, one batch, or all; or there is no majority.

        Or they obey another master.
        """
        others = self.others
        if others.is_over:
            return
        if what in ("hold", "silence"):
            others.is_held = True
            others.obstacle = "no majority" if what == "silence" else others.obstacle
            self.master.store.go_on()
        elif what == "one":
            others.get_on(1)
        elif what == "go":
            others.is_held, others.obstacle = False, None
            others.get_on()
            self.master.store.go_on()
        else:
            others.depose()

    @precondition(lambda self: self.others.is_held)
    @rule(data=st.data())
    def fail_over(self, data: st.DataObject) -> None:
        """A node becomes master that has what was confirmed, and perhaps more."""
        others = self.others
        if not others.is_over:
            others.depose()
        self.take_over(data.draw(st.integers(0, len(others.lacking))))

    def take_over(self, count: int) -> None:
        """A node becomes master that has so many batches which were not confirmed."""
        self.old.append(self.master)
        _ = self.others.get(count)
        self.medium = self.others.copy
        self.come_up()

    @invariant()
    def note_starts(self) -> None:
        """No opcode begins twice that has begun for the record, or has ended."""
        started = self.master.worker.started
        for name in started[self.seen :]:
            self.starts[name] += 1
            assert self.starts[name] == 1 or name in self.late, name
            assert name not in self.ended_well, name
        self.seen = len(started)

    @invariant()
    def dependencies_hold(self) -> None:
        """No job has begun before those it depends on had ended as they should."""
        for job_id in self.accepted:
            job = self.recorded(job_id)
            if not job.depends or job.started is None:
                continue
            for dependency in job.depends:
                assert dependency.is_met_by(self.recorded(dependency.job_id).status)

    @invariant()
    def priorities_last(self) -> None:
        """A priority that was acknowledged is on the disk, or a better one."""
        for job_id, priority in self.priorities.items():
            job = self.recorded(job_id)
            if priority is not None and job.status == "queued":
                assert job.priority <= priority

    def recorded(self, job_id: int) -> Job:
        """A job that was accepted, as all candidates have it."""
        for kind in (UNFINISHED, FINISHED, ARCHIVED):
            data = self.others.copy.get(RowKey(kind, job_key(job_id)))
            if data is not None:
                return job_of(Row(kind, job_key(job_id), data))
        raise AssertionError(f"job {job_id} is lost")

    @invariant()
    def finals_stay(self) -> None:
        """Nobody's final state changes."""
        for job_id in self.accepted:
            job = self.recorded(job_id)
            self.ended_well.update(
                run.op.name
                for run in job.ops
                if run.status == "success" and isinstance(run.op, OpGroupAdd)
            )
            if job.is_final:
                assert self.finals.setdefault(job_id, job.status) == job.status
            elif job_id in self.finals or not self.master.queue.is_active(job_id):
                raise AssertionError(f"job {job_id} is lost")
        for job_id in self.canceled:
            assert self.finals[job_id] == "canceled"

    @invariant()
    def changes_are_ends(self) -> None:
        """What an opcode changes is there if it has succeeded, and only then."""
        for job_id in self.accepted:
            for run in self.recorded(job_id).ops:
                assert isinstance(run.op, OpGroupAdd)
                name = run.op.name
                if adds_group(name):
                    is_there = RowKey("group", name) in self.others.copy
                    assert is_there == (run.status == "success"), name

    @invariant()
    def locks_exclude(self) -> None:
        """No two units work under locks that exclude each other."""
        held: Counter[str] = Counter()
        for name in self.master.worker.runs:
            for locks in self.plans[name].values():
                held.update(n for n, mode in locks.names.items() if mode == "exclusive")
                held.update(locks.creates)
        assert all(count == 1 for count in held.values())
        assert len(self.master.scheduler.running) <= 2

    def check_logs(self) -> None:
        """No line is there twice, or from an attempt that was made again."""
        lines = [
            line_of(Row(*key, data))
            for key, data in sorted(self.others.copy.items())
            if key.kind == LOG
        ]
        told: dict[str, set[str]] = {}
        for line in lines:
            name, said, attempt = line.text.partition(": ")
            if said:
                told.setdefault(name, set()).add(attempt)
        for name, attempts in told.items():
            assert len(attempts) == 1, name
            if name in self.ended_well:
                assert attempts == {str(self.starts[name])}, name

    def teardown(self) -> None:
        """In the end all jobs have ended, and nothing is left over."""
        if self.others.is_over or self.is_stopping:
            self.take_over(0)
        self.master.engine.fault = None
        self.replicate("go")
        for _ in range(1000):
            self.held.release_all()
            self.clock.advance(1)
            self.note_starts()
            for name in list(self.master.worker.runs):
                self.succeed(name)
            if not any(self.master.queue.counts()) and not len(self.held):
                break
        self.note_starts()
        self.finals_stay()
        self.changes_are_ends()
        self.check_logs()
        assert set(self.finals) == self.accepted
        assert not any(self.master.queue.counts())
        assert (self.master.scheduler.running, self.master.scheduler.pending) == ((), 0)
        assert self.master.queue.locks() == ()
        names = self.master.locks.names("instance")
        assert names == set(INSTANCES)


def adds_group(name: str) -> bool:
    """Whether this opcode changes the configuration."""
    return name.endswith("op0")


class QueueModelTests(SynchronousTestCase):
    """Random histories."""

    def test_promises(self) -> None:
        """Every job accepted ends once, none runs twice, nothing leaks."""
        run_histories(QueueMachine, 120)
        self.flushLoggedErrors(StateFault)
