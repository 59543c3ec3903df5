"""Parameters in listings: values in effect, and where they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from ganetix.api.types import Cell, FieldKind
from ganetix.hypervisor.params import HV_PARAMETERS
from ganetix.opcodes.parameters import CAPACITY, ParameterTable, full_name
from ganetix.plan.params import Layers, effective, origins
from ganetix.query.table import Column, column
from ganetix.storage.params import DISK_TEMPLATES

S = TypeVar("S")

_KINDS: Mapping[str, FieldKind] = {
    "mib": "mib",
    "count": "number",
    "number": "number",
    "bool": "bool",
    "word": "text",
    "interface": "text",
}


def parameter_columns(
    family: str, table: ParameterTable, layers: Callable[[S], Layers]
) -> tuple[Column[S], ...]:
    """A column ``FAMILY/NAME`` for each parameter: its value in effect."""

    def value(field: str) -> Callable[[S], Cell]:
        return lambda subject: as_cell(effective(layers(subject)).get(field))

    return tuple(
        column(
            f"{family}/{parameter.name}",
            f"{family}/{parameter.name}",
            parameter.doc,
            value(field),
            _KINDS[parameter.kind],
        )
        for field, parameter in table.items()
    )


def capacity_columns(layers: Callable[[S], Layers]) -> tuple[Column[S], ...]:
    """``capacity/NAME`` columns: those of the table, and the size."""
    size = "capacity/max_inst_spec"
    return (
        column(
            size,
            size,
            "The largest instance that capacity is computed for",
            lambda subject: as_cell(effective(layers(subject))["max_inst_spec"]),
            "other",
        ),
        *parameter_columns("capacity", CAPACITY, layers),
    )


def disk_columns(
    layers: Callable[[S, str], Layers],
) -> tuple[Column[S], ...]:
    """``disk/TEMPLATE/NAME`` columns: what disks are like that are made."""

    def value(template: str, name: str) -> Callable[[S], Cell]:
        return lambda subject: as_cell(effective(layers(subject, template))[name])

    return tuple(
        column(
            f"disk/{template}/{name}",
            f"disk/{template}/{name}",
            parameter.doc,
            value(template, name),
        )
        for template, parameters in DISK_TEMPLATES.items()
        for name, parameter in parameters.items()
    )


def hypervisor_columns(
    layers: Callable[[S, str], Layers],
) -> tuple[Column[S], ...]:
    """``hv/HYPERVISOR/NAME`` columns; of ``fake``, which heeds none, there are none."""

    def value(hypervisor: str, name: str) -> Callable[[S], Cell]:
        return lambda subject: as_cell(effective(layers(subject, hypervisor)).get(name))

    return tuple(
        column(
            f"hv/{hypervisor}/{name}",
            f"hv/{hypervisor}/{name}",
            parameter.doc,
            value(hypervisor, name),
        )
        for hypervisor, parameters in HV_PARAMETERS.items()
        if hypervisor != "fake"
        for name, parameter in parameters.items()
    )


def shown_values(families: Mapping[str, Layers]) -> dict[str, object]:
    """``FAMILY/NAME`` to its value, of all these families; sizes in MiB."""
    return {
        full_name(family, field): as_cell(value)
        for family, layers in families.items()
        for field, value in effective(layers).items()
    }


def shown_origins(families: Mapping[str, Layers]) -> dict[str, object]:
    """``FAMILY/NAME`` to its value and origin, of all these families."""
    return {
        full_name(family, field): {
            "value": as_cell(found.value),
            "origin": found.origin,
        }
        for family, layers in families.items()
        for field, found in origins(layers).items()
    }


def as_cell(value: object) -> Cell:
    """A parameter's value as it stands in a cell."""
    plain: Cell = msgspec.to_builtins(value)
    return plain
