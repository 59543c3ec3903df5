"""The master's start and memory, with nothing and with 100,000 ended jobs on its disk.

Half of the jobs are archived, and each has log lines. The master is the real daemon;
its first answer is a list of the newest jobs. The figures are the best of three starts.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ganetix.cli.complete import names_of
from ganetix.flow.offload import inline_offload
from ganetix.jobs.model import Job, LogLine, OpRun
from ganetix.jobs.rows import ARCHIVED, FINISHED, counter_row, job_rows, log_rows
from ganetix.opcodes import OpInstanceStartup
from ganetix.paths import Paths
from ganetix.state.rows import Batch, Row
from ganetix.state.sqlite import SqliteEngine

JOBS = 100_000
LINES = 3
BATCH = 1000
STARTS = 3
LIMIT_SECONDS = 60.0
POLL_SECONDS = 0.005
CHECKOUT = Path(__file__).resolve().parents[1]

_GNT_CLUSTER = "import sys; from ganetix.cli.main import gnt_cluster; "
_GNT_CLUSTER += "sys.exit(gnt_cluster())"
_TWISTD = "from twisted.scripts.twistd import run; run()"


def measure_archive(say: Callable[[str], None]) -> dict[str, float]:
    """``archive_start_s`` and ``archive_rss_mib``: what the jobs add to its memory."""
    root = Path(tempfile.mkdtemp(prefix="gnxa"))
    try:
        _run(root, _GNT_CLUSTER, "init", "--node-name=node1", *_INIT).wait()
        empty = [start_once(root, 0) for _ in range(STARTS)]
        say(f"writing {JOBS} ended jobs")
        generate(Paths(root).state_db)
        say("starting the master on them")
        full = [start_once(root, JOBS) for _ in range(STARTS)]
    finally:
        shutil.rmtree(root)
    seconds = min(seconds for seconds, _ in full)
    before = min(mib for _, mib in empty)
    after = min(mib for _, mib in full)
    return {"archive_start_s": seconds, "archive_rss_mib": max(after - before, 0.0)}


def generate(path: Path) -> None:
    """Put ended jobs into the state store of a master that does not run."""
    engine = SqliteEngine(path, inline_offload)
    _ = engine.open()
    batch: list[Row] = [counter_row(JOBS)]
    for number in range(1, JOBS + 1):
        batch += job_records(number)
        if number % BATCH == 0:
            _ = engine.commit([Batch(rows=tuple(batch))])
            batch = []
    _ = engine.close()


def job_records(number: int) -> Iterator[Row]:
    """The records of one ended job, archived or not."""
    now = time.time()
    run = OpRun(
        op=OpInstanceStartup(name=f"web{number}.example.org"),
        status="success",
        started=now,
        executing=now,
        ended=now,
    )
    job = Job(id=number, ops=(run,), received=now, started=now, ended=now)
    for row in job_rows(job.logged(LINES)):
        if row.kind == FINISHED:
            kind = ARCHIVED if number <= JOBS // 2 else FINISHED
            yield Row(kind, row.key, row.data)
    for serial in range(1, LINES + 1):
        text = f"step {serial}: something that took a while has been done"
        yield from log_rows(number, [LogLine(serial=serial, time=now, op=0, text=text)])


def start_once(root: Path, jobs: int) -> tuple[float, float]:
    """Seconds until the master's first answer, and its memory then, in MiB."""
    began = time.perf_counter()
    master = _run(root, _TWISTD, "--nodaemon", "--pidfile=", "ganetix-master")
    try:
        socket = Paths(root).master_socket
        while not (socket.exists() and (jobs == 0 or names_of("job", socket))):
            if time.perf_counter() - began > LIMIT_SECONDS or master.poll() is not None:
                log = (root / "log").read_text()
                raise SystemExit(f"the master does not answer: {log}")
            time.sleep(POLL_SECONDS)
        names = names_of("job", socket)
        seconds = time.perf_counter() - began
        if (jobs > 0) != (str(jobs) in names):
            raise SystemExit(f"not the jobs that were written: {names[:3]}")
        status = Path(f"/proc/{master.pid}/status").read_text()
    finally:
        master.send_signal(signal.SIGTERM)
        master.wait(30)
    line = next(x for x in status.splitlines() if x.startswith("VmRSS:"))
    return seconds, int(line.split()[1]) / 1024


_INIT = ("--primary-ip=127.0.63.1", "--enabled-hypervisors=fake", "bench.example")


def _run(root: Path, code: str, *argv: str) -> subprocess.Popen[bytes]:
    """A process of the project, its output in the root's log."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "GANETIX_ROOT": str(root)}
    with (root / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", code, *argv],
            env=environment,
            stdout=log,
            stderr=log,
        )


if __name__ == "__main__":
    found = measure_archive(lambda text: print(f"archive: {text} …", file=sys.stderr))
    print(json.dumps({name: round(value, 3) for name, value in found.items()}))
