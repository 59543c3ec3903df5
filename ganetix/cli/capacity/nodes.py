"""The table of nodes that ``gnt-capacity -p`` prints; its columns are hspace's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ganetix.cli.errors import UsageError
from ganetix.plan.capacity.state import (
    DISK,
    DISK_LOAD,
    FAILING,
    LOAD,
    PRIMARIES,
    RESERVE,
    SECONDARIES,
    UNALLOCATED,
    VCPUS,
    ClusterState,
)


class Column(NamedTuple):
    """A column: its title, whether it is text, and a node's cell."""

    title: str
    is_text: bool
    cell: Callable[[ClusterState, int], str]


def _status(state: ClusterState, node: int) -> str:
    if state.hardware.nodes[node].offline:
        return "-"
    return "*" if state.numbers[FAILING, node] else ""


def _taken(state: ClusterState, node: int) -> str:
    facts = state.hardware.nodes[node]
    host = facts.node_memory + max(0, int(state.missing[node]))
    return str(facts.total_memory - host - int(state.numbers[UNALLOCATED, node]))


def _reported(state: ClusterState, node: int) -> str:
    """Free memory as the node would report it: placed guests run there now."""
    return str(int(state.numbers[UNALLOCATED, node]) - min(0, int(state.missing[node])))


def _available(state: ClusterState, node: int) -> str:
    free = state.numbers[UNALLOCATED, node] - state.numbers[RESERVE, node]
    return str(max(0, int(free)))


def _load(row: int) -> Callable[[ClusterState, int], str]:
    def cell(state: ClusterState, node: int) -> str:
        primaries = int(state.numbers[PRIMARIES, node])
        both = primaries + int(state.numbers[SECONDARIES, node])
        return f"{both if row == DISK_LOAD else primaries:.3f}"

    return cell


def _part(row: int, whole: str) -> Callable[[ClusterState, int], str]:
    def cell(state: ClusterState, node: int) -> str:
        total = float(getattr(state.hardware.nodes[node], whole))
        part = float(state.numbers[row, node])
        digits = 2 if row == VCPUS else 4
        return f"{part / total:.{digits}f}" if total else "-"

    return cell


def _names(row: int) -> Callable[[ClusterState, int], str]:
    def cell(state: ClusterState, node: int) -> str:
        return ",".join(
            guest.name or f"new-{number}"
            for number, guest in enumerate(state.guests)
            if state.homes[number][row] == node
        )

    return cell


def _number(row: int, divisor: int = 1) -> Callable[[ClusterState, int], str]:
    return lambda state, node: str(int(state.numbers[row, node]) // divisor)


def _fact(name: str, divisor: int = 1) -> Callable[[ClusterState, int], str]:
    return lambda state, node: (
        f"{getattr(state.hardware.nodes[node], name) // divisor:.0f}"
    )


COLUMNS = {
    "idx": Column("Idx", False, lambda state, node: str(node)),
    "status": Column("F", True, _status),
    "name": Column("Name", True, lambda state, node: state.hardware.nodes[node].name),
    "tmem": Column("t_mem", False, _fact("total_memory")),
    "nmem": Column("n_mem", False, _fact("node_memory")),
    "imem": Column("i_mem", False, _taken),
    "xmem": Column("x_mem", False, lambda state, node: str(state.missing[node])),
    "fmem": Column("f_mem", False, _reported),
    "umem": Column("u_mem", False, _number(UNALLOCATED)),
    "rmem": Column("r_mem", False, _number(RESERVE)),
    "amem": Column("a_mem", False, _available),
    "tdsk": Column("t_dsk", False, _fact("total_disk", 1024)),
    "fdsk": Column("f_dsk", False, _number(DISK, 1024)),
    "tcpu": Column("pcpu", False, _fact("total_cpus")),
    "ucpu": Column("vcpu", False, _number(VCPUS)),
    "pcnt": Column("pcnt", False, _number(PRIMARIES)),
    "scnt": Column("scnt", False, _number(SECONDARIES)),
    "plist": Column("primaries", True, _names(0)),
    "slist": Column("secondaries", True, _names(1)),
    "pfmem": Column("p_fmem", False, _part(UNALLOCATED, "total_memory")),
    "pfdsk": Column("p_fdsk", False, _part(DISK, "total_disk")),
    "rcpu": Column("r_cpu", False, _part(VCPUS, "total_cpus")),
    "cload": Column("lCpu", False, _load(LOAD)),
    "mload": Column("lMem", False, _load(LOAD)),
    "dload": Column("lDsk", False, _load(DISK_LOAD)),
    "nload": Column("lNet", False, _load(LOAD)),
}
USUAL = (
    *("status", "name", "tmem", "nmem", "imem", "xmem", "fmem", "umem", "rmem"),
    *("tdsk", "fdsk", "tcpu", "ucpu", "pcnt", "scnt", "pfmem", "pfdsk", "rcpu"),
    *("cload", "mload", "dload", "nload"),
)


def columns_named(fields: str | None) -> tuple[Column, ...] | None:
    """The columns that ``-p`` names; None without ``-p``."""
    if fields is None:
        return None
    given = [name for name in fields.removeprefix("+").split(",") if name]
    for name in given:
        if name not in COLUMNS:
            known = ", ".join(COLUMNS)
            raise UsageError(f"-p: there is no field {name!r}; there are {known}")
    names: Iterable[str] = given or USUAL
    if fields.startswith("+"):
        names = [*USUAL, *given]
    return tuple(COLUMNS[name] for name in names)


def node_table(state: ClusterState, columns: Sequence[Column]) -> Iterable[str]:
    """One line a node, with titles; text comes left-aligned."""
    rows = [
        [column.title for column in columns],
        *(
            [column.cell(state, node) for column in columns]
            for node in range(len(state.hardware.nodes))
        ),
    ]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    texts = [column.is_text for column in columns]
    return [
        " ".join(
            cell.ljust(width) if is_text else cell.rjust(width)
            for cell, width, is_text in zip(row, widths, texts, strict=True)
        ).rstrip()
        for row in rows
    ]
