"""OS scripts that go on although the daemon that ran them was killed."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from twisted.logger import Logger

PROC = Path("/proc")

_log = Logger()


def end_scripts(instance_uuid: str, proc: Path = PROC) -> int:
    """Kill the processes of an instance's OS scripts; how many there were. Blocking.

    They are known by their environment, which nothing else has: guests get another.
    New children may be born meanwhile, so it looks until there are none.
    """
    ended = 0
    for _round in range(100):
        found = script_pids(instance_uuid, proc)
        if not found:
            break
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                ended += 1
    if ended:
        _log.warn(
            "ended {count} processes of OS scripts of {instance}",
            count=ended,
            instance=instance_uuid,
        )
    return ended


def script_pids(instance_uuid: str, proc: Path = PROC) -> list[int]:
    """Processes that run for an instance's OS scripts. Blocking."""
    mark = f"INSTANCE_UUID={instance_uuid}".encode()
    found = []
    for entry in proc.iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            # Processes end while one looks; others' environments may be closed to us.
            with suppress(OSError):
                variables = (entry / "environ").read_bytes().split(b"\0")
                if mark in variables and not _is_dead(entry):
                    found.append(int(entry.name))
    return found


def _is_dead(entry: Path) -> bool:
    state = (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return state[:1] in (["Z"], ["X"])
