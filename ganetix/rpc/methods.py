"""The table of node RPC methods: names, types, time-outs. Pure values.

Client and server are both made from ``METHODS``; there is no other list.
"""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from ganetix.objects.base import Value
from ganetix.objects.crypto import (
    CertificateInstall,
    CryptoState,
    SigningRequest,
    TrustWrite,
)
from ganetix.objects.guest import GuestInfo, GuestSpec, StopOutcome
from ganetix.objects.node import Enrolment
from ganetix.objects.remote import (
    CommandEnded,
    CommandRun,
    FileOffer,
    FilePart,
    FileState,
)
from ganetix.objects.replica_calls import (
    MasterAddress,
    MasterBelief,
    ReplicaAppend,
    ReplicaClaim,
    ReplicaPart,
    ReplicaPromise,
    ReplicaRead,
    ReplicaRows,
    ReplicaStatus,
    ReplicaTaken,
    SecretsWrite,
    StandDown,
)

Q = TypeVar("Q")
R = TypeVar("R")

TimeoutClass = Literal["fast", "normal", "slow", "endless"]
TIMEOUT_SECONDS: dict[TimeoutClass, float | None] = {
    "fast": 10.0,
    "normal": 60.0,
    "slow": 3600.0,
    "endless": None,
}


class Method(Value, Generic[Q, R], frozen=True, kw_only=True):
    """One method; not ``idempotent`` ones run once per request id."""

    name: str
    request: type[Q]
    result: type[R]
    timeout: TimeoutClass = "normal"
    idempotent: bool = False


class Nothing(Value, frozen=True, kw_only=True):
    """An empty request or result."""


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
    """What a node is to check about itself, its neighbours, and to tell with that."""

    hypervisors: tuple[str, ...] = ()
    disk_templates: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    state: StateRequest | None = None


class NodeVerify(Value, frozen=True, kw_only=True):
    """What a node found: ``ssconf`` maps names to SHA-256 of contents.

    ``authorities`` are fingerprints of the CAs it trusts. ``problems`` are printable
    lines; ``missing_addresses`` those asked for that no interface has,
    ``silent_addresses`` those of neighbours that do not answer. The rest is None unless
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
    info: NodeInfo | None = None
    disks: tuple[DiskInfo, ...] | None = None
    os_names: tuple[str, ...] | None = None


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


class GuestStart(Value, frozen=True, kw_only=True):
    """Start this guest."""

    guest: GuestSpec


class GuestStop(Value, frozen=True, kw_only=True):
    """Stop a guest; 0 s ends it at once."""

    hypervisor: str
    uuid: str
    timeout_seconds: float


class GuestStopped(Value, frozen=True, kw_only=True):
    """How a guest was stopped."""

    outcome: StopOutcome


class GuestName(Value, frozen=True, kw_only=True):
    """One guest of one hypervisor."""

    hypervisor: str
    uuid: str


class GuestPurge(Value, frozen=True, kw_only=True):
    """Forget a guest: end it, remove its disks of these templates, its records."""

    uuid: str
    hypervisors: tuple[str, ...]
    disk_templates: tuple[str, ...]


class Purged(Value, frozen=True, kw_only=True):
    """What a purge removed."""

    guest: bool
    disks: int


class RunningSpec(Value, frozen=True, kw_only=True):
    """A guest as it was started; None if it does not run."""

    guest: GuestSpec | None


class GuestReceive(Value, frozen=True, kw_only=True):
    """Make ready for a guest that the node ``sender`` will send to ``address``."""

    guest: GuestSpec
    address: str
    sender: str


class GuestAwaited(Value, frozen=True, kw_only=True):
    """The port to which the guest is to be sent."""

    port: int


class GuestSend(Value, frozen=True, kw_only=True):
    """Send a running guest to the node ``receiver``, which is ready for it."""

    hypervisor: str
    uuid: str
    address: str
    port: int
    receiver: str


class SendCancelled(Value, frozen=True, kw_only=True):
    """``stays``: the guest was being sent, and stays now."""

    stays: bool


class DisksCreate(Value, frozen=True, kw_only=True):
    """Create all disks of a guest; all or none."""

    guest: GuestSpec


class DiskList(Value, frozen=True, kw_only=True):
    """All disks of a node."""

    disks: tuple[DiskInfo, ...]


class GuestList(Value, frozen=True, kw_only=True):
    """All guests of a node."""

    guests: tuple[GuestInfo, ...]


class GuestListRequest(Value, frozen=True, kw_only=True):
    """Which hypervisors to ask."""

    hypervisors: tuple[str, ...]


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


class OsCreate(Value, frozen=True, kw_only=True):
    """Run the OS definition's create script for a guest."""

    guest: GuestSpec
    reinstall: bool = False


