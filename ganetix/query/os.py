"""Fields of OS definitions, as the nodes of one group have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ganetix.objects import Node
from ganetix.objects.base import Value
from ganetix.objects.node_calls import OsInfo
from ganetix.query.table import Column, Table, by_name, column


class OsRow(Value, frozen=True, kw_only=True):
    """A definition by node; None where the node answered that it has none."""

    name: str
    group_name: str
    found: tuple[tuple[str, OsInfo | None], ...]

    @property
    def usable(self) -> list[tuple[str, OsInfo]]:
        """Nodes that have it in order."""
        return [(node, info) for node, info in self.found if info and not info.problem]

    @property
    def problems(self) -> dict[str, object]:
        """What is wrong with it, by node."""
        return {
            node: info.problem if info else "not there"
            for node, info in self.found
            if info is None or info.problem
        }


def _variants(row: OsRow) -> list[str]:
    """Those that all usable nodes have."""
    each = [set(info.variants) for _, info in row.usable]
    return sorted(set.intersection(*each), key=by_name) if each else []


def _parameters(row: OsRow) -> dict[str, object]:
    return {
        name: doc for _, info in row.usable for name, doc in info.parameters.items()
    }


_COLUMNS: tuple[Column[OsRow], ...] = (
    column("name", "OS", "Its name", lambda r: r.name, live=True, default=True),
    column("group", "Group", "The group asked", lambda r: r.group_name, default=True),
    column(
        "valid",
        "Valid",
        "Whether each node that answered has it in order",
        lambda r: not r.problems,
        "bool",
        live=True,
        default=True,
    ),
    column(
        "variants",
        "Variants",
        "Its variants, as in NAME+VARIANT",
        _variants,
        "list",
        live=True,
        default=True,
    ),
    column(
        "parameters",
        "Parameters",
        "What -O takes, with what it means",
        _parameters,
        "other",
        live=True,
    ),
    column(
        "api_versions",
        "API",
        "Interface versions it supports",
        lambda r: sorted({str(v) for _, i in r.usable for v in i.api_versions}),
        "list",
        live=True,
    ),
    column(
        "nodes",
        "Nodes",
        "Nodes that have it in order",
        lambda r: [node for node, _ in r.usable],
        "list",
        live=True,
    ),
    column(
        "problem",
        "Problem",
        "What is wrong with it, by node",
        lambda r: r.problems,
        "other",
        live=True,
        default=True,
    ),
)

OSES: Table[OsRow] = Table("os", _COLUMNS)


def os_rows(
    group_name: str,
    nodes: Sequence[Node],
    answers: Mapping[str, Sequence[OsInfo]],
) -> list[OsRow]:
    """A row for each definition that any node has; ``answers`` by node UUID."""
    by_node = {
        node.name: {info.name: info for info in answers[node.uuid]}
        for node in nodes
        if node.uuid in answers
    }
    names = {name for infos in by_node.values() for name in infos}
    return [
        OsRow(
            name=name,
            group_name=group_name,
            found=tuple((node, infos.get(name)) for node, infos in by_node.items()),
        )
        for name in sorted(names, key=by_name)
    ]
