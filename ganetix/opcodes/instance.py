"""Opcodes on instances. Memory and disk in MiB, time-outs in seconds."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from ganetix.objects.instance import NicMode
from ganetix.objects.params import HvValue
from ganetix.opcodes import checks
from ganetix.opcodes.base import Opcode

DEFAULT_STOP_TIMEOUT = 120.0
MOST_DISKS = 16
MOST_NICS = 8


class DiskRequest(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """A disk as asked for."""

    size_mib: int
    mode: Literal["rw", "ro"] = "rw"
    params: dict[str, str] = {}

    def __post_init__(self) -> None:
        checks.in_range("size", self.size_mib, 1, checks.MAX_DISK_MIB, "MiB")


class NicRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A NIC as asked for; what is left out comes from the cluster."""

    mode: NicMode | None = None
    link: str | None = None
    mac: str | None = None
    ip: str | None = None


class OpInstanceCreate(Opcode, frozen=True, kw_only=True):
    """Create an instance; without ``node`` an allocator chooses one in ``group``.

    ``iallocator`` null or ``.`` is the cluster's default one. With ``dry_run`` nothing
    is made: the answer says where it would go.
    """

    SUBJECT: ClassVar[str] = "name"
    name: str
    disk_template: str = "file"
    disks: tuple[DiskRequest, ...] = ()
    nics: tuple[NicRequest, ...] | None = None
    os: str
    osparams: dict[str, str] = {}
    node: str | None = None
    group: str | None = None
    hypervisor: str | None = None
    hvparams: dict[str, HvValue] = {}
    memory_mib: int | None = None
    vcpus: int | None = None
    start: bool = True
    no_install: bool = False
    iallocator: str | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        checks.host_name("name", self.name)
        _check_chosen_by_one(self.node, self.iallocator)
        if self.memory_mib is not None:
            checks.in_range("memory", self.memory_mib, 1, checks.MAX_MEMORY_MIB, "MiB")
        if self.vcpus is not None:
            checks.in_range("vcpus", self.vcpus, 1, checks.MAX_VCPUS)
        if not self.os and not self.no_install:
            raise ValueError("os: missing; an OS definition is needed to install")
        checks.in_range("number of disks", len(self.disks), 0, MOST_DISKS)
        checks.in_range("number of nics", len(self.nics or ()), 0, MOST_NICS)
        if self.disk_template == "diskless" and self.disks:
            raise ValueError("disks: template diskless takes no disks")
        if self.disk_template != "diskless" and not self.disks:
            raise ValueError(f"disks: template {self.disk_template} needs a disk")


def _check_chosen_by_one(node: str | None, iallocator: str | None) -> None:
    if node is not None and iallocator is not None:
        raise ValueError("iallocator: a node is named already; give one of both")


class OpInstanceRemove(Opcode, frozen=True, kw_only=True):
    """Stop an instance and remove it with its disks."""

    SUBJECT: ClassVar[str] = "name"
    name: str
    timeout: float = DEFAULT_STOP_TIMEOUT
    ignore_failures: bool = False

    def __post_init__(self) -> None:
        checks.in_range("timeout", self.timeout, 0, 86400, "s")


class OpInstanceStartup(Opcode, frozen=True, kw_only=True):
    """Start an instance; one that runs already is left alone."""

    SUBJECT: ClassVar[str] = "name"
    name: str


class OpInstanceShutdown(Opcode, frozen=True, kw_only=True):
    """Ask the guest to power off; after ``timeout`` it is ended."""

    SUBJECT: ClassVar[str] = "name"
    name: str
    timeout: float = DEFAULT_STOP_TIMEOUT

    def __post_init__(self) -> None:
        checks.in_range("timeout", self.timeout, 0, 86400, "s")


class OpInstanceReboot(Opcode, frozen=True, kw_only=True):
    """Reboot: ``soft`` stops and starts, ``hard`` resets the machine."""

    SUBJECT: ClassVar[str] = "name"
    name: str
    mode: Literal["soft", "hard"] = "soft"
    timeout: float = DEFAULT_STOP_TIMEOUT

    def __post_init__(self) -> None:
        checks.in_range("timeout", self.timeout, 0, 86400, "s")


class OpInstanceFailover(Opcode, frozen=True, kw_only=True):
    """Stop an instance where it is, and start it on another node.

    Without ``node`` an allocator chooses one in its group, or in ``group``;
    ``iallocator`` null or ``.`` is the cluster's default one. The node that it leaves
    must confirm the stop, or be offline; ``ignore_consistency`` does without.
    """

    SUBJECT: ClassVar[str] = "name"
    name: str
    node: str | None = None
    group: str | None = None
    iallocator: str | None = None
    timeout: float = DEFAULT_STOP_TIMEOUT
    ignore_consistency: bool = False

    def __post_init__(self) -> None:
        _check_chosen_by_one(self.node, self.iallocator)
        checks.in_range("timeout", self.timeout, 0, 86400, "s")


class OpInstanceMigrate(Opcode, frozen=True, kw_only=True):
    """Move a running instance to another node while it runs.

    Without ``node`` an allocator chooses one in its group, or in ``group``;
    ``iallocator`` null or ``.`` is the cluster's default one. With ``allow_failover``
    one that does not run is moved as by a failover.
    """

    SUBJECT: ClassVar[str] = "name"
    name: str
    node: str | None = None
    group: str | None = None
    iallocator: str | None = None
    allow_failover: bool = False

    def __post_init__(self) -> None:
        _check_chosen_by_one(self.node, self.iallocator)


class OpInstanceCleanup(Opcode, frozen=True, kw_only=True):
    """Bring to an end what was begun with an instance and cut short.

    What a creation or removal left is removed; a move is finished, or taken back.
    """

    SUBJECT: ClassVar[str] = "name"
    instance_uuid: str
    name: str
