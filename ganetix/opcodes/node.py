"""Opcodes on nodes."""

from __future__ import annotations

from typing import ClassVar

from ganetix.objects.params import NodeParamValue
from ganetix.opcodes import checks
from ganetix.opcodes.base import Opcode
from ganetix.opcodes.parameters import NODE, check_given


class OpNodeAdd(Opcode, frozen=True, kw_only=True):
    """Reserve a node: its name, addresses and group; a token lets it join.

    ``readd`` is for a member that was installed anew: it keeps its UUID, group and
    role, and its addresses and port if none are given.
    """

    SUBJECT: ClassVar[str] = "name"
    name: str
    primary_ip: str | None = None
    secondary_ip: str | None = None
    port: int | None = None
    group: str | None = None
    replace: bool = False
    readd: bool = False

    def __post_init__(self) -> None:
        checks.host_name("name", self.name)
        if self.port is not None:
            checks.in_range("port", self.port, 1, 65535)
        if self.primary_ip is None and not self.readd:
            raise ValueError("primary_ip: missing; a new node needs an address")
        if self.readd and self.group is not None:
            raise ValueError("group: a node that is added again stays in its group")


class OpNodeEnrol(Opcode, frozen=True, kw_only=True):
    """Check a node that has its certificate, and make it a member."""

    SUBJECT: ClassVar[str] = "name"
    node_uuid: str
    name: str


class OpNodeModify(Opcode, frozen=True, kw_only=True):
    """Change a node's role, flags, addresses, group or parameters.

    What is null stays. A parameter that is null goes back to its group's value.
    ``auto_promote`` has another node promoted where a demotion leaves the pool of
    candidates short; ``force`` does without the node's own word, and splits mirrored
    instances. With ``expected_serial`` nothing is done if the node has another serial
    number.
    """

    SUBJECT: ClassVar[str] = "name"
    name: str
    master_candidate: bool | None = None
    offline: bool | None = None
    drained: bool | None = None
    master_capable: bool | None = None
    vm_capable: bool | None = None
    primary_ip: str | None = None
    secondary_ip: str | None = None
    port: int | None = None
    group: str | None = None
    ndparams: dict[str, NodeParamValue | None] = {}
    auto_promote: bool = False
    force: bool = False
    expected_serial: int | None = None

    def __post_init__(self) -> None:
        if self.port is not None:
            checks.in_range("port", self.port, 1, 65535)
        if self.offline and self.drained:
            raise ValueError("offline: a node is offline or drained, not both")
        away = self.offline or self.drained
        if self.master_candidate and (away or self.master_capable is False):
            raise ValueError(
                "master_candidate: an offline, drained or not master capable node is"
                " no candidate"
            )
        wishes = (
            *(self.master_candidate, self.offline, self.drained),
            *(self.master_capable, self.vm_capable),
            *(self.primary_ip, self.secondary_ip, self.port, self.group),
        )
        if all(wish is None for wish in wishes) and not self.ndparams:
            raise ValueError("nothing to change: say what should be different")
        check_given("ndparams", NODE, self.ndparams)


class OpNodePowercycle(Opcode, frozen=True, kw_only=True):
    """Turn a node's power off and on, by an out-of-band helper."""

    SUBJECT: ClassVar[str] = "name"
    name: str
    force: bool = False


class OpNodeRemove(Opcode, frozen=True, kw_only=True):
    """Remove a node that holds no instances; it forgets its certificate.

    With ``reservation`` only what it was promised is taken back: a member that was to
    join again stays a member.
    """

    SUBJECT: ClassVar[str] = "name"
    name: str
    reservation: bool = False
