"""Jobs and log lines as the store has them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ganetix.errors import StateFault
from ganetix.flow.breath import Breath
from ganetix.jobs.model import Job, JobStatus, LogLine
from ganetix.jobs.ports import Rows
from ganetix.jobs.rows import (
    ARCHIVED,
    COUNTER,
    FINISHED,
    LOG,
    UNFINISHED,
    job_key,
    job_of,
    line_of,
    log_key,
)
from ganetix.state.rows import Row, RowKey

PAGE = 500


class JobHistory:
    """Reads what the job queue has written."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, store: Rows) -> None:
        self._clock = clock
        self._store = store

    async def last_number(self) -> int:
        """The highest number that was ever given to a job."""
        numbers = [0]
        for row in await self._store.get([COUNTER]):
            numbers.append(int(row.data or b"0"))
        for kind in (UNFINISHED, FINISHED, ARCHIVED):
            for row in await self._store.scan(kind, "", 1, True):
                numbers.append(int(row.key))
        return max(numbers)

    async def unfinished(self) -> list[Job]:
        """All jobs that have not come to their end, by number.

        One whose record is damaged is logged and left where it is.
        """
        return await self._jobs_of(await self._store.load([UNFINISHED]))

    async def finished(self, ids: Sequence[int]) -> list[Job]:
        """Those of these jobs that have ended, archived or not."""
        # Asked in one go: a job that is being archived is in one of the two places.
        kinds = (FINISHED, ARCHIVED)
        keys = [RowKey(kind, job_key(job_id)) for kind in kinds for job_id in ids]
        return await self._jobs_of(await self._store.get(keys))

    async def ends(self, ids: Sequence[int]) -> dict[int, JobStatus | None]:
        """How these jobs have ended; None for those that are not to be found."""
        ends: dict[int, JobStatus | None] = dict.fromkeys(ids)
        for at in range(0, len(ids), PAGE):
            found = await self.finished(ids[at : at + PAGE])
            ends.update((job.id, job.status) for job in found)
        return ends

    async def newest_finished(
        self, limit: int | None, kind: str = FINISHED
    ) -> list[Job]:
        """The jobs that have ended with the highest numbers, by number.

        :param kind: ``FINISHED`` or ``ARCHIVED`` ones
        """
        found: list[Job] = []
        after = ""
        while limit is None or len(found) < limit:
            count = PAGE if limit is None else min(PAGE, limit - len(found))
            rows = await self._store.scan(kind, after, count, True)
            found += await self._jobs_of(rows)
            if len(rows) < count:
                break
            after = rows[-1].key
        found.reverse()
        return found

    async def lines(
        self, job_id: int, after_serial: int, limit: int | None = None
    ) -> list[LogLine]:
        """Log lines of a job beyond a serial, in order."""
        found: list[LogLine] = []
        prefix = job_key(job_id) + "/"
        after = log_key(job_id, max(after_serial, 0))
        breath = Breath(self._clock)
        while limit is None or len(found) < limit:
            count = PAGE if limit is None else min(PAGE, limit - len(found))
            rows = await self._store.scan(LOG, after, count)
            mine = [row for row in rows if row.key.startswith(prefix)]
            found += map(line_of, mine)
            if len(mine) < count:
                break
            after = mine[-1].key
            if breath.is_due:
                await breath.take()
        return found

    async def last_line(self, job_id: int) -> int:
        """The serial of a job's last log line, 0 if it has none."""
        beyond = job_key(job_id) + "/~"
        for row in await self._store.scan(LOG, beyond, 1, True):
            if row.key.startswith(job_key(job_id) + "/"):
                return int(row.key.partition("/")[2])
        return 0

    async def _jobs_of(self, rows: Sequence[Row]) -> list[Job]:
        jobs: list[Job] = []
        breath = Breath(self._clock)
        for row in rows:
            try:
                job = job_of(row)
                is_archived = row.kind == ARCHIVED
                jobs.append(replace(job, archived=True) if is_archived else job)
            except StateFault as error:
                self._log.error("{error}", error=error)
            if breath.is_due:
                await breath.take()
        return jobs
