"""The engine measured: locks in memory, and jobs through the real master.

The master is a process of its own with its state on disk, SQLite and all; clients are
other processes that speak AMP over the UNIX socket. Bounded: some two minutes.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path

from engine_archive import measure_archive
from engine_crowd import begin_client, finish, jobs_a_second
from twisted.internet.task import Clock

from ganetix.locking import Hold, SharedLock

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
GRANT_ROUNDS = 5
JOB_ROUNDS = 3
MEANINGS = {
    "lock_us": "uncontended acquire and release of a SharedLock, µs",
    "grant_us": "grant a waiter, 100,000 of them in mixed modes and priorities, µs",
    "grant_growth": "the same compared with 10,000 waiters, ratio",
    "jobs_per_s": "no-op jobs in batches of 100 by 4 clients, all finished, 1/s",
    "latency_p50_ms": "one client, submit to final state seen, median, ms",
    "latency_p99_ms": "the same, 99th percentile, ms",
    "rich_jobs_per_s": "with 8 locks at 3 levels, 4 log lines, a dependency each, 1/s",
    "urgent_ms": "a high-priority job behind 20,000 queued ones, until it runs, ms",
    "stall_ms": "the longest stall of the master's reactor in all of these, ms",
    "rss_mib": "resident memory of the master with 20,000 queued jobs, MiB",
    "archive_start_s": "start to first answer with 100,000 ended jobs on disk, s",
    "archive_rss_mib": "what these add to the master's resident memory, MiB",
}


def measure_locks() -> dict[str, float]:
    """The three figures of locks, without any process or disk.

    Each is the best of several rounds, in the process's own time and without the
    garbage collector, as with ``timeit``: what others do on the machine is not
    measured, nor how often the collector comes, which is for the process to say (the
    master lets it come seldom).
    """
    few, many = [], []
    for _round in range(GRANT_ROUNDS):
        few += [grant_seconds(10_000) for _ in range(3)]
        many.append(grant_seconds(100_000))
    return {
        "lock_us": min(lock_seconds(20_000) for _ in range(10)) * 1e6,
        "grant_us": min(many) * 1e6,
        "grant_growth": min(many) / min(few),
    }


def lock_seconds(rounds: int) -> float:
    """What it takes to acquire and release a lock that nobody else wants."""
    lock = SharedLock("lock", Clock())
    holds: list[Hold] = []

    def use() -> None:
        for _round in range(rounds):
            _ = lock.acquire().addCallback(holds.append)
            holds.pop().release()

    return process_seconds(use) / rounds


def grant_seconds(waiters: int) -> float:
    """What it takes to grant one of many waiters, each of whom lets go at once."""
    clock = Clock()
    lock = SharedLock("lock", clock)
    first: list[Hold] = []
    _ = lock.acquire().addCallback(first.append)
    served = 0

    def serve(hold: Hold) -> None:
        nonlocal served
        served += 1
        hold.release()

    def serve_all() -> None:
        first.pop().release()
        while served < waiters:
            clock.advance(0)

    for number in range(waiters):
        shared, priority = bool(number % 3), number % 8
        _ = lock.acquire(shared, priority).addCallback(serve)
    return process_seconds(serve_all) / waiters


def process_seconds(work: Callable[[], None]) -> float:
    """The processor time of some work, without the garbage collector's."""
    gc.collect()
    gc.disable()
    began = time.process_time()
    work()
    seconds = time.process_time() - began
    gc.enable()
    return seconds


class Master:
    """A cluster with nothing but a master, on this host."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="gnxb"))
        self.process: subprocess.Popen[bytes] | None = None
        command = [
            sys.executable,
            "-c",
            "from ganetix.cli.main import gnt_cluster; raise SystemExit(gnt_cluster())",
            "init",
            f"--root={self.root}",
            "--node-name=node1",
            "--primary-ip=127.0.62.1",
            "--enabled-hypervisors=fake",
            "bench.example",
        ]
        subprocess.run(command, check=True, capture_output=True)

    def start(self) -> float:
        """Start it; how long it took to answer for the first time, in seconds."""
        began = time.perf_counter()
        log = (self.root / "master.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, HERE / "engine_master.py", self.root],
            stdout=log,
            stderr=log,
        )
        self.client("hello")
        return time.perf_counter() - began

    def client(self, *argv: object) -> dict[str, float]:
        """What a client process measured."""
        return finish(begin_client(self.root, *argv))

    def rss_mib(self) -> float:
        """Its resident memory."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(x for x in status.splitlines() if x.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    def stall_ms(self) -> float:
        """The longest time its reactor did not come round, so far."""
        return float((self.root / "stall").read_text()) * 1000

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.process = None

    def remove(self) -> None:
        """End it and remove its files."""
        self.stop()
        shutil.rmtree(self.root)


def best_rate(root: Path, kind: str, jobs: int) -> float:
    """Jobs a second that four clients get done together, in the best of some rounds."""
    return max(jobs_a_second(root, kind, jobs, clients=4) for _ in range(JOB_ROUNDS))


def measure_jobs(say: Callable[[str], None]) -> dict[str, float]:
    """The figures of the real master.

    Rates and latencies are those of the best of some rounds, as with locks; the stall
    is the longest in all of them.
    """
    master = Master()
    try:
        master.start()
        figures: dict[str, float] = {}
        say("no-op jobs in batches")
        figures["jobs_per_s"] = best_rate(master.root, "plain", 20_000)
        say("one job at a time")
        rounds = [master.client("latency", 1000) for _ in range(JOB_ROUNDS)]
        figures |= min(rounds, key=itemgetter("latency_p50_ms"))
        say("jobs with locks and log lines")
        figures["rich_jobs_per_s"] = best_rate(master.root, "rich", 6_000)
        say("an urgent job behind 20,000")
        figures |= master.client("urgent", 20_000)
        figures["rss_mib"] = master.rss_mib()
        figures["stall_ms"] = master.stall_ms()
        return figures
    finally:
        master.remove()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one object of figures")
    options = parser.parse_args()
    os.chdir(CHECKOUT)

    def say(text: str) -> None:
        print(f"engine: {text} …", file=sys.stderr)

    say("locks")
    figures = measure_locks()
    figures |= measure_jobs(say)
    figures |= measure_archive(say)
    if options.json:
        print(json.dumps({key: round(value, 3) for key, value in figures.items()}))
        return
    for key, meaning in MEANINGS.items():
        print(f"{figures[key]:12.2f}  {meaning}")


if __name__ == "__main__":
    main()
