"""From an instance of the configuration to what its node is told."""

from __future__ import annotations

from msgspec.structs import asdict, replace

from ganetix.objects import (
    BackendParams,
    Cluster,
    GuestDisk,
    GuestNic,
    GuestSpec,
    HvParams,
    Instance,
)


def backend_params(instance: Instance, cluster: Cluster) -> BackendParams:
    """The instance's backend parameters, the cluster's where it has none."""
    return replace(cluster.beparams, **instance.beparams)


def hv_params(instance: Instance, cluster: Cluster) -> HvParams:
    """The instance's hypervisor parameters over the cluster's; no defaults."""
    return {**cluster.hvparams.get(instance.hypervisor, {}), **instance.hvparams}


def guest_spec(instance: Instance, cluster: Cluster) -> GuestSpec:
    """All that the instance's node needs to run it."""
    backend = backend_params(instance, cluster)
    return GuestSpec(
        uuid=instance.uuid,
        name=instance.name,
        hypervisor=instance.hypervisor,
        memory_mib=backend.memory_mib,
        vcpus=backend.vcpus,
        os=instance.os,
        osparams=instance.osparams,
        hvparams=hv_params(instance, cluster),
        disks=tuple(
            GuestDisk(template=instance.disk_template, **asdict(disk))
            for disk in instance.disks
        ),
        nics=tuple(GuestNic(**asdict(nic)) for nic in instance.nics),
    )
