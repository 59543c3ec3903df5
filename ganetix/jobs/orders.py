"""What users may have done to jobs that are there: cancel, hurry, put away."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ganetix.errors import StateFault
from ganetix.flow.shield import shielded
from ganetix.jobs.archive import Archive
from ganetix.jobs.book import JobBook
from ganetix.jobs.intake import bad_priority
from ganetix.jobs.live import LiveJob
from ganetix.jobs.ports import Rows
from ganetix.jobs.records import JobRecords
from ganetix.locking import LockManager
from ganetix.opcodes import SUBMIT_PRIORITIES


class Orders:
    """Carries out what is asked of single jobs, and says in a line what came of it."""

    def __init__(
        self,
        clock: IReactorTime,
        store: Rows,
        book: JobBook,
        records: JobRecords,
        locks: LockManager,
        archive: Archive,
    ) -> None:
        self._clock = clock
        self._store = store
        self._book = book
        self._records = records
        self._locks = locks
        self._archive = archive

    async def cancel(self, job_id: int) -> tuple[bool, str]:
        """See ``JobQueue.cancel``."""
        live = self._book.live.get(job_id)
        if live is None or live.job.is_final:
            return False, await self._book.ended_line(job_id)
        job = live.job
        if job.status in ("queued", "waiting"):
            try:
                await self._end_now(live)
            except StateFault as error:
                raise StateFault(
                    f"job {job_id} is canceled, but that is not recorded yet: {error}"
                ) from error
            return True, f"job {job_id} was canceled"
        if job.status == "canceling":
            return True, f"job {job_id} was asked to stop already"
        if live.is_ending and job.current == len(job.ops) - 1:
            return False, f"job {job_id} is just ending"
        live.move(job.canceling())
        self._records.write_soon(live)
        for work in tuple(live.owner.awaited) if live.owner else ():
            work.cancel()
        return True, f"job {job_id} is running; it was asked to stop"

    async def change_priority(self, job_id: int, priority: int) -> tuple[bool, str]:
        """See ``JobQueue.change_priority``."""
        if priority not in SUBMIT_PRIORITIES:
            raise bad_priority(priority)
        live = self._book.live.get(job_id)
        if live is None or live.job.is_final:
            return False, await self._book.ended_line(job_id)
        live.move(live.job.with_priority(priority))
        if live.task is not None:
            live.task.change_priority(priority)
        if live.owner is not None:
            self._locks.change_priority(live.owner, priority)
        try:
            while live.is_starting or live.is_ending:
                # The record that is on its way has the old priority.
                await self._store.write(())
            if live.job.is_final:
                return False, await self._book.ended_line(job_id)
            await self._records.write(live)
        except StateFault as error:
            raise StateFault(
                f"job {job_id} has priority {priority}, but that is not recorded:"
                f" {error}"
            ) from error
        return True, f"job {job_id} has priority {priority}"

    async def archive(self, job_ids: Sequence[int]) -> tuple[tuple[bool, str], ...]:
        """See ``JobQueue.archive``."""
        told: list[tuple[bool, str]] = []
        wanted: list[int] = []
        for job in await self._book.jobs(None, job_ids, True, True) if job_ids else ():
            if not job.is_final:
                told.append((False, f"job {job.id} has not ended: it is {job.status}"))
            elif job.archived:
                told.append((True, f"job {job.id} is archived already"))
            else:
                wanted.append(job.id)
                told.append((True, f"job {job.id} is archived"))
        await self._archive.move(wanted)
        return tuple(told)

    def _end_now(self, live: LiveJob) -> Deferred[None]:
        now, task = self._clock.seconds(), live.task
        # The job has ended before its coroutine learns that it is cancelled.
        ended = Deferred.fromCoroutine(
            self._records.end(live, lambda job: job.canceled(now))
        )
        if task is not None:
            task.cancel()
        return shielded(ended)
