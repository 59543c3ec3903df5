"""The instance that a creation request describes, with every default decided."""

from __future__ import annotations

import re
from collections.abc import Callable

from ganetix.config.snapshot import Snapshot
from ganetix.errors import AlreadyExists, BadParameter
from ganetix.hypervisor.params import check_hvparams
from ganetix.netutils.address import host_address
from ganetix.objects import Disk, Instance, Nic, NicParams
from ganetix.opcodes import NicRequest, OpInstanceCreate
from ganetix.plan.params import disk_params, nic_params
from ganetix.storage.params import check_disk_params

_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


def build_instance(
    op: OpInstanceCreate,
    snapshot: Snapshot,
    new_uuid: Callable[[], str],
    random_byte: Callable[[], int],
) -> Instance:
    """The instance as asked for, its ``primary_node`` still empty.

    Raises ``BadParameter`` or ``AlreadyExists``; ``new_uuid`` and ``random_byte`` give
    fresh UUIDs and numbers in 0..255.
    """
    check_request(op, snapshot)
    cluster = snapshot.cluster
    place = snapshot.node(op.node).group if op.node else op.group
    group = snapshot.group(place)
    inherited = nic_params(cluster, group)
    disk_defaults = disk_params(op.disk_template, cluster, group)
    taken = macs_in_use(snapshot)
    nics: list[Nic] = []
    for request in (NicRequest(),) if op.nics is None else op.nics:
        nic = _nic(
            request, inherited, cluster.mac_prefix, new_uuid(), taken, random_byte
        )
        taken.add(nic.mac)
        nics.append(nic)
    backend: dict[str, int | bool] = {}
    if op.memory_mib is not None:
        backend["memory_mib"] = op.memory_mib
    if op.vcpus is not None:
        backend["vcpus"] = op.vcpus
    return Instance(
        uuid=new_uuid(),
        name=op.name,
        primary_node="",
        os=op.os,
        hypervisor=op.hypervisor or cluster.enabled_hypervisors[0],
        disk_template=op.disk_template,
        admin_state="up" if op.start else "down",
        beparams=backend,
        hvparams=dict(op.hvparams),
        osparams=dict(op.osparams),
        disks=tuple(
            Disk(
                uuid=new_uuid(),
                size_mib=disk.size_mib,
                mode=disk.mode,
                params={**disk_defaults, **disk.params},
            )
            for disk in op.disks
        ),
        nics=tuple(nics),
    )


def check_request(op: OpInstanceCreate, snapshot: Snapshot) -> None:
    """Raise unless the cluster's settings permit the request."""
    cluster = snapshot.cluster
    if op.name in snapshot.instance_index.names:
        raise AlreadyExists(f"there is an instance {op.name!r} already")
    _allowed("disk template", op.disk_template, cluster.enabled_disk_templates)
    hypervisor = op.hypervisor or cluster.enabled_hypervisors[0]
    _allowed("hypervisor", hypervisor, cluster.enabled_hypervisors)
    check_hvparams(hypervisor, op.hvparams)
    for disk in op.disks:
        check_disk_params(op.disk_template, disk.params)
    if op.node is not None and op.group is not None:
        node, group = snapshot.node(op.node), snapshot.group(op.group)
        if node.group != group.uuid:
            raise BadParameter(
                f"node {node.name} is not in group {group.name} but in"
                f" {snapshot.group(node.group).name}"
            )


def macs_in_use(snapshot: Snapshot) -> set[str]:
    """MAC addresses of all instances, those being created among them."""
    instances = [*snapshot.instances.values()]
    instances += (intent.instance for intent in snapshot.intents.values())
    return {nic.mac for instance in instances for nic in instance.nics}


def _allowed(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise BadParameter(
            f"{what} {value!r} is not enabled in this cluster;"
            f" there are {', '.join(allowed)}"
        )


def _nic(
    request: NicRequest,
    inherited: NicParams,
    mac_prefix: str,
    nic_uuid: str,
    taken: set[str],
    random_byte: Callable[[], int],
) -> Nic:
    mode = request.mode or inherited.mode
    link = request.link if request.link is not None else inherited.link
    if mode == "bridged" and not link:
        raise BadParameter("nic: mode bridged needs link=BRIDGE")
    if link and not _INTERFACE.fullmatch(link):
        raise BadParameter(f"nic: link {link!r} is not the name of a bridge")
    return Nic(
        uuid=nic_uuid,
        mac=_mac(request.mac, mac_prefix, taken, random_byte),
        mode=request.mode,
        link=request.link,
        ip=host_address("nic: ip", request.ip) if request.ip else "",
    )


def _mac(
    wanted: str | None, prefix: str, taken: set[str], random_byte: Callable[[], int]
) -> str:
    if wanted not in (None, "auto", "generate"):
        mac = str(wanted).lower()
        if not _MAC.fullmatch(mac) or int(mac[:2], 16) & 1:
            raise BadParameter(
                f"mac: {wanted!r} is not the address of one card:"
                " six bytes as aa:00:00:12:34:56, the first one even"
            )
        if mac in taken:
            raise AlreadyExists(f"mac: {mac} belongs to another instance")
        return mac
    for _attempt in range(1000):
        mac = ":".join([prefix, *(f"{random_byte():02x}" for _ in range(3))])
        if mac not in taken:
            return mac
    raise BadParameter(f"mac: no free address with prefix {prefix}")
