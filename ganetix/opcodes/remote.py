"""Opcodes that carry commands and files to nodes."""

from __future__ import annotations

from typing import ClassVar

from ganetix.opcodes import checks
from ganetix.opcodes.base import Opcode

MOST_PARALLEL = 256


class OpNodesCommand(Opcode, frozen=True, kw_only=True):
    """Run a shell command on nodes: those named, a group's, or all.

    Offline nodes are left out, unless they are named: then it is refused.
    """

    SUBJECT: ClassVar[str] = "command"
    command: str
    nodes: tuple[str, ...] = ()
    group: str | None = None
    parallel: int = 16
    timeout_seconds: float = 3600.0

    def __post_init__(self) -> None:
        if not self.command.strip() or "\0" in self.command:
            raise ValueError("command: empty; it must be a line for the shell")
        _check_targets(self.nodes, self.group, self.parallel)
        checks.in_range("timeout_seconds", self.timeout_seconds, 1, 604800, "s")


class OpNodesCopyFile(Opcode, frozen=True, kw_only=True):
    """Copy a file of the master node to the same path on other nodes."""

    SUBJECT: ClassVar[str] = "path"
    path: str
    nodes: tuple[str, ...] = ()
    group: str | None = None
    parallel: int = 16

    def __post_init__(self) -> None:
        parts = self.path.split("/")
        is_plain = self.path.isprintable() and not {".", ".."} & {*parts}
        if parts[0] or not parts[-1] or not is_plain or len(self.path) > 4000:
            raise ValueError(
                f"path: {self.path!r} is not the path of a file: absolute, printable,"
                " without '.' and '..'"
            )
        _check_targets(self.nodes, self.group, self.parallel)


def _check_targets(nodes: tuple[str, ...], group: str | None, parallel: int) -> None:
    if nodes and group is not None:
        raise ValueError("group: nodes are named already; give one of both")
    checks.in_range("parallel", parallel, 1, MOST_PARALLEL)
