"""Opcodes on the whole cluster."""

from __future__ import annotations

from ganetix.opcodes.base import Opcode


class OpClusterVerify(Opcode, frozen=True, kw_only=True):
    """Check one group (name or UUID), or the default one; ``repair`` cleans up."""

    group: str | None = None
    repair: bool = False


class OpClusterDestroy(Opcode, frozen=True, kw_only=True):
    """End a cluster that has no instances and no node but the master."""
