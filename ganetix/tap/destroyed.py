"""The end of a master's files when its cluster is destroyed."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from ganetix.errors import StateFault
from ganetix.flow.offload import inline_offload
from ganetix.interfaces import IStateEngine
from ganetix.jobs.rows import FINISHED, UNFINISHED, job_of
from ganetix.opcodes import OpClusterDestroy
from ganetix.paths import Paths
from ganetix.state.sqlite import SqliteEngine


def wipe(paths: Paths) -> None:
    """Remove what made this host a master; its logs stay. Blocking.

    The state goes first: without it there is no cluster, whatever else is left.
    """
    for path in (
        paths.state_db,
        *paths.state_db.parent.glob(f"{paths.state_db.name}*"),
        paths.ca_key,
        paths.next_ca_key,
        paths.ca_certificate,
    ):
        path.unlink(missing_ok=True)


def was_destroyed(paths: Paths) -> bool:
    """Whether a master died after its node had left and before it wiped its files.

    The node's certificate is gone then, and the record of the job that did it is there.
    Blocking; before the store is opened.
    """
    if paths.node_certificate.exists():
        return False
    found: list[bool] = []
    engine = SqliteEngine(paths.state_db, inline_offload)
    looked = Deferred.fromCoroutine(_has_record(engine)).addCallback(found.append)
    # What is wrong with the store is said by whoever opens it to use it.
    _ = looked.addErrback(lambda failure: failure.trap(StateFault))
    return found == [True]


async def _has_record(engine: IStateEngine) -> bool:
    await engine.open()
    try:
        rows = [
            *await engine.load([UNFINISHED]),
            *await engine.scan(FINISHED, "", 1, True),
        ]
    finally:
        await engine.close()
    runs = (job_of(row).current_run for row in rows)
    return any(
        isinstance(run.op, OpClusterDestroy) and run.status in ("running", "success")
        for run in runs
    )
