"""Opcodes on nodes."""

from __future__ import annotations

from typing import ClassVar

from ganetix.objects.node import DEFAULT_PORT
from ganetix.opcodes import checks
from ganetix.opcodes.base import Opcode


class OpNodeAdd(Opcode, frozen=True, kw_only=True):
    """Reserve a node: its name, addresses and group; a token lets it join."""

    SUBJECT: ClassVar[str] = "name"
    name: str
    primary_ip: str
    secondary_ip: str | None = None
    port: int = DEFAULT_PORT
    group: str | None = None
    replace: bool = False

    def __post_init__(self) -> None:
        checks.host_name("name", self.name)
        checks.in_range("port", self.port, 1, 65535)


class OpNodeEnrol(Opcode, frozen=True, kw_only=True):
    """Check a node that has its certificate, and make it a member."""

    SUBJECT: ClassVar[str] = "name"
    node_uuid: str
    name: str


class OpNodeRemove(Opcode, frozen=True, kw_only=True):
    """Remove a node that holds no instances; it forgets its certificate."""

    SUBJECT: ClassVar[str] = "name"
    name: str
