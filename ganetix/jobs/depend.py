"""Which jobs wait for which others; nobody asks, ends are told."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ganetix.errors import BadParameter, NotFound
from ganetix.flow.outbox import SLICE_SECONDS
from ganetix.jobs.model import Dependency, JobStatus
from ganetix.jobs.values import SubmitRequest
from ganetix.objects.base import Value

Ends = Mapping[int, JobStatus | None]
"""How jobs have ended, by number; None: there is no such job."""


class Unmet(Value, frozen=True, kw_only=True):
    """A dependency that cannot be met any more; see ``Job.unmet``."""

    job_id: int
    ended_as: JobStatus | None


class Dependencies:
    """Jobs by number that wait for others, and those for which they wait.

    :param on_judged: called with a job's number, from the reactor, when nothing is
        left to wait for or one of the others ended as it must not
    """

    def __init__(self, clock: IReactorTime, on_judged: Callable[[int], None]) -> None:
        self._clock = clock
        self._on_judged = on_judged
        self._open: dict[int, dict[int, Dependency]] = {}
        self._unmet: dict[int, Unmet] = {}
        self._dependants: dict[int, dict[int, None]] = {}
        self._ended: deque[tuple[int, JobStatus, Iterator[int]]] = deque()
        self._call: IDelayedCall | None = None

    def add(self, number: int, depends: Iterable[Dependency], ends: Ends) -> None:
        """Let a job wait for those of the others that have not ended."""
        for dependency in depends:
            other = dependency.job_id
            if other not in ends:
                self._open.setdefault(number, {})[other] = dependency
                self._dependants.setdefault(other, {})[number] = None
                continue
            status = ends[other]
            if status is None or not dependency.is_met_by(status):
                unmet = Unmet(job_id=other, ended_as=status)
                self._unmet.setdefault(number, unmet)

    def drop(self, number: int) -> None:
        """Forget a job that waits no more."""
        self._unmet.pop(number, None)
        for other in self._open.pop(number, ()):
            dependants = self._dependants.get(other)
            if dependants is not None:
                dependants.pop(number, None)
                if not dependants:
                    del self._dependants[other]

    def open(self, number: int) -> Sequence[Dependency]:
        """What a job still waits for."""
        return tuple(self._open.get(number, {}).values())

    def is_open(self, number: int) -> bool:
        """Whether a job still waits for others."""
        return number in self._open

    def unmet(self, number: int) -> Unmet | None:
        """Why a job can never begin."""
        return self._unmet.get(number)

    def ended(self, other: int, status: JobStatus) -> None:
        """A job has ended, durably: judge those that wait for it, soon."""
        waiting = self._dependants.pop(other, None)
        if waiting:
            self._ended.append((other, status, iter(tuple(waiting))))
            self._wake()

    def _wake(self) -> None:
        if self._call is None:
            self._call = self._clock.callLater(0, self._judge)

    def _judge(self) -> None:
        self._call = None
        until = self._clock.seconds() + SLICE_SECONDS
        while self._ended:
            other, status, waiting = self._ended[0]
            for number in waiting:
                self._judge_one(number, other, status)
                if self._clock.seconds() >= until:
                    self._wake()
                    return
            self._ended.popleft()

    def _judge_one(self, number: int, other: int, status: JobStatus) -> None:
        mine = self._open.get(number, {})
        dependency = mine.pop(other, None)
        if dependency is None:
            return
        if not mine:
            del self._open[number]
        if not dependency.is_met_by(status):
            self._unmet.setdefault(number, Unmet(job_id=other, ended_as=status))
            self._on_judged(number)
        elif not mine:
            self._on_judged(number)


def named_jobs(requests: Iterable[SubmitRequest]) -> set[int]:
    """The numbers of all jobs on which requests depend, but those of the same call."""
    return {d.job_id for r in requests for d in r.depends if d.job_id > 0}


def check_depends(index: int, request: SubmitRequest) -> None:
    """Refuse dependencies of the job at this place of a call that mean no job."""
    seen: set[int] = set()
    for number in (d.job_id for d in request.depends):
        if number == 0:
            raise BadParameter(
                "depends: 0 is no job: give a job's number, or -1 for the one before"
                " it in the same call"
            )
        if index + min(number, 0) < 0:
            raise BadParameter(f"depends: {number} is before the call's first job")
        if number in seen:
            raise BadParameter(f"depends: job {number} is named twice")
        seen.add(number)


def require_all(ends: Ends) -> None:
    """Refuse a dependency on a job that does not exist."""
    for number, status in ends.items():
        if status is None:
            raise NotFound(f"depends: there is no job {number}", job=str(number))


def resolved(request: SubmitRequest, number: int) -> tuple[Dependency, ...]:
    """A request's dependencies with all jobs by number; its own is ``number``."""
    return tuple(
        d if d.job_id > 0 else Dependency(number + d.job_id, d.statuses)
        for d in request.depends
    )
