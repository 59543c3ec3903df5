"""Parameters that inherit from the cluster to its objects."""

from __future__ import annotations

from ganetix.objects.base import Value

HvValue = str | int | bool
HvParams = dict[str, HvValue]


class BackendParams(Value, frozen=True, kw_only=True):
    """What the host must give a guest: memory in MiB and virtual CPUs."""

    memory_mib: int = 128
    vcpus: int = 1
    auto_balance: bool = True
