"""Log lines of jobs on their way into the store."""

from __future__ import annotations

from typing import Literal

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ganetix.errors import StateFault
from ganetix.flow.event import Event
from ganetix.jobs.live import LiveJob
from ganetix.jobs.model import RUNNING, LogLine
from ganetix.jobs.ports import Rows
from ganetix.jobs.rows import MAX_LOG_SERIAL, log_rows

MAX_LINE = 4096
"""Characters of a line that are kept."""

Level = Literal["info", "warning"]


class JobLog:
    """Writes log lines in batches; nobody waits for that.

    Lines that come while others are being written go with the next batch, all jobs'
    together. Lines that cannot be written are shown nevertheless. Those of an opcode
    that has not begun stay with the job: it may be done again, and say them again.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, store: Rows) -> None:
        self._clock = clock
        self._store = store
        self._with_lines: dict[LiveJob, None] = {}
        self._call: IDelayedCall | None = None
        self._is_writing = False
        self._idle = Event()
        self._idle.set()

    def add(self, live: LiveJob, op: int, text: str, level: Level = "info") -> None:
        """Add a text to a job's log, a line for each of its own.

        A job that has ended takes no more lines.
        """
        if live.job.is_final:
            return
        now = self._clock.seconds()
        for line in text.splitlines() or [""]:
            if live.last_line >= MAX_LOG_SERIAL:
                return
            live.last_line += 1
            cut = line if len(line) <= MAX_LINE else line[:MAX_LINE] + "…"
            live.add_line(
                LogLine(serial=live.last_line, time=now, op=op, text=cut, level=level)
            )
        if live.is_begun or live.job.status not in RUNNING:
            self.go_on(live)

    def go_on(self, live: LiveJob) -> None:
        """Write what a job has said, soon."""
        self._with_lines[live] = None
        self._wake()

    def take(self, live: LiveJob) -> list[LogLine]:
        """The lines of a job that are not yet being written; the taker writes them."""
        self._with_lines.pop(live, None)
        return live.take_lines()

    def settled(self) -> Deferred[None]:
        """Fires when no line is waiting to be written."""
        return self._idle.wait()

    def _wake(self) -> None:
        if self._call is None and not self._is_writing:
            self._idle.clear()
            self._call = self._clock.callLater(0, self._begin)

    def _begin(self) -> None:
        self._call = None
        self._is_writing = True
        _ = Deferred.fromCoroutine(self._write())

    async def _write(self) -> None:
        try:
            while self._with_lines:
                await self._write_batch()
        finally:
            self._is_writing = False
            self._idle.set()

    async def _write_batch(self) -> None:
        taken = [(live, self.take(live)) for live in list(self._with_lines)]
        rows = [row for live, ls in taken for row in log_rows(live.job.id, ls)]
        try:
            await self._store.write(rows)
        except StateFault as error:
            self._log.warn("log lines of jobs are lost: {error}", error=error)
        for live, lines in taken:
            live.show_lines(lines)
