"""What a daemon speaks: the number of the node RPC, told with every call and answer.

Peers of different numbers do not call each other, so that none misunderstands another.
The form of this header never changes.
"""

from __future__ import annotations

import re

from ganetix import __version__
from ganetix.errors import VersionMismatch
from ganetix.objects import Node
from ganetix.rpc.faults import where

PROTOCOL = 1
"""Raised when methods change so that a peer of before would misunderstand them."""

_FORM = re.compile(rb"([0-9]{1,9}) ([!-~]{1,40})")


class Dialect:
    """The number of the node RPC, and the version of ganetix that speaks it.

    ``header`` is both as they travel.
    """

    def __init__(self, protocol: int = PROTOCOL, version: str = __version__) -> None:
        self.protocol = protocol
        self.version = version
        self.header = f"{protocol} {version}".encode("ascii")

    def check_caller(self, header: bytes | None) -> None:
        """Fails with ``VersionMismatch`` if a caller speaks another number."""
        if header == self.header:
            return
        theirs = _dialect_of(header or b"")
        if theirs.protocol != self.protocol:
            late = "the caller" if theirs.protocol < self.protocol else "this node"
            raise VersionMismatch(
                f"the caller {theirs._text}, this node {self._text}: upgrade {late}"
            )

    def check_node(self, header: bytes, node: Node) -> None:
        """Fails with ``VersionMismatch`` if a node that was called speaks another."""
        if header == self.header:
            return
        theirs = _dialect_of(header)
        if theirs.protocol != self.protocol:
            is_late = theirs.protocol < self.protocol
            late = f"node {node.name}" if is_late else "this node"
            raise VersionMismatch(
                f"{where(node)} {theirs._text}, this node {self._text}: upgrade {late}",
                node=node.uuid,
            )

    @property
    def _text(self) -> str:
        return f"runs ganetix {self.version} and speaks node RPC {self.protocol}"


def _dialect_of(header: bytes) -> Dialect:
    found = _FORM.fullmatch(header)
    if found is not None:
        return Dialect(int(found[1]), found[2].decode("ascii"))
    # Versions from before there were numbers told nothing but themselves.
    version = header.decode("ascii", "ignore")
    is_plain = 0 < len(version) < 40 and version.isprintable()
    return Dialect(0, version if is_plain else "(unknown)")