class CreateCheck(Value, frozen=True, kw_only=True):
    """May this guest be created here? Disk space, hypervisor, OS, parameters."""

    guest: GuestSpec


class ConsoleTailRequest(Value, frozen=True, kw_only=True):
    """The last lines of a guest's serial console log."""

    hypervisor: str
    uuid: str
    lines: int


class ConsoleText(Value, frozen=True, kw_only=True):
    """Console output, decoded with replacement characters."""

    text: str


class ConsoleAttach(Value, frozen=True, kw_only=True):
    """Open a guest's serial console; output comes as base64 progress lines.

    ``session`` is a name that the caller chooses; input refers to it.
    """

    hypervisor: str
    uuid: str
    session: str


class ConsoleInput(Value, frozen=True, kw_only=True):
    """Bytes typed at an attached console; ``close`` ends the session."""

    session: str
    data: bytes = b""
    close: bool = False


class EnrolCall(Value, frozen=True, kw_only=True):
    """A signing request (PEM); the caller's join certificate says for which node."""

    signing_request: str


class Delay(Value, frozen=True, kw_only=True):
    """Wait on the node."""

    duration: float


NODE_INFO = Method(
    name="node_info",
    request=NodeInfoRequest,
    result=NodeInfo,
    timeout="fast",
    idempotent=True,
)
NODE_VERIFY = Method(
    name="node_verify", request=VerifyRequest, result=NodeVerify, idempotent=True
)
SSCONF_WRITE = Method(
    name="ssconf_write", request=SsconfWrite, result=SsconfWritten, timeout="fast"
)
NODE_LEAVE = Method(name="node_leave", request=Nothing, result=Nothing)
GUEST_LIST = Method(
    name="guest_list",
    request=GuestListRequest,
    result=GuestList,
    timeout="fast",
    idempotent=True,
)
GUEST_START = Method(
    name="guest_start", request=GuestStart, result=GuestInfo, timeout="slow"
)
GUEST_STOP = Method(
    name="guest_stop", request=GuestStop, result=GuestStopped, timeout="endless"
)
GUEST_RESET = Method(name="guest_reset", request=GuestName, result=Nothing)
GUEST_PURGE = Method(
    name="guest_purge", request=GuestPurge, result=Purged, timeout="slow"
)
GUEST_SPEC = Method(
    name="guest_spec", request=GuestName, result=RunningSpec, idempotent=True
)
GUEST_RECEIVE = Method(name="guest_receive", request=GuestReceive, result=GuestAwaited)
GUEST_SEND = Method(
    name="guest_send", request=GuestSend, result=Nothing, timeout="endless"
)
GUEST_SEND_CANCEL = Method(
    name="guest_send_cancel", request=GuestName, result=SendCancelled
)
GUEST_ACCEPT = Method(name="guest_accept", request=GuestName, result=GuestInfo)
CREATE_CHECK = Method(
    name="create_check", request=CreateCheck, result=Nothing, idempotent=True
)
DISKS_CREATE = Method(
    name="disks_create", request=DisksCreate, result=Nothing, timeout="slow"
)
DISK_LIST = Method(name="disk_list", request=Nothing, result=DiskList, idempotent=True)
OS_LIST = Method(name="os_list", request=Nothing, result=OsList, idempotent=True)
OS_CREATE = Method(
    name="os_create", request=OsCreate, result=Nothing, timeout="endless"
)
CONSOLE_TAIL = Method(
    name="console_tail",
    request=ConsoleTailRequest,
    result=ConsoleText,
    timeout="fast",
    idempotent=True,
)
CONSOLE_ATTACH = Method(
    name="console_attach", request=ConsoleAttach, result=Nothing, timeout="endless"
)
CONSOLE_INPUT = Method(
    name="console_input", request=ConsoleInput, result=Nothing, timeout="fast"
)
ENROL = Method(name="enrol", request=EnrolCall, result=Enrolment)
COMMAND_RUN = Method(
    name="command_run", request=CommandRun, result=CommandEnded, timeout="endless"
)
FILE_OFFER = Method(
    name="file_offer", request=FileOffer, result=FileState, idempotent=True
)
FILE_WRITE = Method(
    name="file_write", request=FilePart, result=Nothing, idempotent=True
)
FILE_COMMIT = Method(name="file_commit", request=FileOffer, result=Nothing)
REPLICA_STATUS = Method(
    name="replica_status",
    request=Nothing,
    result=ReplicaStatus,
    timeout="fast",
    idempotent=True,
)
REPLICA_PROMISE = Method(
    name="replica_promise",
    request=ReplicaPromise,
    result=ReplicaStatus,
    timeout="fast",
    idempotent=True,
)
REPLICA_APPEND = Method(
    name="replica_append", request=ReplicaAppend, result=ReplicaTaken, idempotent=True
)
REPLICA_PART = Method(
    name="replica_part", request=ReplicaPart, result=Nothing, idempotent=True
)
REPLICA_READ = Method(
    name="replica_read", request=ReplicaRead, result=ReplicaRows, idempotent=True
)
REPLICA_RELEASE = Method(
    name="replica_release", request=ReplicaClaim, result=Nothing, idempotent=True
)
REPLICA_FORGET = Method(
    name="replica_forget", request=ReplicaClaim, result=Nothing, idempotent=True
)
SECRETS_WRITE = Method(
    name="secrets_write", request=SecretsWrite, result=Nothing, idempotent=True
)
MASTER_BELIEF = Method(
    name="master_belief",
    request=Nothing,
    result=MasterBelief,
    timeout="fast",
    idempotent=True,
)
MASTER_STAND_DOWN = Method(
    name="master_stand_down", request=StandDown, result=Nothing, idempotent=True
)
MASTER_IP_UP = Method(
    name="master_ip_up", request=MasterAddress, result=Nothing, idempotent=True
)
MASTER_IP_DOWN = Method(
    name="master_ip_down", request=MasterAddress, result=Nothing, idempotent=True
)
CRYPTO_STATE = Method(
    name="crypto_state",
    request=Nothing,
    result=CryptoState,
    timeout="fast",
    idempotent=True,
)
CERTIFICATE_REQUEST = Method(
    name="certificate_request", request=Nothing, result=SigningRequest
)
CERTIFICATE_INSTALL = Method(
    name="certificate_install", request=CertificateInstall, result=CryptoState
)
TRUST_WRITE = Method(
    name="trust_write", request=TrustWrite, result=CryptoState, idempotent=True
)
DELAY = Method(name="delay", request=Delay, result=Nothing, timeout="endless")

