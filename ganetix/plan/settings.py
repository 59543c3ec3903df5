"""Changing parameters: what is asked for put over what is there. Pure.

A parameter given as None goes back to what it inherits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from msgspec.structs import replace

from ganetix.errors import ConfigConflict
from ganetix.hypervisor.params import check_hvparams, effective_hvparams
from ganetix.objects import (
    BackendParams,
    CapacityOverrides,
    CapacityParams,
    Cluster,
    ConfigObject,
    DiskParams,
    HvParams,
    HvValue,
    InstanceSize,
    NicParams,
    NodeParams,
)
from ganetix.opcodes.parameters import CAPACITY
from ganetix.opcodes.settings import CapacityValue
from ganetix.storage.params import check_disk_params, disk_parameters

P = TypeVar("P", BackendParams, NicParams, NodeParams, CapacityParams)
V = TypeVar("V")


def whole(params: P, given: Mapping[str, object]) -> P:
    """The cluster's parameters of a family after a change; None is the built-in."""
    built_in = type(params)()
    return replace(
        params,
        **{
            field: getattr(built_in, field) if value is None else value
            for field, value in given.items()
        },
    )


def overridden(own: Mapping[str, V], given: Mapping[str, V | None]) -> dict[str, V]:
    """The parameters that differ from the inherited ones, after a change."""
    both = {**own, **given}
    return {name: value for name, value in both.items() if value is not None}


def hypervisors(
    own: Mapping[str, HvParams], given: Mapping[str, Mapping[str, HvValue | None]]
) -> dict[str, HvParams]:
    """Parameters by hypervisor after a change; ``BadParameter`` for unknown ones."""
    for hypervisor, params in given.items():
        # One that goes back to the inherited value must be a parameter all the same.
        known = effective_hvparams(hypervisor)
        for name, value in params.items():
            tried = known.get(name, "") if value is None else value
            check_hvparams(hypervisor, {name: tried})
    return _nested_overridden(own, given)


def disk_templates(
    own: Mapping[str, DiskParams], given: Mapping[str, Mapping[str, str | None]]
) -> dict[str, DiskParams]:
    """Parameters by disk template after a change; ``BadParameter`` for unknown ones."""
    for template, params in given.items():
        known = disk_parameters(template)
        for name, value in params.items():
            is_reset = value is None and name in known
            tried = known[name].default if is_reset else value or ""
            check_disk_params(template, {name: tried})
    return _nested_overridden(own, given)


def _nested_overridden(
    own: Mapping[str, Mapping[str, V]], given: Mapping[str, Mapping[str, V | None]]
) -> dict[str, dict[str, V]]:
    both = {
        name: overridden(own.get(name, {}), given.get(name, {}))
        for name in (*own, *(name for name in given if name not in own))
    }
    return {name: params for name, params in both.items() if params}


def capacity_given(
    given: Mapping[str, CapacityValue | None], size: InstanceSize
) -> dict[str, object]:
    """Changes of capacity parameters with their sizes whole.

    :param size: the one in effect: what a given size leaves out
    """
    changed: dict[str, object] = {}
    for field, value in given.items():
        if isinstance(value, dict):
            changed[field] = replace(size, **value)
        elif field in CAPACITY and CAPACITY[field].kind == "number" and value:
            changed[field] = float(value)
        else:
            changed[field] = value
    return changed


def check_serial(kind: str, current: ConfigObject, expected: int | None) -> None:
    """Tell the second of two administrators that the object is not what he saw."""
    if expected is not None and current.serial_no != expected:
        raise ConfigConflict(
            f"{kind} {current.name} changed since it was read (serial number"
            f" {expected}, now {current.serial_no}); look at it again",
            **{kind: current.name},
        )


def overrides(
    own: CapacityOverrides, given: Mapping[str, CapacityValue | None], cluster: Cluster
) -> CapacityOverrides:
    """A group's capacity parameters after a change."""
    size = own.max_inst_spec or cluster.capacity.max_inst_spec
    return replace(own, **capacity_given(given, size))
