"""Debian's htools beside ours: run and timed, and what comparisons with them print."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Ran(NamedTuple):
    """How a program ended, what it said, and its CPU time."""

    status: int
    stdout: str
    stderr: str
    cpu_seconds: float


def run_on(
    text: str, command: Sequence[str], seconds: float, most_memory: int | None = None
) -> Ran | None:
    """Run a program on a file with this text; None if it does not end in time.

    :param command: without the file's name, which comes last
    :param most_memory: what it may allocate, in bytes
    """

    def limit_memory() -> None:
        if most_memory is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (most_memory, most_memory))

    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        before = children_cpu_seconds()
        try:
            done = subprocess.run(
                [*command, file.name],
                capture_output=True,
                encoding="utf-8",
                timeout=seconds,
                check=False,
                preexec_fn=limit_memory,
            )
        except subprocess.TimeoutExpired:
            return None
    used = children_cpu_seconds() - before
    return Ran(done.returncode, done.stdout, done.stderr, used)


def children_cpu_seconds() -> float:
    """CPU time of all processes that were run and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def comparison_options(
    description: str | None, counted: str, shown: str, seconds: float
) -> argparse.Namespace:
    """What every comparison is told: which seeds, how long, and what to print.

    :param seconds: the default limit of each run
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--count", type=int, default=1, help=f"how many {counted}")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument(
        "--seconds", type=float, default=seconds, help="limit of each run"
    )
    parser.add_argument("--show", action="store_true", help=f"print {shown}")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    return parser.parse_args()


def print_summary(summary: Mapping[str, object], as_json: bool) -> None:
    """For a script, or a line for each figure."""
    if as_json:
        print(json.dumps(summary))
    else:
        for name, value in summary.items():
            print(f"{name}: {value}")