METHODS: dict[str, Method[object, object]] = {
    method.name: method  # type: ignore[misc]
    for method in (
        NODE_INFO,
        NODE_VERIFY,
        SSCONF_WRITE,
        NODE_LEAVE,
        GUEST_LIST,
        GUEST_START,
        GUEST_STOP,
        GUEST_RESET,
        GUEST_PURGE,
        GUEST_SPEC,
        GUEST_RECEIVE,
        GUEST_SEND,
        GUEST_SEND_CANCEL,
        GUEST_ACCEPT,
        CREATE_CHECK,
        DISKS_CREATE,
        DISK_LIST,
        OS_LIST,
        OS_CREATE,
        CONSOLE_TAIL,
        CONSOLE_ATTACH,
        CONSOLE_INPUT,
        ENROL,
        COMMAND_RUN,
        FILE_OFFER,
        FILE_WRITE,
        FILE_COMMIT,
        REPLICA_STATUS,
        REPLICA_PROMISE,
        REPLICA_APPEND,
        REPLICA_PART,
        REPLICA_READ,
        REPLICA_RELEASE,
        REPLICA_FORGET,
        SECRETS_WRITE,
        MASTER_BELIEF,
        MASTER_STAND_DOWN,
        MASTER_IP_UP,
        MASTER_IP_DOWN,
        CRYPTO_STATE,
        CERTIFICATE_REQUEST,
        CERTIFICATE_INSTALL,
        TRUST_WRITE,
        DELAY,
    )
}
