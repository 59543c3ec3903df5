"""A cluster measured as it grows: real master, simulated nodes with real TLS.

Master, master's node daemon and all simulated nodes share this host, so all of their
work counts. Everything runs below a temporary directory, and is ended.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cluster_replicated import MEANINGS as REPLICATED
from cluster_replicated import measure_replicated

CHECKOUT = Path(__file__).resolve().parents[1]
SIZES = (125, 250, 500)
GROUPS = 10
MASTER_IP = "127.78.255.1"
NETWORK = "127.78"
MEMORY = "/dev/shm"  # noqa: S108 - a directory of one's own is made in it
LIMIT_SECONDS = 300.0
POLL_SECONDS = 0.02
MEANINGS = {
    "join_s": ("all nodes join, from the start of their daemon", 90.0),
    "list_live_s": ("gnt-node list, each node asked over a new connection", 3.0),
    "list_warm_s": ("the same over connections that are open", 3.0),
    "list_config_s": ("gnt-node list -o name,group,role,pip", 0.4),
    "verify_s": ("gnt-cluster verify --all-groups", 20.0),
    "ssconf_s": ("gnt-group add, until the last node has the new ssconf", 4.0),
    "master_start_s": ("start of the master, until it takes connections", 3.0),
    "master_rss_mib": ("resident memory of the master afterwards, MiB", None),
}
COMMANDS = {
    "command_list_s": ("gnt-node list as a whole process, of 4 nodes", 0.30),
    "command_help_s": ("gnt-… --help, the slowest of all programs", 0.12),
}
FEW = 3
TRIES = 7
PROGRAMS = ("gnt_cluster", "gnt_node", "gnt_group", "gnt_instance", "gnt_job", "gnt_os")


class Rehearsal:
    """A cluster of simulated nodes below a directory of its own."""

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes
        self.base = Path(tempfile.mkdtemp(prefix="ganetix-bench-"))
        self.root = self.base / "master"
        # In memory: that 500 nodes share one disk is not what is measured.
        memory = MEMORY if os.access(MEMORY, os.W_OK) else None
        self.sims = Path(tempfile.mkdtemp(prefix="ganetix-bench-", dir=memory))
        self.root.mkdir()
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def make(self) -> None:
        """Make the cluster, and start its first node and its master."""
        self.gnt(
            "gnt_cluster",
            "init",
            "--node-name=master",
            f"--primary-ip={MASTER_IP}",
            "--enabled-hypervisors=fake",
            "bench.example",
        )
        self.start("ganetix-node", "-b", MASTER_IP)
        self.start_master()

    def start(self, plugin: str, *options: str, root: Path | None = None) -> None:
        """Start a daemon."""
        log = (self.base / f"{plugin}.log").open("ab")
        argv = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
        argv += ["--nodaemon", "--pidfile=", plugin, f"--root={root or self.root}"]
        self.daemons[plugin] = subprocess.Popen(
            [*argv, *options], stdout=log, stderr=log, env=self.environment()
        )

    def start_master(self) -> float:
        """Start the master; seconds until it takes connections."""
        began = time.perf_counter()
        self.start("ganetix-master")
        path = str(self.root / "run/ganetix/master.sock")

        def answers() -> bool:
            with socket.socket(socket.AF_UNIX) as client:
                return client.connect_ex(path) == 0

        self.until(answers, "the master serves")
        return time.perf_counter() - began

    def start_sims(self, *options: str) -> float:
        """Start the simulated nodes; seconds until all are members."""
        log = self.base / "ganetix-simnodes.log"
        log.unlink(missing_ok=True)
        began = time.perf_counter()
        self.start("ganetix-simnodes", *options, root=self.sims)
        told = f"{self.nodes} simulated nodes serve"
        self.until(lambda: told in log.read_text(), told)
        return time.perf_counter() - began

    def join(self) -> float:
        """Let all nodes join."""
        return self.start_sims(
            f"--master-root={self.root}",
            f"--count={self.nodes}",
            f"--groups={min(GROUPS, self.nodes)}",
            f"--network={NETWORK}",
        )

    def stop(self, plugin: str) -> None:
        """End a daemon as an administrator does."""
        daemon = self.daemons.pop(plugin)
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(30)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        end = time.monotonic() + LIMIT_SECONDS
        while not condition():
            for name, daemon in self.daemons.items():
                if daemon.poll() is not None:
                    raise SystemExit(f"{name} has ended: {self.complaint(name)}")
            if time.monotonic() > end:
                raise SystemExit(f"not in {LIMIT_SECONDS:g} s: {what}")
            time.sleep(POLL_SECONDS)

    def complaint(self, plugin: str) -> str:
        """What a daemon's log says of its end."""
        lines = (self.base / f"{plugin}.log").read_text().splitlines()
        grave = [line for line in lines if " critical " in line or " error " in line]
        return "\n".join(grave[-5:] or lines[-5:])

    def environment(self) -> dict[str, str]:
        """The environment of all processes."""
        paths = {"PYTHONPATH": str(CHECKOUT), "GANETIX_ROOT": str(self.root)}
        return {**os.environ, **paths}

    def gnt(self, program: str, *argv: str) -> float:
        """Run a command that must succeed; seconds as its user sees them."""
        code = f"import sys; from ganetix.cli import main; sys.exit(main.{program}())"
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code, *argv],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
        )
        if done.returncode:
            raise SystemExit(f"{program} {argv}: {done.stdout}{done.stderr}")
        self.answer = done.stdout
        return time.perf_counter() - began

    def change_ssconf(self, name: str) -> float:
        """Add a group; seconds until every node knows."""
        files = list(self.sims.glob("*/var/lib/ganetix/ssconf_nodegroups"))
        assert len(files) == self.nodes, "all nodes have ssconf"
        began = time.perf_counter()
        self.gnt("gnt_group", "add", name)

        def all_know() -> bool:
            while files and f" {name}\n" in files[-1].read_text():
                files.pop()
            return not files

        self.until(all_know, "ssconf is everywhere")
        return time.perf_counter() - began

    def quiet(self) -> None:
        """Wait until the daemons do no more on their own."""

        def used() -> float:
            return sum(cpu_seconds(each.pid) for each in self.daemons.values())

        before = -1.0
        while (now := used()) - before > 0.05:
            before = now
            time.sleep(1.0)

    def remove(self) -> None:
        """End everything, and remove all files."""
        for name in tuple(self.daemons):
            daemon = self.daemons.pop(name)
            daemon.kill()
            daemon.wait(30)
        shutil.rmtree(self.base, ignore_errors=True)
        shutil.rmtree(self.sims, ignore_errors=True)


