"""Opcodes about how much more fits, and where."""

from __future__ import annotations

from msgspec.structs import asdict

from ganetix.objects.params import CapacityOverrides, InstanceSize
from ganetix.opcodes import checks
from ganetix.opcodes.base import Opcode
from ganetix.opcodes.parameters import CAPACITY, SIZE, check_given


class OpClusterExport(Opcode, frozen=True, kw_only=True):
    """Describe the running cluster, or some groups, in htools' text format."""

    groups: tuple[str, ...] = ()


class OpClusterBalance(Opcode, frozen=True, kw_only=True):
    """Plan the moves that spread instances evenly over the nodes of each group.

    Nothing is moved: the answer has the moves, their gain and cost, and which of them
    can be made at the same time. Groups are names or UUIDs; none named: all.
    """

    groups: tuple[str, ...] = ()
    max_moves: int | None = None

    def __post_init__(self) -> None:
        if self.max_moves is not None:
            checks.in_range("max_moves", self.max_moves, 1, 100_000)


class OpEvacuationPlan(Opcode, frozen=True, kw_only=True):
    """Ask an allocator, once, where instances go that leave their primary nodes.

    They go to other nodes of their groups, or all to ``group``. Nothing is moved: the
    answer has the moves, and the instances that stay with the reason. ``left_nodes``
    are nodes to which none goes, beside those that have any of them; who is in
    ``group`` already stays, if not on one of these. ``iallocator``
    null or ``.`` is the cluster's default one.
    """

    instances: tuple[str, ...]
    left_nodes: tuple[str, ...] = ()
    group: str | None = None
    iallocator: str | None = None

    def __post_init__(self) -> None:
        if not self.instances:
            raise ValueError("instances: there are none to move")
        if len(set(self.instances)) < len(self.instances):
            raise ValueError("instances: one is named twice")


class OpComputeCapacity(Opcode, frozen=True, kw_only=True):
    """How many more instances fit: of falling size, or of the sizes in ``fits``.

    The four parameters take the place of every group's. Groups are names or UUIDs;
    none named: all. ``iallocator`` null or ``.`` is the cluster's default one.
    ``cached`` lets an earlier result do, as long as nothing has shrunk since.
    ``explain`` tells what runs out first; ``what_if`` are changes to compute with:
    ``more=NODE`` (one more like it), ``without=NODE``, ``cpu-ratio=NUMBER``.
    """

    iallocator: str | None = None
    cached: bool = True
    max_inst_spec: InstanceSize | None = None
    default_template: str | None = None
    max_cpu_ratio: float | None = None
    max_disk_usage: float | None = None
    groups: tuple[str, ...] = ()
    fits: tuple[InstanceSize, ...] = ()
    explain: bool = False
    what_if: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = ("default_template", "max_cpu_ratio", "max_disk_usage")
        check_given("capacity", CAPACITY, {name: getattr(self, name) for name in names})
        sizes = {"max_inst_spec": self.max_inst_spec} if self.max_inst_spec else {}
        sizes |= {f"fits[{n}]": size for n, size in enumerate(self.fits)}
        for change in self.what_if:
            kind, _, value = change.partition("=")
            checks.one_of("what_if", kind, ("more", "without", "cpu-ratio"))
            if not value:
                raise ValueError(f"what_if: {change!r}: there is nothing behind '='")
            if kind == "cpu-ratio":
                CAPACITY["max_cpu_ratio"].check("what_if", _number(change, value))
        for field, size in sizes.items():
            check_given(field, SIZE, asdict(size))

    @property
    def overrides(self) -> CapacityOverrides:
        """The parameters that were given."""
        return CapacityOverrides(
            max_inst_spec=self.max_inst_spec,
            default_template=self.default_template,
            max_cpu_ratio=self.max_cpu_ratio,
            max_disk_usage=self.max_disk_usage,
        )


def _number(change: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"what_if: {change!r}: {text!r} is not a number") from None
