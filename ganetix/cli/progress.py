"""What a job is doing, for whoever waits for it: lines, or one line that changes."""

from __future__ import annotations

from typing import TextIO

from ganetix.cli.quantities import show_seconds
from ganetix.cli.streams import one_line, printable
from ganetix.jobs.model import Job, JobStatus
from ganetix.jobs.values import JobUpdate
from ganetix.opcodes import summary

_ERASE = "\r\x1b[K"


class JobProgress:
    """Prints the log lines of jobs as they come, and how the jobs stand.

    On a terminal the last line is a status that is written over; elsewhere the
    begin and the end of a job are lines of their own.

    :param width: columns of the terminal; None if it is none
    """

    def __init__(self, stream: TextIO, width: int | None) -> None:
        self._stream = stream
        self._width = width
        self._jobs: dict[int, Job] = {}
        self._reasons: dict[int, str] = {}
        self._begun: dict[int, float] = {}
        self._status_shown = False

    def take(self, update: JobUpdate, now: float) -> None:
        """News of a job; ``now`` in seconds of any clock."""
        job = update.job
        before = self._jobs.get(job.id)
        self._jobs[job.id] = job
        self._begun.setdefault(job.id, now)
        for line in update.lines:
            warning = "warning: " if line.level == "warning" else ""
            self.line(f"{self._label(job)}{warning}{line.text}")
        status = job.status
        if before is None or before.status != status:
            if status != "waiting":
                self._reasons.pop(job.id, None)
            is_news = self._width is None and status in ("running", "canceling")
            if is_news or job.ended is not None:
                self.line(self._state_line(job, status))
        self.tick(now)

    def waits(self, job_id: int, reasons: tuple[str, ...], now: float) -> None:
        """Why a job waits; each reason is told once."""
        text = "; ".join(reasons)
        if text and self._reasons.get(job_id) != text:
            self._reasons[job_id] = text
            if self._width is None:
                self.line(f"job {job_id}: {text}")
        self.tick(now)

    def tick(self, now: float) -> None:
        """Write the status line anew."""
        if self._width is None:
            return
        open_jobs = [job for job in self._jobs.values() if job.ended is None]
        if not open_jobs:
            self._erase()
            return
        job = open_jobs[0]
        status = job.status
        text = f"job {job.id}: {status}, {summary(job.current_run.op)}"
        if reason := self._reasons.get(job.id):
            text += f", {reason}"
        if len(open_jobs) > 1:
            text = f"{len(open_jobs)} jobs to go; {text}"
        elapsed = show_seconds(max(0.0, round(now - self._begun[job.id])))
        text = f"{printable(text)[: self._width - len(elapsed) - 2]} {elapsed}"
        self._stream.write(f"{_ERASE}{text}")
        self._stream.flush()
        self._status_shown = True

    def line(self, text: str) -> None:
        """A line that stays."""
        self._erase()
        self._stream.write(f"{printable(text)}\n")
        self._stream.flush()

    def finish(self) -> None:
        """No more news: leave the terminal in order."""
        self._erase()

    def _label(self, job: Job) -> str:
        return f"job {job.id}: " if len(self._jobs) > 1 else "  "

    def _state_line(self, job: Job, status: JobStatus) -> str:
        text = f"job {job.id}: {status}, {job.summary}"
        if job.ended is not None:
            text += f", {show_seconds(max(0.0, job.ended - job.received))}"
        error = job.error
        if status == "error" and error is not None and len(self._jobs) > 1:
            text += f": {one_line(error.message)}"
        return text

    def _erase(self) -> None:
        if self._status_shown:
            self._stream.write(_ERASE)
            self._status_shown = False
