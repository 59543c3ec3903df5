"""Opcodes on the whole cluster."""

from __future__ import annotations

import re
from typing import ClassVar

from ganetix.objects.finding import check_codes
from ganetix.opcodes import checks
from ganetix.opcodes.base import Opcode
from ganetix.opcodes.settings import Settings

MOST_CANDIDATES = 1000
MOST_RUNNING_JOBS = 1000
MAC_PREFIX = re.compile(r"[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}")
RANGES = (
    ("candidate_pool_size", 1, MOST_CANDIDATES, ""),
    ("master_netmask", 0, 128, ""),
    ("cache_seconds", 1, 86400, "s"),
    ("watcher_seconds", 10, 300, "s"),
    ("max_running_jobs", 1, MOST_RUNNING_JOBS, ""),
)
"""Bounds of the cluster's numbers, both included."""


class OpClusterVerify(Opcode, frozen=True, kw_only=True):
    """Check one group (name or UUID), or the default one; ``repair`` cleans up.

    Errors of the codes in ``ignore_errors`` are warnings then.
    """

    group: str | None = None
    repair: bool = False
    ignore_errors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_codes("ignore_errors", self.ignore_errors)


class OpClusterDestroy(Opcode, frozen=True, kw_only=True):
    """End a cluster that has no instances and no node but the master."""


class OpClusterModify(Settings, frozen=True, kw_only=True):
    """Change the cluster's parameters; what is null stays.

    An empty ``master_ip`` or ``master_netdev`` and a ``master_netmask`` of 0 are none.
    With ``expected_serial`` nothing is done if the cluster has another serial number.
    """

    default_group: str | None = None
    candidate_pool_size: int | None = None
    enabled_hypervisors: tuple[str, ...] | None = None
    enabled_disk_templates: tuple[str, ...] | None = None
    mac_prefix: str | None = None
    default_iallocator: str | None = None
    master_ip: str | None = None
    master_netdev: str | None = None
    master_netmask: int | None = None
    ipv6_secondary: bool | None = None
    remote_commands: bool | None = None
    cache_seconds: int | None = None
    watcher_seconds: int | None = None
    max_running_jobs: int | None = None
    expected_serial: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, low, high, unit in RANGES:
            value = getattr(self, field)
            if value is not None:
                checks.in_range(field, value, low, high, unit)
        if self.mac_prefix is not None:
            _check_mac_prefix(self.mac_prefix)
        if self.default_iallocator is not None:
            checks.object_name("default_iallocator", self.default_iallocator)
        for field in ("enabled_hypervisors", "enabled_disk_templates"):
            if getattr(self, field) == ():
                raise ValueError(f"{field}: at least one is needed")
        checks.interface_name("master_netdev", self.master_netdev or "none")
        if not self.has_parameters and not any(
            getattr(self, field) is not None
            for field in self.__struct_fields__
            if field not in (*Settings.__struct_fields__, "expected_serial")
        ):
            raise ValueError("nothing to change: say what should be different")


class OpClusterRename(Opcode, frozen=True, kw_only=True):
    """Give the cluster another name; all nodes are told."""

    SUBJECT: ClassVar[str] = "name"
    name: str

    def __post_init__(self) -> None:
        checks.host_name("name", self.name)


class OpClusterRedistribute(Opcode, frozen=True, kw_only=True):
    """Write the ssconf files on all nodes, also where they should be right already."""


def _check_mac_prefix(prefix: str) -> None:
    if not MAC_PREFIX.fullmatch(prefix) or int(prefix[:2], 16) & 1:
        raise ValueError(
            f"mac_prefix: {prefix!r} is not three bytes as aa:00:00, in lower case,"
            " the first one even"
        )
