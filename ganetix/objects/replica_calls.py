"""What master and candidates say to each other about replicas."""

from __future__ import annotations

from ganetix.objects.base import Value
from ganetix.objects.replica import Claim, Epoch, Group, Members, Position


class ReplicaStatus(Value, frozen=True, kw_only=True):
    """What a node holds: its position, its promise, its last record of members.

    ``is_serving``: a master daemon has the store open there; then ``position`` is that
    of a moment ago. ``secrets`` is a digest of the master's secrets that it keeps.
    """

    position: Position = Position()
    promise: Claim = Claim()
    record: Members = Members()
    history: tuple[Epoch, ...] = ()
    is_serving: bool = False
    secrets: str = ""


class ReplicaPromise(Value, frozen=True, kw_only=True):
    """Promise to obey this claim and none before it."""

    claim: Claim


class ReplicaAppend(Value, frozen=True, kw_only=True):
    """Batches that follow a position; none of them: a sign of life."""

    claim: Claim
    after: Position
    groups: tuple[Group, ...] = ()


class ReplicaTaken(Value, frozen=True, kw_only=True):
    """How far the candidate has come; not ``matched``: it was elsewhere before."""

    position: Position
    matched: bool


class ReplicaPart(Value, frozen=True, kw_only=True):
    """A part of a snapshot, counted from 0; the last one says what it amounts to."""

    claim: Claim
    part: int
    rows: bytes = b""
    adopt: Position | None = None


class ReplicaRead(Value, frozen=True, kw_only=True):
    """Rows beyond a key of the replica of whoever promised to obey the claim."""

    claim: Claim
    kind: str = ""
    key: str = ""


class ReplicaRows(Value, frozen=True, kw_only=True):
    """Rows in order, encoded, and the last one's place; none: that was all."""

    rows: bytes
    kind: str = ""
    key: str = ""


class ReplicaClaim(Value, frozen=True, kw_only=True):
    """A call that says no more than who makes it."""

    claim: Claim


class SecretsWrite(Value, frozen=True, kw_only=True):
    """Files that only masters and candidates have, by the name of their path."""

    claim: Claim
    files: dict[str, bytes]

    def __repr__(self) -> str:
        """Only the names."""
        return f"SecretsWrite({', '.join(sorted(self.files))})"


class MasterBelief(Value, frozen=True, kw_only=True):
    """Whom a node takes for the master, by its ssconf; empty if it knows none."""

    master: str = ""
    name: str = ""
    epoch: int = 0


class StandDown(Value, frozen=True, kw_only=True):
    """The master daemon of the node is to end; ``successor`` names who takes over."""

    successor: str


class MasterAddress(Value, frozen=True, kw_only=True):
    """An address that goes with the master's role."""

    ip: str
    netmask: int
    netdev: str
