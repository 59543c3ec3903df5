"""What a node is told of a guest, and what it answers about one."""

from __future__ import annotations

from typing import Literal

from ganetix.objects.base import Value
from ganetix.objects.instance import NicMode
from ganetix.objects.params import HvParams

GuestState = Literal[
    "running",  # alive, with a sign of life seen
    "starting",  # the process is there, no sign of life yet
    "paused",
    "admin-down",  # stopped at the administrator's wish
    "user-down",  # shut down from inside
    "crashed",  # ended without anybody's wish, or panicked
    "unknown",  # the process is there but does not answer
    "arriving",  # waits here to be sent from, or let go on by, another node
    "left",  # has gone to another node; what is left of it here runs no more
]

UP_STATES: frozenset[GuestState] = frozenset(
    {"running", "starting", "paused", "unknown"}
)
"""States in which a guest's process is there, and has its memory."""

StopOutcome = Literal["shutdown", "ended", "was-down"]


class GuestDisk(Value, frozen=True, kw_only=True):
    """A disk of a guest; ``path`` is filled in by the node's storage."""

    uuid: str
    template: str
    size_mib: int
    mode: Literal["rw", "ro"] = "rw"
    params: dict[str, str] = {}


class GuestNic(Value, frozen=True, kw_only=True):
    """A network card of a guest."""

    uuid: str
    mac: str
    mode: NicMode = "user"
    link: str = ""
    ip: str = ""


class GuestSpec(Value, frozen=True, kw_only=True):
    """All that a node needs to run a guest, with every parameter resolved."""

    uuid: str
    name: str
    hypervisor: str
    memory_mib: int
    vcpus: int
    os: str = ""
    osparams: dict[str, str] = {}
    hvparams: HvParams = {}
    disks: tuple[GuestDisk, ...] = ()
    nics: tuple[GuestNic, ...] = ()


class GuestInfo(Value, frozen=True, kw_only=True):
    """A guest as a node sees it; ``since`` is when this state was first seen."""

    uuid: str
    name: str
    hypervisor: str
    state: GuestState
    memory_mib: int = 0
    vcpus: int = 0
    pid: int | None = None
    accelerator: str = ""
    since: float = 0.0
    detail: str = ""

    @property
    def is_up(self) -> bool:
        """Whether its process is there."""
        return self.state in UP_STATES
