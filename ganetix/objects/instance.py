"""Instances, their disks and NICs."""

from __future__ import annotations

from typing import Literal

from ganetix.objects.base import ConfigObject, Value
from ganetix.objects.params import DiskParams, HvParams

AdminState = Literal["up", "down", "offline"]
NicMode = Literal["user", "bridged", "none"]

MOVABLE_TEMPLATES = frozenset({"diskless"})
"""Disk templates whose disks, if any, every node of a group reaches."""


class NicParams(Value, frozen=True, kw_only=True):
    """How a NIC is connected; ``link`` is the bridge in mode ``bridged``."""

    mode: NicMode = "user"
    link: str = ""


class Disk(Value, frozen=True, kw_only=True):
    """One disk; ``params`` are the template's (``format``: raw or qcow2 …)."""

    uuid: str
    size_mib: int
    mode: Literal["rw", "ro"] = "rw"
    params: DiskParams = {}


class Nic(Value, frozen=True, kw_only=True):
    """One network card; what is None is as in its group (see ``NicParams``)."""

    uuid: str
    mac: str
    mode: NicMode | None = None
    link: str | None = None
    ip: str = ""


class Instance(ConfigObject, frozen=True, kw_only=True):
    """A guest as it should be. ``primary_node`` is a UUID.

    ``beparams`` and ``hvparams`` hold only what differs from the cluster's.
    ``admin_state_source`` says whose wish the state is: the administrator's or, after
    a shutdown from inside, the guest's user's.
    """

    primary_node: str
    os: str
    hypervisor: str
    disk_template: str
    admin_state: AdminState = "down"
    admin_state_source: Literal["admin", "user"] = "admin"
    beparams: dict[str, int | bool] = {}
    hvparams: HvParams = {}
    osparams: dict[str, str] = {}
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
