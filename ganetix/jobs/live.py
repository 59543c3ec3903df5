"""A job that has not come to its end, as the master holds it in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from ganetix.jobs.attempts import Patience
from ganetix.jobs.model import Job, JobStatus, LogLine
from ganetix.opcodes import Opcode, summary
from ganetix.plan.lock_plan import LockPlan
from ganetix.scheduler import Task

RECENT_LINES = 200
"""How many of a job's last log lines are in memory; the store has all."""


class JobOwner:
    """An opcode of a job as the owner of locks; ``plan`` says of which, once held.

    ``awaited`` is what it waits for in the middle of its work, and would rather not if
    it is canceled.
    """

    __slots__ = ("awaited", "job_id", "op", "plan")

    def __init__(self, job_id: int, op: Opcode) -> None:
        self.job_id = job_id
        self.op = op
        self.plan: LockPlan = {}
        self.awaited: list[Deferred[Any]] = []

    def __str__(self) -> str:
        return f"job {self.job_id} ({summary(self.op)})"


class Watcher(Protocol):
    """Somebody who wants to know of a job's changes."""

    def changed(self, live: LiveJob) -> None:
        """Others see something new of this job: note that, and do no more."""


class LiveJob:
    """A job, what others may see of it, and who wants to know.

    ``job`` is how things are. ``shown`` is what others see: the same, except that an
    end is shown only when it is durable; so are log lines. ``status`` is the one
    shown.
    """

    __slots__ = (
        "_unwritten",
        "_watchers",
        "hindrance",
        "is_begun",
        "is_ending",
        "is_starting",
        "job",
        "last_line",
        "lines",
        "on_show",
        "owner",
        "patience",
        "shown",
        "status",
        "task",
    )

    def __init__(
        self,
        job: Job,
        on_show: Callable[[LiveJob, JobStatus], None],
    ) -> None:
        # What most jobs need only when they run comes into being then: there may be
        # many thousands that wait.
        self._watchers: dict[Watcher, None] | None = None
        self._unwritten: list[LogLine] | None = None
        self.on_show = on_show
        self.job = job
        self.shown = job
        self.status = job.status
        self.last_line = job.log_serial
        self.lines: deque[LogLine] | None = None
        self.task: Task | None = None
        self.owner: JobOwner | None = None
        self.patience: Patience | None = None
        # Why it is not getting on, in words, where no lock or slot tells.
        self.hindrance: str | None = None
        # Whether its record says that the current opcode runs; whether that is being
        # recorded, or its end.
        self.is_begun = False
        self.is_starting = False
        self.is_ending = False

    def begin(self, job: Job) -> None:
        """Let a job that nobody has seen yet be this from the first."""
        self.job = self.shown = job
        self.status = job.status

    def move(self, job: Job) -> None:
        """Let the job be this from now on, and others see it unless it ends thus."""
        self.job = job
        if job.ended is None:
            self._show(job.logged(self.shown.log_serial))

    def move_unseen(self, job: Job) -> None:
        """Let the job be this from now on; others see it with ``show``."""
        self.job = job

    def show(self) -> None:
        """Let others see how the job is; an end only when it is durable."""
        self._show(self.job.logged(self.shown.log_serial))

    def show_lines(self, lines: list[LogLine]) -> None:
        """Let others see these lines: they are durable."""
        if lines:
            if self.lines is None:
                self.lines = deque(maxlen=RECENT_LINES)
            self.lines.extend(lines)
            self._show(self.shown.logged(lines[-1].serial))

    def add_line(self, line: LogLine) -> None:
        """Add a line that is to be written."""
        if self._unwritten is None:
            self._unwritten = []
        self._unwritten.append(line)

    def take_lines(self) -> list[LogLine]:
        """The lines that are to be written; the taker writes them."""
        lines, self._unwritten = self._unwritten, None
        return lines or []

    def put_back(self, lines: list[LogLine]) -> None:
        """Lines that were taken and not written."""
        self._unwritten = lines + self.take_lines()

    def tell(self, watcher: Watcher) -> None:
        """Tell somebody of all changes from now on."""
        if self._watchers is None:
            self._watchers = {}
        self._watchers[watcher] = None

    def tell_no_more(self, watcher: Watcher) -> None:
        """Tell somebody nothing any more."""
        if self._watchers is not None:
            self._watchers.pop(watcher, None)

    def _show(self, job: Job) -> None:
        before, self.shown, self.status = self.status, job, job.status
        if self.status != before:
            self.on_show(self, before)
        if self._watchers is not None:
            for watcher in self._watchers:
                watcher.changed(self)
