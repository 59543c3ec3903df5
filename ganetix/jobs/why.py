"""Why a job is not getting on, in a line."""

from __future__ import annotations

from datetime import UTC, datetime

from ganetix.jobs.live import LiveJob
from ganetix.locking import LockManager, LockState
from ganetix.scheduler import Scheduler


def why_waiting(
    live: LiveJob, locks: LockManager, scheduler: Scheduler, now: float
) -> str | None:
    """What the job waits for; None if it waits for nothing."""
    job, task = live.job, live.task
    if job.status == "waiting" and live.owner is not None:
        state = locks.awaited_by(live.owner)
        return None if state is None else _lock_line(state, now)
    if job.status != "queued" or task is None:
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
    return f"{line} with priority {job.priority} or better{tail}"


def _lock_line(state: LockState, now: float) -> str:
    if not state.holders:
        return f"is about to get lock {state.name}"
    shown = [
        f"{h.owner} since {_time(h.since)} ({max(now - h.since, 0):.0f} s)"
        for h in state.holders[:3]
    ]
    if len(state.holders) > 3:
        shown.append(f"{len(state.holders) - 3} more")
    held = f"held {state.mode} by {', '.join(shown)}"
    return f"waits for lock {state.name}, {held}"


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S} UTC"
