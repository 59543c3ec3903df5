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

EXITING = 0x4
"""The kernel's flag of processes that are being taken down."""


def guest_pid(pid_file: Path) -> int | None:
    """The process that this pid file names, if it is that guest's and lives."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return None
    return pid if runs_with(pid, pid_file) else None


def runs_with(pid: int, pid_file: Path) -> bool:
    """Whether a living process was started with this pid file."""
    return _was_started_with(_command_line(pid), pid_file)


def is_gone(pid: int, pid_file: Path) -> bool:
    """Whether the process has ended, and let go of its sockets and locks on disks.

    One that is about to end has no command line any more, as a zombie, but may have
    those still. Whose it was cannot be told then; ask only of one that was a guest's.
    """
    words = _command_line(pid)
    if any(words):
        return not _was_started_with(words, pid_file)
    try:
        return not is_ending(Path(f"/proc/{pid}/stat").read_text())
    except OSError:
        return True


def is_ending(stat: str) -> bool:
    """Whether a process is on its way out by its ``stat``, as proc(5) describes it."""
    state, *numbers = stat.rpartition(")")[2].split()
    flags, threads = int(numbers[5]), int(numbers[16])
    if state in "ZX":
        # The first thread may be gone before the others are.
        return threads > 1
    return bool(flags & EXITING)


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


def _was_started_with(words: list[bytes], pid_file: Path) -> bool:
    return (b"-pidfile", os.fsencode(pid_file)) in pairwise(words)


def _command_line(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
