"""The environment of OS definitions' scripts, API version 20. Pure.

Names and forms are those that existing definitions read. ``DISK_%N_FORMAT`` is our
own addition: an image file may be qcow2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganetix.node.os_definition import API_VERSION, split_os_name
from ganetix.storage.params import DISK_TEMPLATES, disk_param

if TYPE_CHECKING:
    from ganetix.objects import GuestDisk, GuestNic, GuestSpec

SCRIPT_PATH = "/sbin:/bin:/usr/sbin:/usr/bin"
FRONTEND_TYPE = "paravirtual"


def base_environment(os_name: str, osparams: Mapping[str, str]) -> dict[str, str]:
    """What every script gets; ``verify`` gets no more than this."""
    name, variant = split_os_name(os_name)
    environment = {
        "PATH": SCRIPT_PATH,
        "LC_ALL": "C",
        "OS_API_VERSION": str(API_VERSION),
        "OS_NAME": name,
        "OS_VARIANT": variant,
        "DEBUG_LEVEL": "0",
    }
    for parameter, value in osparams.items():
        environment["OSP_" + parameter.upper().replace("-", "_")] = value
    return environment


def guest_environment(
    guest: GuestSpec, disk_paths: Sequence[Path], node_name: str
) -> dict[str, str]:
    """What scripts that work on a guest get."""
    environment = base_environment(guest.os, guest.osparams)
    environment |= {
        "INSTANCE_NAME": guest.name,
        "INSTANCE_UUID": guest.uuid,
        "INSTANCE_OS": guest.os,
        "INSTANCE_PRIMARY_NODE": node_name,
        "INSTANCE_SECONDARY_NODES": "",
        "INSTANCE_BE_memory": str(guest.memory_mib),
        "INSTANCE_BE_maxmem": str(guest.memory_mib),
        "INSTANCE_BE_minmem": str(guest.memory_mib),
        "INSTANCE_BE_vcpus": str(guest.vcpus),
        "HYPERVISOR": guest.hypervisor,
        "DISK_COUNT": str(len(guest.disks)),
        "NIC_COUNT": str(len(guest.nics)),
    }
    for name, value in guest.hvparams.items():
        environment[f"INSTANCE_HV_{name}"] = str(value)
    for index, (disk, path) in enumerate(zip(guest.disks, disk_paths, strict=True)):
        for name, text in _disk(disk, path):
            environment[f"DISK_{index}_{name}"] = text
    for index, nic in enumerate(guest.nics):
        for name, text in _nic(nic):
            environment[f"NIC_{index}_{name}"] = text
    return environment


def _disk(disk: GuestDisk, path: Path) -> Iterator[tuple[str, str]]:
    file_format = ""
    if "format" in DISK_TEMPLATES.get(disk.template, {}):
        file_format = disk_param(disk.template, disk.params, "format")
    yield "PATH", str(path)
    yield "UUID", disk.uuid
    yield "SIZE", str(disk.size_mib)
    yield "ACCESS", disk.mode
    yield "FRONTEND_TYPE", FRONTEND_TYPE
    yield "BACKEND_TYPE", "file:loop" if file_format else "block"
    yield "FORMAT", file_format or "raw"


def _nic(nic: GuestNic) -> Iterator[tuple[str, str]]:
    yield "MAC", nic.mac
    yield "UUID", nic.uuid
    if nic.ip:
        yield "IP", nic.ip
    yield "MODE", nic.mode
    if nic.link:
        yield "LINK", nic.link
    if nic.mode == "bridged":
        yield "BRIDGE", nic.link
    yield "FRONTEND_TYPE", FRONTEND_TYPE
