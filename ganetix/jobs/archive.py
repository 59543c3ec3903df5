"""Putting ended jobs where no list shows them unless it is asked to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ganetix.errors import GanetixError
from ganetix.flow.tasks import TaskSet
from ganetix.jobs.ports import Rows
from ganetix.jobs.rows import ARCHIVED, FINISHED, job_key
from ganetix.state.rows import Row, RowKey

DEFAULT_AGE_SECONDS = 6 * 3600.0
"""How long ended jobs are in lists."""

LONGEST_INTERVAL_SECONDS = 300.0
SHORTEST_INTERVAL_SECONDS = 1.0

BATCH = 200
"""Jobs moved in one write; others' writes go between two."""

PAUSE_SECONDS = 0.01


class _Times(msgspec.Struct, frozen=True):
    """What counts here of a job's record."""

    received: float = 0.0
    ended: float | None = None


_decoder = msgspec.json.Decoder(_Times)


class Archive:
    """Moves records of ended jobs; their log lines stay where they are."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, store: Rows) -> None:
        self._clock = clock
        self._store = store

    async def move(self, job_ids: Sequence[int]) -> None:
        """Archive these jobs; those that have not ended or are archived stay."""
        for at in range(0, len(job_ids), BATCH):
            part = job_ids[at : at + BATCH]
            keys = [RowKey(FINISHED, job_key(job_id)) for job_id in part]
            await self._move(await self._store.get(keys))

    async def move_older(self, age_seconds: float) -> int:
        """Archive the jobs that ended so long ago; how many.

        Jobs are received in the order of their numbers, and none ends before it is
        received: so not all records need be read.
        """
        limit = self._clock.seconds() - age_seconds
        count, after = 0, ""
        while True:
            rows = await self._store.scan(FINISHED, after, BATCH)
            times = [self._times(row) for row in rows]
            old = [
                row
                for row, each in zip(rows, times, strict=True)
                if each.ended is not None and each.ended <= limit
            ]
            await self._move(old)
            count += len(old)
            if len(rows) < BATCH or times[-1].received > limit:
                return count
            after = rows[-1].key
            await deferLater(self._clock, PAUSE_SECONDS)

    async def _move(self, rows: Sequence[Row]) -> None:
        if rows:
            moved = [Row(ARCHIVED, row.key, row.data) for row in rows]
            gone = [Row(FINISHED, row.key, None) for row in rows]
            await self._store.write([*moved, *gone])

    def _times(self, row: Row) -> _Times:
        try:
            return _decoder.decode(row.data or b"")
        except msgspec.DecodeError as error:
            self._log.error(
                "the record of job {job} is damaged: {error}", job=row.key, error=error
            )
            return _Times()


class AutoArchive:
    """Archives what is old enough, again and again.

    :param move_older: archives the jobs that ended so many seconds ago
    :param age_seconds: how old they are; None: never
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        move_older: Callable[[float], Deferred[int]],
        age_seconds: float | None = DEFAULT_AGE_SECONDS,
    ) -> None:
        self._clock = clock
        self._move_older = move_older
        self._age_seconds = age_seconds
        self._tasks = TaskSet()

    def start(self) -> None:
        """Begin, an interval from now."""
        if self._age_seconds is not None:
            self._tasks.spawn("archiving", self._go_on(self._age_seconds))

    async def stop(self) -> None:
        """Archive no more; what was begun is stopped between two batches."""
        await self._tasks.stop()

    async def _go_on(self, age_seconds: float) -> None:
        longest = min(age_seconds / 4, LONGEST_INTERVAL_SECONDS)
        while True:
            await deferLater(self._clock, max(longest, SHORTEST_INTERVAL_SECONDS))
            try:
                count = await self._move_older(age_seconds)
            except CancelledError:
                raise
            except GanetixError as error:
                self._log.warn("jobs are not archived: {error}", error=error)
            except Exception:  # noqa: BLE001 - the next round must come all the same
                self._log.failure("archiving jobs failed")
            else:
                if count:
                    self._log.info("archived {count} jobs", count=count)
