"""How the configuration stands in the state store: kinds, keys, JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

import msgspec

from ganetix.config.snapshot import Snapshot
from ganetix.errors import Bug, StateFault
from ganetix.objects import (
    Cluster,
    ConfigObject,
    Instance,
    JoinToken,
    Node,
    NodeGroup,
)
from ganetix.objects.base import Value
from ganetix.objects.intent import InstanceIntent
from ganetix.objects.upgrade import VERSION, Document, upgrade
from ganetix.state.rows import Row, RowKey

V = TypeVar("V", bound=Value)
J = TypeVar("J")

KIND_OF: Mapping[type[Value], str] = MappingProxyType(
    {
        Cluster: "cluster",
        NodeGroup: "group",
        Node: "node",
        Instance: "instance",
        JoinToken: "token",
        InstanceIntent: "intent",
    }
)
KINDS = tuple(KIND_OF.values())
VERSION_KEY = RowKey("meta", "config_version")
VERSION_ROW = Row(*VERSION_KEY, b"%d" % VERSION)


def row_of(value: Value) -> Row:
    """A configuration value as a row."""
    return Row(KIND_OF[type(value)], key_of(value), msgspec.json.encode(value))


def key_of(value: Value) -> str:
    """The key of a configuration value's row."""
    match value:
        case ConfigObject():
            return value.uuid
        case JoinToken():
            return value.node.uuid
        case InstanceIntent():
            return value.instance.uuid
        case _:
            raise Bug(f"{type(value).__name__} is no configuration value")


def initial_rows(cluster: Cluster, group: NodeGroup, node: Node) -> tuple[Row, ...]:
    """The first configuration: a cluster of one group with the master node in it.

    The objects stand as they are given, times included.
    """
    if (cluster.default_group, node.group) != (group.uuid, group.uuid):
        raise Bug(
            f"the first group of cluster {cluster.name} must be its default group"
        )
    if cluster.master_node != node.uuid:
        raise Bug(f"the first node of cluster {cluster.name} must be its master")
    return (VERSION_ROW, *map(row_of, (cluster, group, node)))


def upgraded_rows(rows: Iterable[Row], version: int) -> tuple[Row, ...]:
    """What must be written to bring rows of an older version up to date.

    Fails with ``StateFault`` if they are of a newer version.
    """
    before: defaultdict[str, dict[str, dict[str, object]]] = defaultdict(dict)
    for row in rows:
        before[row.kind][row.key] = _decoded(row, dict[str, object])
    after: Document = upgrade(before, version)
    puts = [
        Row(kind, key, msgspec.json.encode(value))
        for kind, values in after.items()
        for key, value in values.items()
    ]
    deletes = [
        Row(kind, key, None)
        for kind, values in before.items()
        for key in values
        if key not in after.get(kind, {})
    ]
    return (VERSION_ROW, *deletes, *puts)


def snapshot_of(rows: Iterable[Row], revision: int) -> Snapshot | None:
    """The configuration in these rows, of the current version; None without a cluster.

    Fails with ``StateFault`` naming a row that cannot be read.
    """
    by_kind: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_kind[row.kind].append(row)
    clusters = _values(by_kind, Cluster)
    if not clusters:
        return None
    if len(clusters) > 1:
        names = ", ".join(sorted(cluster.name for cluster in clusters.values()))
        raise StateFault(f"the state store holds more than one cluster: {names}")
    return Snapshot(
        revision=revision,
        cluster=next(iter(clusters.values())),
        groups=_values(by_kind, NodeGroup),
        nodes=_values(by_kind, Node),
        instances=_values(by_kind, Instance),
        tokens=_values(by_kind, JoinToken),
        intents=_values(by_kind, InstanceIntent),
    )


def _values(by_kind: Mapping[str, list[Row]], kind: type[V]) -> Mapping[str, V]:
    rows = by_kind.get(KIND_OF[kind], ())
    return MappingProxyType({row.key: _decoded(row, kind) for row in rows})


def _decoded(row: Row, kind: type[J]) -> J:
    try:
        return msgspec.json.decode(row.data or b"", type=kind)
    except msgspec.MsgspecError as error:
        message = f"state store: {row.kind} {row.key} cannot be read: {error}"
        raise StateFault(message) from error
