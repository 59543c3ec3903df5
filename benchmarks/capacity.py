"""How long it takes to tell what fits, beside Debian's hspace.

Clusters of equal nodes (64 GiB, 2 TiB, 16 CPUs), empty or with 45 % of the memory in
use; times are CPU seconds. Ours are without the start of a process, which is told
apart; hspace's are of whole processes. Bounded: cases that hspace would not end in
``--hspace-seconds`` have no figure of its own. Limits are for the machine where they
were set: beside hspace's time here is how many times that is what it took there, and
the last line tells the median, which our times can be divided by.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from clusters import OPEN
from htools import children_cpu_seconds, run_on

from ganetix.allocators.htools_text import write_text
from ganetix.plan.capacity.model import (
    TEMPLATES,
    CapCluster,
    CapGroup,
    CapInstance,
    CapNode,
    Policy,
    Spec,
    Template,
    TieredRequest,
)
from ganetix.plan.capacity.tiered import tiered

MEMORY, OWN_MEMORY, DISK, CPUS = 65536, 1024, 2 << 20, 16
LARGEST = Spec(memory=8192, disk=102400, vcpus=4, disk_count=1)
FILLED = 0.45


class Case(NamedTuple):
    """A cluster to fill, and the CPU seconds that it may take.

    ``hspace`` are the CPU seconds that hspace took where the limits were set, for those
    that it was seen to end.
    """

    name: str
    template: Template
    groups: int
    nodes: int
    is_half: bool
    limit: float
    checked: bool = True
    hspace: float | None = None


CASES = (
    Case("drbd 20", "drbd", 1, 20, False, 0.15, hspace=0.66),
    Case("drbd 20", "drbd", 1, 20, True, 0.10, hspace=0.15),
    Case("drbd 50", "drbd", 1, 50, False, 0.2, hspace=7.6),
    Case("drbd 50", "drbd", 1, 50, True, 0.2, hspace=2.0),
    Case("drbd 100", "drbd", 1, 100, False, 0.5, hspace=34.9),
    Case("drbd 100", "drbd", 1, 100, True, 0.35, hspace=17.1),
    Case("plain checked 20", "plain", 1, 20, False, 1.5, hspace=13.8),
    Case("plain checked 20", "plain", 1, 20, True, 0.7, hspace=2.2),
    Case("plain checked 100", "plain", 1, 100, True, 10),
    Case("plain 100", "plain", 1, 100, False, 1, checked=False, hspace=4.4),
    Case("drbd 1000 in 20 groups", "drbd", 20, 1000, False, 6),
    Case("drbd 1000 in 20 groups", "drbd", 20, 1000, True, 4),
    Case("drbd 1000", "drbd", 1, 1000, False, 10),
    Case("drbd 1000", "drbd", 1, 1000, True, 60),
)


def cluster_of(case: Case, seed: int = 1) -> CapCluster:
    """Equal nodes in equal groups, and instances of many sizes if it is half full."""
    pick = random.Random(seed)
    groups = tuple(
        CapGroup(
            uuid=f"00000000-0000-4000-8000-{number:012x}",
            name=f"group{number:02d}",
            policy=Policy(ranges=(OPEN,), templates=TEMPLATES, vcpu_ratio=4.0),
        )
        for number in range(case.groups)
    )
    size = case.nodes // case.groups
    instances: list[CapInstance] = []
    used = [0] * case.nodes
    disk = [0] * case.nodes
    for node in range(case.nodes if case.is_half else 0):
        while True:
            memory = pick.randrange(1024, 6400, 64)
            if used[node] + memory > MEMORY * FILLED:
                break
            used[node] += memory
            taken = pick.randrange(10240, 65536, 256)
            homes = [node]
            if case.template == "drbd":
                other = pick.randrange(size - 1)
                start = node - node % size
                homes.append(start + other + (start + other >= node))
            for home in homes:
                disk[home] += taken
            instances.append(
                CapInstance(
                    name=f"i{len(instances):05d}",
                    memory=memory,
                    disk=taken,
                    vcpus=pick.choice((1, 2, 4)),
                    primary=f"n{homes[0]:04d}",
                    secondary=f"n{homes[1]:04d}" if len(homes) > 1 else "",
                    template=case.template,
                    spindle_use=0,
                )
            )
    nodes = tuple(
        CapNode(
            name=f"n{node:04d}",
            group=groups[node // size].uuid,
            total_memory=MEMORY,
            node_memory=OWN_MEMORY,
            free_memory=MEMORY - OWN_MEMORY - used[node],
            total_disk=DISK,
            free_disk=DISK - disk[node],
            total_cpus=CPUS,
        )
        for node in range(case.nodes)
    )
    return CapCluster(groups=groups, nodes=nodes, instances=tuple(instances))


def ours(case: Case, cluster: CapCluster) -> tuple[float, str]:
    """CPU seconds of one run, and the tiered specs."""
    request = TieredRequest(
        template=case.template,
        specs=(LARGEST,),
        spindle_use=0,
        capacity_checks=case.checked,
    )
    began = time.process_time()
    result = tiered(cluster, request)
    seconds = time.process_time() - began
    specs = (f"{t.memory},{t.disk},{t.vcpus},1={t.count}" for t in result.tspecs)
    return seconds, " ".join(specs)


def theirs(
    case: Case, cluster: CapCluster, seconds: float
) -> tuple[float | None, str | None]:
    """CPU seconds of an hspace process and what it says; None if it did not end."""
    command = ["hspace", "--machine-readable", "--spindle-use=0"]
    command += ["--disk-template", case.template]
    command += ["--tiered-alloc", "102400m,8192m,4"]
    command += ["--standard-alloc", "1000000g,1000g,1"]
    command += [] if case.checked else ["--no-capacity-checks"]
    try:
        done = run_on(write_text(cluster), [*command, "-t"], seconds)
    except FileNotFoundError:
        return None, None
    if done is None:
        return None, None
    if done.status:
        raise RuntimeError(f"hspace: {done.stderr.strip()}")
    found = re.search(r"^HTS_TSPEC='?(.*?)'?$", done.stdout, re.MULTILINE)
    return done.cpu_seconds, found[1] if found else ""


def process_start() -> float:
    """CPU seconds of a process that only imports what computes capacities."""
    before = children_cpu_seconds()
    code = "import ganetix.plan.capacity.tiered"
    subprocess.run([sys.executable, "-c", code], check=True)
    return children_cpu_seconds() - before


def measured(
    case: Case, hspace_seconds: float, tell: Callable[[str], None]
) -> dict[str, object]:
    """All figures of one case."""
    cluster = cluster_of(case)
    seconds, answer = ours(case, cluster)
    their_seconds: float | None = None
    same: bool | None = None
    if hspace_seconds:
        their_seconds, expected = theirs(case, cluster, hspace_seconds)
        same = None if expected is None else expected == answer
    fill = "half" if case.is_half else "empty"
    verdict = {True: "same", False: "DIFFERENT", None: "-"}[same]
    hspace = "-" if their_seconds is None else f"{their_seconds:.2f}"
    times: float | None = None
    if their_seconds is not None and case.hspace is not None:
        times = their_seconds / case.hspace
        hspace += f", {times:.1f} times {case.hspace}"
    tell(
        f"{case.name:24} {fill:6} {seconds:8.3f} s of {case.limit:5.2f}"
        f"   {verdict:9}   hspace {hspace}"
    )
    return {
        "case": case.name,
        "fill": fill,
        "seconds": round(seconds, 4),
        "limit": case.limit,
        "hspace_seconds": their_seconds,
        "hspace_seconds_there": case.hspace,
        "slowness": None if times is None else round(times, 2),
        "scaled_seconds": None if times is None else round(seconds / times, 4),
        "same": same,
    }


def main() -> int:
    """Measure all cases, or those whose name has a word."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--most", type=int, default=10000, help="nodes at most")
    parser.add_argument("--hspace-seconds", type=float, default=60, help="0: without")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    start = process_start()

    def tell(line: str) -> None:
        if not options.json:
            print(line, flush=True)

    tell(f"start of a process: {start:.2f} s")
    found = [
        measured(case, options.hspace_seconds, tell)
        for case in CASES
        if options.only in case.name and case.nodes <= options.most
    ]
    known = [slow for case in found if isinstance(slow := case["slowness"], float)]
    slowness = round(statistics.median(known), 2) if known else None
    if slowness is not None:
        tell(f"hspace takes {slowness} times as long here as where limits were set")
    if options.json:
        figures = {
            "process_start_seconds": round(start, 3),
            "slowness": slowness,
            "cases": found,
        }
        print(json.dumps(figures))
    return 1 if any(case["same"] is False for case in found) else 0


if __name__ == "__main__":
    sys.exit(main())