def cpu_seconds(pid: int) -> float:
    """What a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    """A process's resident memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(x for x in status.splitlines() if x.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


class Meter:
    """Takes figures, and says what each cost the daemons."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._rehearsal = rehearsal
        self.figures: dict[str, float] = {}

    def take(self, key: str, work: Callable[[], float]) -> None:
        """One figure."""
        daemons = self._rehearsal.daemons
        before = {d.pid: cpu_seconds(d.pid) for d in daemons.values()}
        self.figures[key] = work()
        # One that was started meanwhile is another process, and begins at nothing.
        costs = ", ".join(
            f"{name} {cpu_seconds(daemon.pid) - before.get(daemon.pid, 0.0):.1f} s"
            for name, daemon in daemons.items()
        )
        say(f"  {key} {self.figures[key]:.2f} (processor: {costs})")


def measure(nodes: int) -> dict[str, float]:
    """All figures of one size."""
    say(f"{nodes} nodes")
    rehearsal = Rehearsal(nodes)
    meter = Meter(rehearsal)
    listing = ("list", "--no-headers")

    def live() -> float:
        seconds = rehearsal.gnt("gnt_node", *listing, "-o", "name,mfree,dfree")
        rows = [line.split() for line in rehearsal.answer.splitlines()]
        unknown = [row[0] for row in rows if "?" in row or "*" in row]
        if len(rows) != nodes + 1 or unknown:
            raise SystemExit(f"{len(rows)} nodes, these without an answer: {unknown}")
        return seconds

    def config() -> float:
        fields = "name,group,role,pip"
        return statistics.median(
            rehearsal.gnt("gnt_node", *listing, "-o", fields) for _ in range(5)
        )

    def restart() -> float:
        rehearsal.stop("ganetix-master")
        return rehearsal.start_master()

    try:
        rehearsal.make()
        meter.take("join_s", rehearsal.join)
        rehearsal.quiet()
        meter.take("ssconf_s", lambda: rehearsal.change_ssconf("fresh"))
        rehearsal.quiet()
        rehearsal.stop("ganetix-simnodes")
        rehearsal.start_sims()
        rehearsal.quiet()
        meter.take("list_live_s", live)
        meter.take("list_warm_s", live)
        meter.take("list_config_s", config)
        meter.take(
            "verify_s", lambda: rehearsal.gnt("gnt_cluster", "verify", "--all-groups")
        )
        meter.take("master_start_s", restart)
        rehearsal.quiet()
        live()
        pid = rehearsal.daemons["ganetix-master"].pid
        meter.take("master_rss_mib", lambda: rss_mib(pid))
    finally:
        rehearsal.remove()
    return meter.figures


def measure_commands() -> dict[str, float]:
    """Commands as whole processes, on a small cluster; medians, of help the worst."""
    say(f"commands on {FEW} nodes")
    rehearsal = Rehearsal(FEW)

    def median(program: str, *argv: str) -> float:
        rehearsal.gnt(program, *argv)
        return statistics.median(rehearsal.gnt(program, *argv) for _ in range(TRIES))

    try:
        rehearsal.make()
        rehearsal.join()
        rehearsal.quiet()
        return {
            "command_list_s": median("gnt_node", "list"),
            "command_help_s": max(median(program, "--help") for program in PROGRAMS),
        }
    finally:
        rehearsal.remove()


def say(text: str) -> None:
    """Tell what is going on."""
    print(f"cluster: {text}", file=sys.stderr)


def table(figures: dict[str, dict[str, float]]) -> str:
    """All figures, a column for each size."""
    lines = ["".join(f"{size:>9}" for size in figures) + "   target"]
    for key, (meaning, target) in MEANINGS.items():
        cells = "".join(f"{figures[size][key]:9.2f}" for size in figures)
        limit = f"{target:9.1f}" if target is not None else " " * 9
        lines.append(f"{cells}{limit}  {key}: {meaning}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one object of figures")
    parser.add_argument(
        "--nodes",
        type=int,
        action="append",
        metavar="N",
        help=f"this size only (may be repeated; default: {SIZES}, commands, and"
        " replication)",
    )
    options = parser.parse_args(argv)
    os.chdir(CHECKOUT)
    figures = {str(size): measure(size) for size in options.nodes or SIZES}
    if options.nodes:
        commands, replicated = {}, {}
    else:
        commands, replicated = measure_commands(), measure_replicated(say)
    if options.json:
        sizes = {size: rounded(each) for size, each in figures.items()}
        print(json.dumps({**sizes, **rounded(commands), **rounded(replicated)}))
        return
    print(table(figures))
    for key, value in commands.items():
        meaning, target = COMMANDS[key]
        print(f"{value:9.3f}  {target:6.2f} s wanted  {key}: {meaning}")
    for key, value in replicated.items():
        print(f"{value:9.2f}  {key}: {REPLICATED[key]}")


def rounded(figures: dict[str, float]) -> dict[str, float]:
    """Figures with as many digits as mean something."""
    return {key: round(value, 3) for key, value in figures.items()}


if __name__ == "__main__":
    main()
