"""From an instance of the configuration to what its node is told."""

from __future__ import annotations

from msgspec.structs import asdict

from ganetix.config.snapshot import Snapshot
from ganetix.objects import GuestDisk, GuestNic, GuestSpec, Instance
from ganetix.plan.params import backend_params, hv_params


def guest_spec(instance: Instance, snapshot: Snapshot) -> GuestSpec:
    """All that the instance's node needs to run it."""
    backend = backend_params(instance, snapshot)
    return GuestSpec(
        uuid=instance.uuid,
        name=instance.name,
        hypervisor=instance.hypervisor,
        memory_mib=backend.memory_mib,
        vcpus=backend.vcpus,
        os=instance.os,
        osparams=instance.osparams,
        hvparams=hv_params(instance, snapshot),
        disks=tuple(
            GuestDisk(template=instance.disk_template, **asdict(disk))
            for disk in instance.disks
        ),
        nics=tuple(GuestNic(**asdict(nic)) for nic in instance.nics),
    )
