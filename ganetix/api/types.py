"""The values that travel over AMP, for both ends. Imports no Twisted."""

from __future__ import annotations

from typing import Literal

import msgspec

from ganetix.jobs.values import Drain
from ganetix.objects.base import Value

QueryKind = Literal[
    "cluster",
    "node",
    "group",
    "instance",
    "job",
    "os",
    "reservation",
    "volume",
    "storage",
    "health",
]
FieldKind = Literal["text", "number", "mib", "bool", "time", "list", "other"]
Cell = str | int | float | bool | list[str] | dict[str, object] | None
RowSource = Literal["config", "live", "offline", "unreachable"]


class QueryRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to list. Empty ``names``: all; empty ``fields``: the kind's default ones.

    ``archived``: with the jobs in the archive; one that is named is found anyway.

    A first field that begins with ``+`` adds to the default ones.
    """

    kind: QueryKind
    fields: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    group: str | None = None
    limit: int | None = None
    archived: bool = False


class FieldInfo(Value, frozen=True, kw_only=True):
    """A field: its title in tables, how its values print, what it means.

    ``live`` ones are asked of the nodes; ``default`` ones show if none is named.
    """

    name: str
    title: str
    kind: FieldKind = "text"
    doc: str
    live: bool = False
    default: bool = False


class QueryRow(Value, frozen=True, kw_only=True):
    """Cells in the order of the fields; where their state came from, how old it is.

    A cell is None where a value is not known, as on an unreachable node.
    """

    cells: tuple[Cell, ...]
    source: RowSource = "config"
    age_seconds: float | None = None


class QueryResult(Value, frozen=True, kw_only=True):
    """A table."""

    fields: tuple[FieldInfo, ...]
    rows: tuple[QueryRow, ...]


class CandidateInfo(Value, frozen=True, kw_only=True):
    """A master candidate: the last revision it holds, whether it is in step.

    ``problem`` is a printable line that says why it does not follow.
    """

    name: str
    revision: int
    in_step: bool
    is_master: bool = False
    problem: str = ""


class ClusterInfo(Value, frozen=True, kw_only=True):
    """What ``gnt-cluster info`` shows; ``faults`` are printable lines.

    ``origins`` says where those of the ``parameters`` come from that inherit.
    ``ca_renewal`` is one, too, while the CA is being renewed; ``ca_expires`` is when
    the CA ends, ``ctime`` and ``mtime`` are when the cluster was made and its own
    settings changed last (seconds since the epoch).
    """

    name: str
    uuid: str
    version: str
    master_node: str
    primary_ip_version: int
    default_group: str
    revision: int
    started: float
    nodes: int
    groups: int
    instances: int
    jobs_queued: int
    jobs_running: int
    parameters: dict[str, Cell]
    origins: dict[str, str] = {}
    serial_no: int = 0
    tags: tuple[str, ...] = ()
    drain: Drain | None = None
    faults: tuple[str, ...] = ()
    epoch: int = 1
    candidates: tuple[CandidateInfo, ...] = ()
    ca_expires: float = 0.0
    ca_renewal: str = ""
    ctime: float = 0.0
    mtime: float = 0.0
