"""Finding, ending and awaiting processes."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def processes() -> Iterator[tuple[int, list[str]]]:
    """All processes with their arguments."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
                if line:
                    yield int(entry.name), line.rstrip("\0").split("\0")


def environ_of(pid: int) -> dict[str, str]:
    """The environment that a process was started with; empty for another user's."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = raw.decode("utf-8", "replace").rstrip("\0").split("\0")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def guest_pids(base: Path) -> list[int]:
    """QEMU processes whose arguments name files of this demo."""
    return [
        pid
        for pid, arguments in processes()
        if Path(arguments[0]).name.startswith("qemu-system")
        and any(f"{base}/n" in argument for argument in arguments[1:])
    ]


def is_gone(pid: int) -> bool:
    """Has the process ended? One that nobody waited for has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def end(pids: Sequence[int], seconds: float) -> list[int]:
    """Ask processes to end, insist after a while; those that had to be killed."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    until(lambda: all(is_gone(pid) for pid in pids), seconds)
    late = [pid for pid in pids if not is_gone(pid)]
    for pid in late:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: all(is_gone(pid) for pid in late), 5)
    return late


def until(holds: Callable[[], bool], seconds: float, pause: float = 0.05) -> bool:
    """Wait until something holds; False if it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def at_once(*calls: Callable[[], object]) -> None:
    """Make several calls at a time; raise what the first that failed raised."""
    with ThreadPoolExecutor(max(1, len(calls))) as pool:
        for future in [pool.submit(call) for call in calls]:
            future.result()
