"""Doing opcodes: one at a time for a job, with its locks held."""

from __future__ import annotations

import random as random_module

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ganetix.errors import (
    Bug,
    Cancelled,
    GanetixError,
    LockTimeout,
    StateFault,
)
from ganetix.flow.shield import persistently
from ganetix.jobs.acquire import acquire_locks
from ganetix.jobs.attempts import Patience
from ganetix.jobs.live import JobOwner, LiveJob
from ganetix.jobs.log import JobLog
from ganetix.jobs.ports import Config, Rows
from ganetix.jobs.progress import JobProgress
from ganetix.jobs.records import STORE_PAUSE_SECONDS, JobRecords
from ganetix.jobs.rows import job_rows, log_rows
from ganetix.jobs.work import LockPlan, Outcome, Worker
from ganetix.locking import LockManager
from ganetix.scheduler import Again, Task

STOPPED = "the master was stopped while this ran"


class Runner:
    """Takes a job's current opcode from the queue to its end, or back to the queue."""

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        store: Rows,
        records: JobRecords,
        config: Config,
        worker: Worker,
        locks: LockManager,
        log: JobLog,
        random: random_module.Random,
    ) -> None:
        self._clock = clock
        self._store = store
        self._records = records
        self._config = config
        self._worker = worker
        self._locks = locks
        self._job_log = log
        self._random = random
        self._is_stopping = False

    def stopping(self) -> None:
        """From now on coroutines are cancelled because the master stops."""
        self._is_stopping = True

    async def run(self, live: LiveJob, task: Task) -> Again | None:
        """Do the job's current opcode, if it gets its locks in time."""
        run = live.job.current_run
        owner = live.owner = JobOwner(live.job.id, run.op)
        live.hindrance = None
        live.is_begun = False
        live.move_unseen(live.job.waiting(self._clock.seconds()))
        try:
            again = await self._attempt(live, owner, run.priority, task)
        except Exception:
            self.let_go(live)
            raise
        self.let_go(live)
        return again

    def claim(self, live: LiveJob) -> bool:
        """Get a new job's locks if all of them are free, and let it be running then.

        Whatever else is in its way is said when it has its turn.
        """
        job = live.job
        owner = live.owner = JobOwner(job.id, job.current_run.op)
        attempt = Deferred.fromCoroutine(self._acquire(live, owner, 0))
        claimed: list[None] = []
        _ = attempt.addCallbacks(claimed.append, lambda failure: None)
        attempt.cancel()
        if not claimed:
            live.owner = None
            return False
        now = self._clock.seconds()
        live.begin(job.waiting(now).running(now))
        live.is_begun = True
        return True

    async def run_claimed(self, live: LiveJob, task: Task) -> Again | None:
        """Do the first opcode of a job that was claimed, and is recorded as running."""
        try:
            again = await self._do(live, task)
        except Exception:
            self.let_go(live)
            raise
        self.let_go(live)
        return again

    def let_go(self, live: LiveJob) -> None:
        """Give back all locks of a job."""
        self._locks.release_all(live.owner)
        live.owner = None

    async def _attempt(
        self, live: LiveJob, owner: JobOwner, priority: int, task: Task
    ) -> Again | None:
        try:
            if not await self._lock(live, owner, priority):
                return self._lost_patience(live)
            return await self._perform(live, task)
        except GanetixError as error:
            # Only what comes before the opcode's work ends here.
            is_bug = isinstance(error, Bug)
            await self._fail(live, self._bug(live, Failure()) if is_bug else error)
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, the job must end
            await self._fail(live, self._bug(live, Failure()))
        return None

    async def _lock(self, live: LiveJob, owner: JobOwner, priority: int) -> bool:
        patience = live.patience
        if patience is None or patience.priority != priority:
            patience = live.patience = Patience(priority=priority)

        try:
            seconds = patience.timeout(self._random.random())
            await self._acquire(live, owner, seconds)
        except LockTimeout as error:
            live.hindrance = str(error)
            return False
        return True

    async def _acquire(
        self, live: LiveJob, owner: JobOwner, seconds: float | None
    ) -> None:
        def planned() -> LockPlan:
            return self._worker.locks_for(owner.op, self._config.snapshot())

        def priority() -> int:
            return live.job.priority

        owner.plan = await acquire_locks(
            self._locks, self._clock, owner, planned, priority, seconds, live.show
        )

    def _lost_patience(self, live: LiveJob) -> Again:
        patience = live.patience or Patience(priority=live.job.priority)
        live.patience = after = patience.after_timeout()
        if live.job.priority != patience.priority:
            # Changed by the user while it waited: attempts start over.
            live.patience = after = Patience(priority=live.job.priority)
        is_raised = after.priority != live.job.priority
        live.move(live.job.requeued(after.priority))
        if is_raised:
            index = live.job.current or 0
            text = f"waited long for its locks; its priority is now {after.priority}"
            self._job_log.add(live, index, text)
            self._records.write_soon(live)
        return Again(priority=after.priority)

    async def _perform(self, live: LiveJob, task: Task) -> Again | None:
        live.move(live.job.running(self._clock.seconds()))
        return await self._do(live, task)

    async def _do(self, live: LiveJob, task: Task) -> Again | None:
        index, owner = live.job.current or 0, live.owner
        if owner is None:
            raise Bug(f"job {live.job.id} is to be done without its locks")
        op = owner.op
        live.patience = None
        progress = JobProgress(
            live, self._job_log, index, self._locks, self._records.begin
        )
        try:
            outcome = await self._worker.run(op, progress, owner.plan)
            result = msgspec.to_builtins(outcome.result)
        except Exception:  # noqa: BLE001 - units may fail in any way
            return await self._stopped_short(live, Failure())
        if live.is_begun or self._store.fault is None:
            # Otherwise all that wait would be done in vain, again and again.
            task.leave_slot()
        return await self._done(live, outcome, result)

    async def _put_off(self, live: LiveJob, why: BaseException | None) -> Again | None:
        """Let a job that has not begun be queued again, without what it has said."""
        _ = self._job_log.take(live)
        if live.job.cancel_requested:
            now = self._clock.seconds()
            await self._records.end_quietly(live, lambda job: job.canceled(now))
            return None
        live.move(live.job.requeued())
        if isinstance(why, StateFault):
            live.hindrance = str(why)
        else:
            # The master stops, and a record that it runs may be on its way.
            self._records.write_soon(live)
        return Again(delay_seconds=STORE_PAUSE_SECONDS)

    async def _done(
        self, live: LiveJob, outcome: Outcome, result: object
    ) -> Again | None:
        now = self._clock.seconds()
        lines = self._job_log.take(live)
        before = live.job
        end = before.succeeded(now, result)
        record = end.logged(live.last_line)
        rows = (*job_rows(record), *log_rows(record.id, lines))
        live.is_ending = True
        try:
            # Even while the master stops: nobody may write another record meanwhile.
            if outcome.change is None:
                await persistently(self._store.write(rows, withdrawable=False))
            else:
                await persistently(self._config.commit(outcome.change, rows))
        except Exception as error:  # noqa: BLE001 - whatever it is, the job must end
            if isinstance(error, StateFault) and not live.is_begun:
                return await self._put_off(live, error)
            live.put_back(lines)
            if isinstance(error, StateFault):
                error = _not_recorded(outcome, error)
            elif not isinstance(error, GanetixError):
                error = self._bug(live, Failure())
            await self._fail(live, error)
            return None
        finally:
            live.is_ending = False
        live.show_lines(lines)
        # A job that ends is what its record says, whatever was changed meanwhile.
        is_settled = end.is_final or live.job is before
        live.move(end if is_settled else live.job.succeeded(now, result))
        if not live.job.is_final:
            if live.job.priority != end.priority:
                # Changed while the record was on its way.
                self._records.write_soon(live)
            return Again(priority=live.job.priority)
        if not end.is_final:
            # Asked to stop while this opcode's end was recorded.
            await self._records.end_quietly(live, lambda job: job)
            return None
        live.show()
        return None

    async def _stopped_short(self, live: LiveJob, failure: Failure) -> Again | None:
        now, error = self._clock.seconds(), failure.value
        is_stopped = isinstance(error, CancelledError) and self._is_stopping
        if not live.is_begun and (is_stopped or isinstance(error, StateFault)):
            return await self._put_off(live, error)
        if is_stopped:
            await self._records.end_quietly(
                live, lambda job: job.interrupted(now, STOPPED)
            )
        elif isinstance(error, Cancelled) and live.job.cancel_requested:
            await self._records.end_quietly(live, lambda job: job.canceled(now))
        elif isinstance(error, GanetixError) and not isinstance(error, Bug):
            await self._fail(live, error)
        else:
            await self._fail(live, self._bug(live, failure))
        return None

    async def _fail(self, live: LiveJob, error: GanetixError) -> None:
        now, wire = self._clock.seconds(), error.to_wire()
        await self._records.end_quietly(live, lambda job: job.failed(now, wire))

    def _bug(self, live: LiveJob, failure: Failure) -> Bug:
        bug_id = f"{self._random.getrandbits(32):08x}"
        self._log.failure(
            "internal error {bug} in job {job}", failure, bug=bug_id, job=live.job.id
        )
        return Bug(f"internal error {bug_id}; the master's log has the details")


def _not_recorded(outcome: Outcome, why: StateFault) -> StateFault:
    """How an opcode fails whose end the store did not take."""
    if outcome.change is None:
        return StateFault(f"this was done, but not recorded: {why}")
    return StateFault(
        f"this was done up to its change of the configuration, which failed: {why}"
    )
