"""What daemons share in how they start, stop and fail."""

from __future__ import annotations

import gc
import os
import resource
import sys
from pathlib import Path
from typing import Any, NoReturn

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IReactorCore, IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

import ganetix
from ganetix.bootstrap.dirs import make_directories
from ganetix.errors import GanetixError, StateFault
from ganetix.flow.offload import thread_offload
from ganetix.interfaces import Offload
from ganetix.paths import Paths

# systemd and administrators are promised a stop within five seconds.
STOP_WITHIN_SECONDS = 4.0
NOT_MASTER_STATUS = 11
"""How a master ends where it is not, or no longer, to run: to start it is in vain."""

SWITCH_SECONDS = 0.0002
COLLECTOR_THRESHOLDS = (10_000, 3, 700)


def make_missing(paths: Paths) -> None:
    """The directories below a root; ``StateFault`` if they cannot be made."""
    try:
        make_directories(paths)
    except OSError as error:
        raise StateFault(f"cannot make {error.filename}: {error.strerror}") from None


class Pool:
    """Threads of one purpose, never the reactor's own."""

    def __init__(self, reactor: IReactorFromThreads, name: str, threads: int) -> None:
        self._pool = ThreadPool(1, threads, name)
        self.offload: Offload = thread_offload(reactor, self._pool)

    def start(self) -> None:
        """Start the threads."""
        self._pool.start()

    def stop(self) -> None:
        """Wait for the work that runs, and end the threads."""
        self._pool.stop()


def raise_file_limit() -> None:
    """Let this process have as many open files as it may: connections are such."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def calm_collector() -> None:
    """Keep the garbage collector from what is loaded by now, which stays.

    The reactor waits while it goes through all of it. For the same reason it goes
    rarely through what has lived for some time, as queued jobs and connections do.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


def let_threads_in() -> None:
    """Have the reactor's thread make way sooner for those that write to the disk.

    After each statement to the store a thread waits for the interpreter, by default up
    to 5 ms if the reactor is busy: that came to a good part of each commit.
    """
    sys.setswitchinterval(SWITCH_SECONDS)


def refuse_to_start(error: GanetixError, status: int = 1) -> NoReturn:
    """End with one line and this status: the files here do not permit a start."""
    sys.stderr.write(f"twistd: {error}\n")
    raise SystemExit(status) from error


def end_with_failure(reactor: Any, log: Logger, why: str, status: int = 1) -> None:
    """Stop the daemon with a line in its log and this exit status.

    twistd always ends with 0 once the reactor ran; service managers need to know.
    """
    log.critical("cannot go on: {why}", why=why)
    sys.stderr.flush()
    core = IReactorCore(reactor)
    core.addSystemEventTrigger("after", "shutdown", os._exit, status)
    # A service that starts may fail before the reactor runs.
    core.callWhenRunning(core.stop)


def start_failed(
    reactor: Any, log: Logger, failure: Failure, is_ending: bool = False
) -> None:
    """End the daemon, as its start failed; one that was cut short did not fail.

    :param is_ending: the daemon ends already, for a reason of its own
    """
    if failure.check(CancelledError):
        return
    if not failure.check(GanetixError):
        log.failure("start failed", failure)
    if not is_ending:
        end_with_failure(reactor, log, failure.getErrorMessage())


async def within(clock: IReactorTime, seconds: float, work: Deferred[None]) -> bool:
    """Wait for work, but no longer than that; whether it was done."""
    _ = work.addTimeout(seconds, clock)
    try:
        await work
    except TimeoutError:
        return False
    return True


def shipped(what: str) -> Path:
    """A directory of files that come with ganetix: ``os``, in checkout or package."""
    checkout = Path(ganetix.__file__).parents[1] / "etc" / what
    return checkout if checkout.is_dir() else Path(sys.prefix) / "share/ganetix" / what
