"""Why a job is not getting on, in a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from ganetix.jobs.live import LiveJob
from ganetix.jobs.model import RUNNING, Dependency, Job
from ganetix.locking import LockManager, LockState
from ganetix.opcodes import summary
from ganetix.scheduler import Scheduler

MOST_NAMED = 3
"""So many of those in a job's way are named; of the others, the number."""

NameOf = Callable[[str], str]
"""The name by which people know a lock."""


def why_waiting(
    live: LiveJob,
    locks: LockManager,
    scheduler: Scheduler,
    depends: Sequence[Dependency],
    others: Mapping[int, LiveJob],
    now: float,
    name_of: NameOf,
) -> str | None:
    """What the job waits for; None if it waits for nothing.

    :param depends: what is left of the job's dependencies
    :param others: all jobs that have not ended
    """
    job, task = live.job, live.task
    if job.status != "queued" and live.owner is not None:
        state = locks.awaited_by(live.owner)
        if state is not None:
            return _lock_line(state, live, now, name_of)
        if job.status == "waiting":
            return None
    if job.status != "queued":
        return live.hindrance
    if depends:
        return _dependency_line(depends, others)
    if task is None:
        return live.hindrance
    if task.state == "delayed":
        return f"tries again soon: {live.hindrance or 'it was deferred'}"
    tail = f"; last time, {live.hindrance}" if live.hindrance else ""
    if scheduler.is_quiet:
        return f"no jobs are started at present{tail}"
    position = task.position()
    if position is None:
        return None
    line = f"waits for one of {scheduler.slots} slots, {position} before it"
    line = f"{line} with priority {job.priority} or better"
    return f"{line}{_slots_text(others, now)}{tail}"


def _dependency_line(
    depends: Sequence[Dependency], others: Mapping[int, LiveJob]
) -> str:
    first, *rest = depends
    other = others.get(first.job_id)
    job_text = f"job {first.job_id}"
    if other is not None and other.job.is_final:
        return f"waits for {job_text}, {other.hindrance or 'which is just ending'}"
    if other is not None:
        job_text += f", which is {other.job.status},"
    wanted = " or ".join(first.statuses) or "whatever it may be"
    line = f"waits for {job_text} to end as {wanted}"
    if not rest:
        return line
    names = [str(each.job_id) for each in rest]
    noun = "job" if len(rest) == 1 else "jobs"
    return f"{line}; and for {noun} {_listed(names)}"


def _slots_text(others: Mapping[int, LiveJob], now: float) -> str:
    """Who has had a slot for the longest."""
    active = [o.job for o in others.values() if o.job.status in ("waiting", *RUNNING)]
    active.sort(key=lambda job: job.current_run.started or now)
    if not active:
        return ""
    names = [_job_text(job, now) for job in active[:MOST_NAMED]]
    names += [""] * (len(active) - len(names))
    return f"; slots are held by {_listed(names)}"


def _job_text(job: Job, now: float) -> str:
    run = job.current_run
    since = now if run.started is None else run.started
    return f"job {job.id} ({summary(run.op)}) {_since(since, now)}"


def _lock_line(state: LockState, live: LiveJob, now: float, name_of: NameOf) -> str:
    name = name_of(state.name)
    before = [w.owner for w in state.waiters]
    ahead = before.index(live.owner) if live.owner in before else 0
    queue = f"; {ahead} wait before it" if ahead else ""
    if not state.holders:
        return f"is about to get lock {name}{queue}"
    names = [f"{h.owner} {_since(h.since, now)}" for h in state.holders]
    return f"waits for lock {name}, held {state.mode} by {_listed(names)}{queue}"


def _listed(texts: Sequence[str]) -> str:
    shown = [*texts[:MOST_NAMED]]
    if len(texts) > MOST_NAMED:
        shown.append(f"{len(texts) - MOST_NAMED} more")
    return ", ".join(shown)


def _since(seconds: float, now: float) -> str:
    at = f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S} UTC"
    return f"since {at} ({max(now - seconds, 0):.0f} s)"
