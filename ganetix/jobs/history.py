"""Jobs and log lines as the store has them."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ganetix.errors import StateFault
from ganetix.flow.breath import Breath
from ganetix.jobs.model import Job, LogLine
from ganetix.jobs.ports import Rows
from ganetix.jobs.rows import (
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
        for kind in (UNFINISHED, FINISHED):
            for row in await self._store.scan(kind, "", 1, True):
                numbers.append(int(row.key))
        return max(numbers)

    async def unfinished(self) -> list[Job]:
        """All jobs that have not come to their end, by number.

        One whose record is damaged is logged and left where it is.
        """
        return await self._jobs_of(await self._store.load([UNFINISHED]))

    async def finished(self, ids: Sequence[int]) -> list[Job]:
        """Those of these jobs that have ended."""
        keys = [RowKey(FINISHED, job_key(job_id)) for job_id in ids]
        return await self._jobs_of(await self._store.get(keys))

    async def newest_finished(self, limit: int | None) -> list[Job]:
        """The jobs that have ended with the highest numbers, by number."""
        found: list[Job] = []
        after = ""
        while limit is None or len(found) < limit:
            count = PAGE if limit is None else min(PAGE, limit - len(found))
            rows = await self._store.scan(FINISHED, after, count, True)
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
                jobs.append(job_of(row))
            except StateFault as error:
                self._log.error("{error}", error=error)
            if breath.is_due:
                await breath.take()
        return jobs
