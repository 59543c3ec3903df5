"""What requests to change a cluster and a group have in common."""

from __future__ import annotations

from ganetix.objects.params import HvValue, NodeParamValue
from ganetix.opcodes.base import Opcode
from ganetix.opcodes.parameters import (
    BACKEND,
    CAPACITY,
    NIC,
    NODE,
    SIZE,
    check_given,
)

CapacityValue = dict[str, int] | str | bool | int | float


class Settings(Opcode, frozen=True, kw_only=True):
    """Parameters by family; what is not there stays, null goes back to the inherited.

    ``hvparams`` are by hypervisor, ``diskparams`` by disk template. ``max_inst_spec``
    in ``capacity`` is a mapping with ``memory_mib``, ``disk_mib`` and ``vcpus``, of
    which those left out stay.
    """

    beparams: dict[str, int | bool | None] = {}
    hvparams: dict[str, dict[str, HvValue | None]] = {}
    diskparams: dict[str, dict[str, str | None]] = {}
    nicparams: dict[str, str | None] = {}
    ndparams: dict[str, NodeParamValue | None] = {}
    capacity: dict[str, CapacityValue | None] = {}

    def __post_init__(self) -> None:
        check_given("beparams", BACKEND, self.beparams)
        check_given("nicparams", NIC, self.nicparams)
        check_given("ndparams", NODE, self.ndparams)
        plain = dict(self.capacity)
        size = plain.pop("max_inst_spec", None)
        if isinstance(size, dict):
            check_given("max_inst_spec", SIZE, size)
        elif size is not None:
            raise ValueError(
                f"capacity: max_inst_spec: {size!r} is not a mapping of"
                f" {', '.join(SIZE)}"
            )
        check_given("capacity", CAPACITY, plain)

    @property
    def has_parameters(self) -> bool:
        """Whether any parameter is to change."""
        given = (self.beparams, self.nicparams, self.ndparams, self.capacity)
        nested = (*self.hvparams.values(), *self.diskparams.values())
        return any(given) or any(nested)
