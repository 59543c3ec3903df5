"""The parameters that inherit, as tables: names, kinds, ranges and what they mean.

Command line, opcodes, listings and their help all read these. Hypervisors' parameters
have tables of their own, in ``ganetix.hypervisor.params``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from ganetix.objects.base import Value
from ganetix.objects.instance import NicMode
from ganetix.opcodes import checks

ParameterKind = Literal["mib", "count", "number", "bool", "word", "interface"]


class Parameter(Value, frozen=True, kw_only=True):
    """One parameter: ``name`` as people type it, ``field`` as it is stored.

    ``low`` and ``high`` bound numbers, both included; ``choices`` are all words that
    there are, if they are few. The name of an interface may be empty.
    """

    name: str
    field: str
    kind: ParameterKind
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()
    doc: str

    @property
    def allowed(self) -> str:
        """What values there are, in words."""
        match self.kind:
            case "bool":
                return "yes or no"
            case "word":
                return ", ".join(self.choices) or "a word"
            case "interface":
                return "empty or the name of a network interface"
            case "mib":
                return f"{self.low:g} to {self.high:.0f} MiB"
            case "count" | "number":
                return f"{self.low:g} to {self.high:g}"

    def check(self, what: str, value: object) -> None:
        """Raise ``ValueError`` unless this is a value the parameter can have."""
        where = f"{what}: {self.name}"
        if self.kind == "bool":
            fits = isinstance(value, bool)
            wanted = "yes or no"
        elif self.kind == "word":
            fits = isinstance(value, str) and value.isprintable() and bool(value)
            wanted = "a word"
            if fits and self.choices:
                checks.one_of(where, str(value), self.choices)
        elif self.kind == "interface":
            fits = isinstance(value, str)
            wanted = "the name of a network interface"
            if fits and value:
                checks.interface_name(where, str(value))
        else:
            numbers = (int, float) if self.kind == "number" else (int,)
            fits = isinstance(value, numbers) and not isinstance(value, bool)
            wanted = "a number" if self.kind == "number" else "a whole number"
        if not fits:
            raise ValueError(f"{where}: {value!r} is not {wanted}")
        if isinstance(value, int | float) and not isinstance(value, bool):
            unit = "MiB" if self.kind == "mib" else ""
            checks.in_range(where, value, self.low, self.high, unit)


ParameterTable = Mapping[str, Parameter]


def _table(*parameters: Parameter) -> ParameterTable:
    return {parameter.field: parameter for parameter in parameters}


BACKEND: ParameterTable = _table(
    Parameter(
        name="memory",
        field="memory_mib",
        kind="mib",
        low=1,
        high=checks.MAX_MEMORY_MIB,
        doc="Memory of an instance",
    ),
    Parameter(
        name="vcpus",
        field="vcpus",
        kind="count",
        low=1,
        high=checks.MAX_VCPUS,
        doc="Virtual CPUs of an instance",
    ),
    Parameter(
        name="auto_balance",
        field="auto_balance",
        kind="bool",
        doc="Whether balancing may move it",
    ),
)
"""Backend parameters of instances, by field of ``BackendParams``."""

NIC: ParameterTable = _table(
    Parameter(
        name="mode",
        field="mode",
        kind="word",
        choices=get_args(NicMode),
        doc="How a NIC is connected",
    ),
    Parameter(
        name="link",
        field="link",
        kind="interface",
        doc="The bridge of a NIC in mode bridged",
    ),
)
"""Parameters of NICs, by field of ``NicParams``."""

NODE: ParameterTable = _table(
    Parameter(
        name="reserved_memory",
        field="reserved_memory_mib",
        kind="mib",
        low=0,
        high=checks.MAX_MEMORY_MIB,
        doc="Memory that is kept for the host's own system",
    ),
    Parameter(
        name="reserved_cpus",
        field="reserved_cpus",
        kind="count",
        low=0,
        high=checks.MAX_VCPUS,
        doc="CPUs that are kept for the host's own system",
    ),
    Parameter(
        name="spindle_count",
        field="spindle_count",
        kind="count",
        low=0,
        high=100_000,
        doc="Disks that can seek at the same time",
    ),
    Parameter(
        name="exclusive_storage",
        field="exclusive_storage",
        kind="bool",
        doc="Whether each instance has spindles of its own",
    ),
    Parameter(
        name="cpu_speed",
        field="cpu_speed",
        kind="number",
        low=0.01,
        high=1000.0,
        doc="Speed of a CPU, relative to an ordinary one",
    ),
)
"""Node parameters, by field of ``NodeParams``."""

SIZE: ParameterTable = _table(
    Parameter(
        name="memory",
        field="memory_mib",
        kind="mib",
        low=1,
        high=checks.MAX_MEMORY_MIB,
        doc="Memory",
    ),
    Parameter(
        name="disk",
        field="disk_mib",
        kind="mib",
        low=0,
        high=checks.MAX_DISK_MIB,
        doc="Disk space in all",
    ),
    Parameter(
        name="vcpus",
        field="vcpus",
        kind="count",
        low=1,
        high=checks.MAX_VCPUS,
        doc="Virtual CPUs",
    ),
)
"""The parts of an ``InstanceSize``."""

CAPACITY: ParameterTable = _table(
    Parameter(
        name="default_template",
        field="default_template",
        kind="word",
        doc="The disk template that capacity is computed for",
    ),
    Parameter(
        name="max_cpu_ratio",
        field="max_cpu_ratio",
        kind="number",
        low=0.01,
        high=1000.0,
        doc="Virtual CPUs to one of the host's, at most",
    ),
    Parameter(
        name="max_disk_usage",
        field="max_disk_usage",
        kind="number",
        low=0.01,
        high=1.0,
        doc="Share of the disk space that may be used",
    ),
    Parameter(
        name="capacity_checks",
        field="capacity_checks",
        kind="bool",
        doc="Whether all must stay N+1 redundant",
    ),
)
"""Capacity parameters by field of ``CapacityParams``, but for ``max_inst_spec``."""

FAMILIES: Mapping[str, ParameterTable] = {
    "be": BACKEND,
    "nic": NIC,
    "nd": NODE,
    "capacity": CAPACITY,
}
"""The tables by the short names that stand before their parameters."""


def check_given(
    what: str, table: ParameterTable, given: Mapping[str, object | None]
) -> None:
    """Raise ``ValueError`` for an unknown parameter or a bad value.

    None stands for "as inherited" and is always good.

    :param what: the family, to begin messages with
    """
    for field, value in given.items():
        parameter = table.get(field)
        if parameter is None:
            known = ", ".join(table)
            raise ValueError(f"{what}: {field!r} is not one of {known}")
        if value is not None:
            parameter.check(what, value)


def full_name(family: str, field: str) -> str:
    """``FAMILY/NAME``, with the name that people type."""
    parameter = FAMILIES.get(family, {}).get(field)
    return f"{family}/{parameter.name if parameter else field}"
