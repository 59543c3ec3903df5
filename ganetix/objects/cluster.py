"""The cluster object."""

from __future__ import annotations

from typing import Literal

from ganetix.objects.base import ConfigObject
from ganetix.objects.instance import NicMode
from ganetix.objects.params import BackendParams, HvParams

IpVersion = Literal[4, 6]


class Cluster(ConfigObject, frozen=True, kw_only=True):
    """The one cluster object; ``master_node`` and ``default_group`` are UUIDs."""

    primary_ip_version: IpVersion = 4
    master_node: str
    default_group: str
    enabled_hypervisors: tuple[str, ...] = ("kvm",)
    enabled_disk_templates: tuple[str, ...] = ("file", "diskless")
    candidate_pool_size: int = 10
    beparams: BackendParams = BackendParams()
    hvparams: dict[str, HvParams] = {}
    nic_mode: NicMode = "user"
    nic_link: str = ""
    mac_prefix: str = "aa:00:00"
