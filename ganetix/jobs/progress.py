"""What a unit may do to the job it works for."""

from __future__ import annotations

from ganetix.errors import Cancelled
from ganetix.jobs.live import LiveJob
from ganetix.jobs.log import JobLog


class JobProgress:
    """What a unit may do to its job: the ``Progress`` of ``jobs.work``."""

    def __init__(self, live: LiveJob, log: JobLog, op: int) -> None:
        self.job_id = live.job.id
        self._live = live
        self._log = log
        self._op = op

    def say(self, text: str) -> None:
        """Add a line to the job's log."""
        self._log.add(self._live, self._op, text)

    def warn(self, text: str) -> None:
        """Add a warning to the job's log."""
        self._log.add(self._live, self._op, text, "warning")

    def check_cancelled(self) -> None:
        """Raise ``Cancelled`` if the user asked for that."""
        if self._live.job.cancel_requested:
            raise Cancelled(f"job {self.job_id} was canceled")
