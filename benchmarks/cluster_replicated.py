"""What replication costs: jobs a second with one master candidate, and with three.

Master, three node daemons and the clients share this host, so all of their work counts,
also that of the candidates, which in earnest have hosts of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from engine_crowd import jobs_a_second

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
NETWORK = "127.0.63"
CLIENTS = 4
JOBS = 8000
BRIEF_JOBS = 4000
ROUNDS = 3
LIMIT_SECONDS = 60.0
MEANINGS = {
    "jobs_per_s_unreplicated": "no-op jobs in batches of 100, one candidate, 1/s",
    "jobs_per_s_replicated": "the same with three candidates, two of them elsewhere",
    "replication_ratio": "the second by the first; half or more is wanted",
    "brief_per_s_unreplicated": "jobs whose beginning is recorded, one candidate, 1/s",
    "brief_per_s_replicated": "the same with three candidates",
    "brief_ratio": "the second by the first",
}


class Candidates:
    """A cluster of nodes ``node1`` … on loopback addresses."""

    def __init__(self) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="gnxr"))
        self.processes: list[subprocess.Popen[bytes]] = []

    def begin(self) -> None:
        """Make a cluster of one node, and start its daemons."""
        self.gnt(
            "node1",
            "gnt_cluster",
            "init",
            "--node-name=node1",
            f"--primary-ip={NETWORK}.1",
            "--enabled-hypervisors=fake",
            "bench.example",
        )
        self.twistd("node1", "ganetix-node", "-b", f"{NETWORK}.1")
        self.twistd("node1", "ganetix-master")
        self.until(lambda: self.info() != {}, "the master answers")

    def join(self, number: int) -> None:
        """Add a node, and wait until it is in step."""
        name, ip = f"node{number}", f"{NETWORK}.{number}"
        token = self.gnt("node1", "gnt_node", "add", f"--primary-ip={ip}", name)
        self.gnt(name, "ganetix_node", "join", "--no-start", token.strip())
        self.twistd(name, "ganetix-node", "-b", ip)
        self.until(lambda: name in self.in_step(), f"{name} is in step")

    def info(self) -> dict[str, object]:
        """What ``gnt-cluster info`` says; empty while there is no answer."""
        try:
            found: dict[str, object] = json.loads(
                self.gnt("node1", "gnt_cluster", "info", "--json")
            )
        except subprocess.CalledProcessError:
            return {}
        return found

    def in_step(self) -> set[str]:
        """The candidates that are in step."""
        candidates = self.info()["candidates"]
        assert isinstance(candidates, list)
        return {each["name"] for each in candidates if each["in_step"]}

    def throughput(self, kind: str, jobs: int) -> float:
        """Jobs a second that some clients get done together; the best of a few runs."""
        rates: list[float] = []
        for _round in range(ROUNDS):
            rates.append(jobs_a_second(self.base / "node1", kind, jobs, CLIENTS))
        return max(rates)

    def gnt(self, node: str, program: str, *argv: str) -> str:
        """Run a command on a node; what it printed."""
        code = f"from ganetix.cli.main import {program} as p; raise SystemExit(p())"
        command = [sys.executable, "-c", code, *argv]
        environment = {**os.environ, "GANETIX_ROOT": str(self.base / node)}
        done = subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    def twistd(self, node: str, plugin: str, *options: str) -> None:
        """Start a daemon of a node."""
        code = "from twisted.scripts.twistd import run; run()"
        root = self.base / node
        root.mkdir(exist_ok=True)
        log = (root / f"{plugin}.out").open("ab")
        command = [sys.executable, "-c", code, "--nodaemon", "--pidfile=", plugin]
        command += [f"--root={root}", "--log-level=warn", *options]
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        started = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self.processes.append(started)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        end = time.monotonic() + LIMIT_SECONDS
        while not condition():
            if time.monotonic() > end:
                raise SystemExit(f"not in time: {what}")
            time.sleep(0.2)

    def remove(self) -> None:
        """End all daemons, and remove all files."""
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.base)


def measure_replicated(say: Callable[[str], None]) -> dict[str, float]:
    """The figures of replication. Takes about a minute."""
    cluster = Candidates()
    try:
        cluster.begin()
        say("jobs with one candidate")
        alone = cluster.throughput("plain", JOBS)
        brief_alone = cluster.throughput("brief", BRIEF_JOBS)
        cluster.join(2)
        cluster.join(3)
        say("jobs with three candidates")
        replicated = cluster.throughput("plain", JOBS)
        brief_replicated = cluster.throughput("brief", BRIEF_JOBS)
    finally:
        cluster.remove()
    return {
        "jobs_per_s_unreplicated": alone,
        "jobs_per_s_replicated": replicated,
        "replication_ratio": replicated / alone,
        "brief_per_s_unreplicated": brief_alone,
        "brief_per_s_replicated": brief_replicated,
        "brief_ratio": brief_replicated / brief_alone,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one object of figures")
    options = parser.parse_args()

    def say(text: str) -> None:
        print(f"replication: {text} …", file=sys.stderr)

    figures = measure_replicated(say)
    if options.json:
        print(json.dumps({key: round(value, 3) for key, value in figures.items()}))
        return
    for key, meaning in MEANINGS.items():
        print(f"{figures[key]:12.2f}  {meaning}")


if __name__ == "__main__":
    main()
