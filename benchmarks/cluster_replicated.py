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
from statistics import median

from engine_crowd import jobs_a_second

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
CLIENTS = 4
ROUNDS = 5
KINDS = (
    ("plain", 8000, "jobs_per_s", "replication_ratio"),
    ("brief", 4000, "brief_per_s", "brief_ratio"),
)
LIMIT_SECONDS = 60.0
MEANINGS = {
    "jobs_per_s_unreplicated": "no-op jobs in batches of 100, one candidate, 1/s",
    "jobs_per_s_replicated": "the same with three candidates, two of them elsewhere",
    "replication_ratio": "the second by the first, median of pairs; half is wanted",
    "brief_per_s_unreplicated": "jobs whose beginning is recorded, one candidate, 1/s",
    "brief_per_s_replicated": "the same with three candidates",
    "brief_ratio": "the second by the first, median of pairs",
}


class Candidates:
    """A cluster of nodes ``node1`` … on loopback addresses."""

    def __init__(self, network: str) -> None:
        self.network = network
        self.base = Path(tempfile.mkdtemp(prefix="gnxr"))
        self.processes: list[subprocess.Popen[bytes]] = []

    def begin(self) -> None:
        """Make a cluster of one node, and start its daemons."""
        self.gnt(
            "node1",
            "gnt_cluster",
            "init",
            "--node-name=node1",
            f"--primary-ip={self.network}.1",
            "--enabled-hypervisors=fake",
            "bench.example",
        )
        self.twistd("node1", "ganetix-node", "-b", f"{self.network}.1")
        self.twistd("node1", "ganetix-master")
        self.until(lambda: self.info() != {}, "the master answers")

    def join(self, number: int) -> None:
        """Add a node, and wait until it is in step."""
        name, ip = f"node{number}", f"{self.network}.{number}"
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
        """Jobs a second that some clients get done together."""
        return jobs_a_second(self.base / "node1", kind, jobs, CLIENTS)

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
    alone, three = Candidates("127.0.63"), Candidates("127.0.64")
    try:
        say("two clusters")
        alone.begin()
        three.begin()
        three.join(2)
        three.join(3)
        figures: dict[str, float] = {}
        for kind, jobs, rate, ratio in KINDS:
            say(f"{kind} jobs with one candidate, and with three")
            # In turn, so that slow phases of the host are shared.
            pairs = [
                (alone.throughput(kind, jobs), three.throughput(kind, jobs))
                for _ in range(ROUNDS)
            ]
            figures[f"{rate}_unreplicated"] = max(one for one, _ in pairs)
            figures[f"{rate}_replicated"] = max(other for _, other in pairs)
            figures[ratio] = median(other / one for one, other in pairs)
    finally:
        alone.remove()
        three.remove()
    return figures


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
