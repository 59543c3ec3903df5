"""Values of node calls about a node as a whole."""

from __future__ import annotations

from ganetix.objects.base import Value
from ganetix.objects.guest import GuestInfo


class NodeInfoRequest(Value, frozen=True, kw_only=True):
    """Which hypervisors and disk templates to ask."""

    hypervisors: tuple[str, ...] = ()
    disk_templates: tuple[str, ...] = ()


class DiskSpace(Value, frozen=True, kw_only=True):
    """Space in MiB of one storage."""

    template: str
    total_mib: int
    free_mib: int


class NodeInfo(Value, frozen=True, kw_only=True):
    """A node's resources; memory in MiB, times in seconds since the epoch.

    ``boot_id`` changes with each boot of the host.
    """

    version: str
    node_uuid: str
    boot_id: str
    time: float
    memory_total_mib: int
    memory_free_mib: int
    cpus: int
    disk_space: tuple[DiskSpace, ...] = ()
    guests: tuple[GuestInfo, ...] = ()


class DiskInfo(Value, frozen=True, kw_only=True):
    """A disk on a node; sizes in MiB, ``used_mib`` what it takes on the medium."""

    template: str
    instance_uuid: str
    disk_uuid: str
    path: str
    size_mib: int
    used_mib: int


class Neighbour(Value, frozen=True, kw_only=True):
    """Where another node should answer."""

    address: str
    port: int


class StateRequest(Value, frozen=True, kw_only=True):
    """What else a node is to tell; ``os_names`` is whether those are wanted."""

    hypervisors: tuple[str, ...] = ()
    disk_templates: tuple[str, ...] = ()
    os_names: bool = False


class VerifyRequest(Value, frozen=True, kw_only=True):
    """What a node is to check about itself, its neighbours, and to tell with that.

    With ``interfaces`` it names those of its network.
    """

    hypervisors: tuple[str, ...] = ()
    disk_templates: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    state: StateRequest | None = None
    interfaces: bool = False


class NodeVerify(Value, frozen=True, kw_only=True):
    """What a node found: ``ssconf`` maps names to SHA-256 of contents.

    ``authorities`` are fingerprints of the CAs it trusts. ``problems`` are printable
    lines; ``missing_addresses`` those asked for that no interface has,
    ``silent_addresses`` those of neighbours that do not answer. ``master_files`` are
    there and only masters and candidates should have them. The rest is None unless
    it was asked for and could be found out; ``os_names`` go with their variants.
    """

    version: str
    time: float
    certificate_fingerprint: str
    certificate_expires: float
    authorities: tuple[str, ...]
    ssconf: dict[str, str]
    missing_addresses: tuple[str, ...] = ()
    silent_addresses: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    loose_secrets: tuple[str, ...] = ()
    master_files: tuple[str, ...] = ()
    info: NodeInfo | None = None
    disks: tuple[DiskInfo, ...] | None = None
    os_names: tuple[str, ...] | None = None
    interfaces: tuple[str, ...] | None = None


class SsconfWrite(Value, frozen=True, kw_only=True):
    """ssconf files by name; refused if they are older than what the node has.

    Without ``base`` these are all, and others are removed. With it they are what
    differs from the files of that digest, ``removed`` is gone, the rest stays.
    """

    files: dict[str, str]
    serial_no: int
    base: str = ""
    removed: tuple[str, ...] = ()


class SsconfWritten(Value, frozen=True, kw_only=True):
    """``needs_all``: nothing was written, for the node's files are not the base."""

    needs_all: bool = False


class DiskList(Value, frozen=True, kw_only=True):
    """All disks of a node."""

    disks: tuple[DiskInfo, ...]


class OsInfo(Value, frozen=True, kw_only=True):
    """An OS definition; ``problem`` is empty if it can be used."""

    name: str
    path: str
    api_versions: tuple[int, ...] = ()
    variants: tuple[str, ...] = ()
    parameters: dict[str, str] = {}
    problem: str = ""


class OsList(Value, frozen=True, kw_only=True):
    """All OS definitions of a node."""

    definitions: tuple[OsInfo, ...]


class EnrolCall(Value, frozen=True, kw_only=True):
    """A signing request (PEM); the caller's join certificate says for which node."""

    signing_request: str


class Delay(Value, frozen=True, kw_only=True):
    """Wait on the node."""

    duration: float
