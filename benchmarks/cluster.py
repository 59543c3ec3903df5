"""A cluster measured as it grows: real master, simulated nodes with real TLS.

Master, master's node daemon and all simulated nodes share this host, so all of their
work counts. Everything runs below a temporary directory, and is ended.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable, Sequence

from cluster_replicated import MEANINGS as REPLICATED
from cluster_replicated import measure_replicated
from rehearsal import CHECKOUT, Rehearsal, cpu_seconds, rss_mib

SIZES = (125, 250, 500)
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
