"""Fields of reservations: nodes that were promised a place and have not joined."""

from __future__ import annotations

from collections.abc import Sequence

from ganetix.errors import NotFound
from ganetix.objects import JoinToken
from ganetix.objects.base import Value
from ganetix.query.table import Column, Table, by_name, column
from ganetix.query.view import View


class ReservationRow(Value, frozen=True, kw_only=True):
    """A reservation; ``now`` in seconds since the epoch."""

    view: View
    token: JoinToken
    now: float

    @property
    def status(self) -> str:
        """How far the node has come."""
        if self.token.used:
            return "joining"
        if not self.token.token:
            return "no-token"
        return "expired" if self.now >= self.token.expires else "reserved"


_COLUMNS: tuple[Column[ReservationRow], ...] = (
    column("name", "Node", "Its name", lambda r: r.token.node.name, default=True),
    column(
        "group",
        "Group",
        "The node group that it is to come into",
        lambda r: r.view.snapshot.groups[r.token.node.group].name,
        default=True,
    ),
    column(
        "status",
        "Status",
        "reserved, expired (its token), no-token (none was issued yet), joining",
        lambda r: r.status,
        default=True,
    ),
    column(
        "expires",
        "Expires",
        "Until when its token is good",
        lambda r: r.token.expires or None,
        "time",
        default=True,
    ),
    column(
        "pip",
        "PrimaryIP",
        "Primary address",
        lambda r: r.token.node.primary_ip,
        default=True,
    ),
    column(
        "sip", "SecondaryIP", "Secondary address", lambda r: r.token.node.secondary_ip
    ),
    column("port", "Port", "Its daemon's port", lambda r: r.token.node.port, "number"),
    column(
        "readd",
        "Readd",
        "Whether it is a member that joins again",
        lambda r: r.token.node.uuid in r.view.snapshot.nodes,
        "bool",
        default=True,
    ),
    column("uuid", "UUID", "Its UUID", lambda r: r.token.node.uuid),
)

RESERVATIONS: Table[ReservationRow] = Table("reservation", _COLUMNS)


def reservation_rows(
    view: View, names: Sequence[str], group: str | None, now: float
) -> list[ReservationRow]:
    """The reservations named, or all by name; those of one group only, if given."""
    tokens = sorted(
        view.snapshot.tokens.values(), key=lambda token: by_name(token.node.name)
    )
    if group is not None:
        uuid = view.snapshot.group(group).uuid
        tokens = [token for token in tokens if token.node.group == uuid]
    if names:
        known = {key: t for t in tokens for key in (t.node.uuid, t.node.name)}
        for name in names:
            if name not in known:
                raise NotFound(f"no node {name!r} is reserved")
        tokens = [known[name] for name in dict.fromkeys(names)]
    return [ReservationRow(view=view, token=token, now=now) for token in tokens]
