"""The locks as clients see them."""

from __future__ import annotations

from ganetix.jobs.live import JobOwner
from ganetix.jobs.values import LockInfo, LockOwner, LockWaiter
from ganetix.locking import LockManager
from ganetix.locking.info import Owner


def lock_infos(locks: LockManager) -> tuple[LockInfo, ...]:
    """All locks that somebody holds or waits for."""
    return tuple(
        LockInfo(
            level=entry.level,
            name=entry.lock.name.removeprefix(f"{entry.level}/"),
            mode=entry.lock.mode or "",
            owners=tuple(
                LockOwner(
                    job_id=_job_id(h.owner),
                    name=str(h.owner),
                    mode=h.mode,
                    since=h.since,
                )
                for h in entry.lock.holders
            ),
            pending=tuple(
                LockWaiter(
                    job_id=_job_id(w.owner),
                    name=str(w.owner),
                    mode=w.mode,
                    priority=w.priority,
                    since=w.since,
                )
                for w in entry.lock.waiters
            ),
        )
        for entry in locks.monitor(busy_only=True)
    )


def _job_id(owner: Owner) -> int | None:
    return owner.job_id if isinstance(owner, JobOwner) else None
