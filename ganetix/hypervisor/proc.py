"""Processes of guests: found by what they were started with, ended for certain.

A process id from a file proves nothing: the file may be left from before a crash and
the number be somebody else's by now. So a guest's process is one whose command line
has the guest's own pid file, in a directory named after its UUID, as ``-pidfile``.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from itertools import pairwise
from pathlib import Path


def guest_pid(pid_file: Path) -> int | None:
    """The process that this pid file names, if it is that guest's and lives."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return None
    return pid if runs_with(pid, pid_file) else None


def runs_with(pid: int, pid_file: Path) -> bool:
    """Whether a living process was started with this pid file."""
    # A zombie's command line is empty, so a process that ended counts as gone.
    words = _command_line(pid)
    return (b"-pidfile", os.fsencode(pid_file)) in pairwise(words)


def find_guest(pid_file: Path) -> int | None:
    """Look through all processes for the one started with this pid file.

    For the rare case that the file is gone or not yet written; takes milliseconds.
    """
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and runs_with(int(entry.name), pid_file):
            return int(entry.name)
    return None


def kill(pid: int, pid_file: Path) -> None:
    """Kill a guest's process, and never another that got its number meanwhile."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            if runs_with(pid, pid_file):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def _command_line(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
