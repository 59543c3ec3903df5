"""Fields of nodes' health: one verdict a node, and what it rests upon."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from ganetix import __version__
from ganetix.api.types import Cell, RowSource
from ganetix.errors import GanetixError, NodeUnreachable
from ganetix.objects import Node
from ganetix.objects.base import Value
from ganetix.objects.node_calls import NodeInfo, NodeVerify
from ganetix.plan.node import MAX_CLOCK_SKEW_SECONDS
from ganetix.query.table import Column, Table, column
from ganetix.query.view import View

Verdict = Literal["ok", "warning", "error", "unreachable", "offline"]

DAY_SECONDS = 86400.0
CERTIFICATE_DAYS = 30
LOW_SHARE = 0.05


class HealthRow(Value, frozen=True, kw_only=True):
    """A node, what it answered, and when; ``now`` in seconds since the epoch.

    ``failure`` is why it could not be asked, or answered with an error.
    """

    view: View
    node: Node
    now: float
    info: NodeInfo | None = None
    found: NodeVerify | None = None
    failure: GanetixError | None = None

    @property
    def source(self) -> RowSource:
        """Where the values come from, or why there are none."""
        verdict = self.verdict
        return verdict if verdict in ("offline", "unreachable") else "live"

    @property
    def problems(self) -> list[str] | None:
        """All that is not as it should be; None of a node that was not asked."""
        if self.failure is not None:
            return [self.failure.message]
        return None if self.info is None else [*self.errors, *self.warnings]

    @property
    def errors(self) -> list[str]:
        """What must be put right."""
        if self.info is None or self.found is None:
            return []
        return list(_errors(self.node, self.info, self.found, self.now))

    @property
    def warnings(self) -> list[str]:
        """What should be looked after."""
        if self.info is None or self.found is None:
            return []
        return list(_warnings(self.info, self.found, self.now))

    @property
    def verdict(self) -> Verdict:
        """All in a word."""
        if self.failure is not None:
            is_silent = isinstance(self.failure, NodeUnreachable)
            return "unreachable" if is_silent else "error"
        if self.info is None or self.found is None:
            return "offline"
        if self.errors:
            return "error"
        return "warning" if self.warnings else "ok"


def _errors(node: Node, info: NodeInfo, found: NodeVerify, now: float) -> Iterator[str]:
    if info.node_uuid != node.uuid:
        yield f"its daemon is node {info.node_uuid}"
    if info.version != __version__:
        yield f"runs ganetix {info.version}, the master {__version__}"
    skew = info.time - now
    if abs(skew) > MAX_CLOCK_SKEW_SECONDS:
        yield f"its clock is {skew:+.0f} s off the master's"
    if found.certificate_fingerprint != node.certificate:
        yield "its certificate is not the one on record"
    if found.certificate_expires <= now:
        yield "its certificate has expired"
    yield from found.problems
    yield from (f"{path} can be read by others" for path in found.loose_secrets)


def _warnings(info: NodeInfo, found: NodeVerify, now: float) -> Iterator[str]:
    days = int((found.certificate_expires - now) / DAY_SECONDS)
    if 0 <= days < CERTIFICATE_DAYS:
        yield f"its certificate expires in {days} days"
    if info.memory_free_mib < LOW_SHARE * info.memory_total_mib:
        yield f"has {info.memory_free_mib} MiB of memory free"
    for space in info.disk_space:
        if space.free_mib < LOW_SHARE * space.total_mib:
            yield f"has {space.free_mib} MiB free for template {space.template}"


def _info(get: Callable[[HealthRow, NodeInfo], Cell]) -> Callable[[HealthRow], Cell]:
    return lambda row: None if row.info is None else get(row, row.info)


def _found(
    get: Callable[[HealthRow, NodeVerify], Cell],
) -> Callable[[HealthRow], Cell]:
    return lambda row: None if row.found is None else get(row, row.found)


_COLUMNS: tuple[Column[HealthRow], ...] = (
    column("node", "Node", "The node", lambda r: r.node.name, default=True),
    column(
        "status",
        "Status",
        "ok, warning, error, unreachable or offline",
        lambda r: r.verdict,
        live=True,
        default=True,
    ),
    column(
        "version",
        "Version",
        "Version of its daemon",
        _info(lambda _, i: i.version),
        live=True,
        default=True,
    ),
    column(
        "skew",
        "Skew",
        "How many seconds its clock is ahead of the master's",
        # Adding 0.0 makes 0.0 of -0.0.
        _info(lambda r, i: round(i.time - r.now, 1) + 0.0),
        "number",
        live=True,
        default=True,
    ),
    column(
        "cert_days",
        "CertDays",
        "For how many days its certificate is good",
        _found(lambda r, f: int((f.certificate_expires - r.now) / DAY_SECONDS)),
        "number",
        live=True,
        default=True,
    ),
    column(
        "mfree",
        "MFree",
        "Free memory",
        _info(lambda _, i: i.memory_free_mib),
        "mib",
        live=True,
        default=True,
    ),
    column(
        "dfree",
        "DFree",
        "Least free space of its disk storages",
        _info(lambda _, i: min((s.free_mib for s in i.disk_space), default=None)),
        "mib",
        live=True,
        default=True,
    ),
    column(
        "problems",
        "Problems",
        "What is not as it should be",
        lambda r: r.problems,
        "list",
        live=True,
        default=True,
    ),
    column(
        "group",
        "Group",
        "The node's group",
        lambda r: r.view.group_of(r.node.uuid).name,
    ),
)

HEALTH: Table[HealthRow] = Table("health", _COLUMNS)
