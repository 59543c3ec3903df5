"""From an instance of the configuration to what its node is told."""

from __future__ import annotations

from msgspec.structs import asdict

from ganetix.config.snapshot import Snapshot
from ganetix.objects import GuestDisk, GuestNic, GuestSpec, Instance, Nic, NicParams
from ganetix.plan.params import backend_params, group_of, hv_params, nic_params


def guest_spec(instance: Instance, snapshot: Snapshot) -> GuestSpec:
    """All that the instance's node needs to run it."""
    backend = backend_params(instance, snapshot)
    group = group_of(snapshot, instance.primary_node)
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
        nics=tuple(
            _guest_nic(nic, nic_params(snapshot.cluster, group, nic))
            for nic in instance.nics
        ),
    )


def _guest_nic(nic: Nic, params: NicParams) -> GuestNic:
    link = params.link if params.mode == "bridged" else ""
    return GuestNic(uuid=nic.uuid, mac=nic.mac, mode=params.mode, link=link, ip=nic.ip)
