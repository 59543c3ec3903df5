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
from ganetix.objects.guest import GuestInfo
from ganetix.objects.guest_calls import (
    ConsoleAttach,
    ConsoleInput,
    ConsoleTailRequest,
    ConsoleText,
    CreateCheck,
    DisksCreate,
    GuestAwaited,
    GuestList,
    GuestListRequest,
    GuestName,
    GuestPurge,
    GuestReceive,
    GuestSend,
    GuestStart,
    GuestStop,
    GuestStopped,
    OsCreate,
    Purged,
    RunningSpec,
    SendCancelled,
)
from ganetix.objects.node import Enrolment
from ganetix.objects.node_calls import (
    Delay,
    DiskList,
    EnrolCall,
    NodeInfo,
    NodeInfoRequest,
    NodeVerify,
    OsList,
    SsconfWrite,
    SsconfWritten,
    VerifyRequest,
)
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
