"""The cluster object."""

from __future__ import annotations

from typing import Literal

from ganetix.objects.base import ConfigObject
from ganetix.objects.crypto import CaRenewal
from ganetix.objects.instance import NicMode, NicParams
from ganetix.objects.params import (
    BackendParams,
    CapacityParams,
    DiskParams,
    HvParams,
    NodeParams,
)

IpVersion = Literal[4, 6]


class Cluster(ConfigObject, frozen=True, kw_only=True):
    """The one cluster object; ``master_node`` and ``default_group`` are UUIDs.

    ``master_ip`` is an address of the role, beside the master node's own; empty is
    none. ``remote_commands`` lets administrators run commands and copy files on all
    nodes, ``ipv6_secondary`` secondary addresses be IPv6. ``cache_seconds`` is the
    longest life of cached state, ``watcher_seconds`` the pause between repair rounds.
    So many jobs are done at once as ``max_running_jobs`` says.
    ``epoch`` grows with each master: it is the number of the present one's.
    ``ca_renewal`` is there while a new CA comes into use.
    """

    primary_ip_version: IpVersion = 4
    master_node: str
    epoch: int = 1
    ca_renewal: CaRenewal | None = None
    default_group: str
    enabled_hypervisors: tuple[str, ...] = ("kvm",)
    enabled_disk_templates: tuple[str, ...] = ("file", "diskless")
    candidate_pool_size: int = 10
    beparams: BackendParams = BackendParams()
    hvparams: dict[str, HvParams] = {}
    diskparams: dict[str, DiskParams] = {}
    nic_mode: NicMode = "user"
    nic_link: str = ""
    mac_prefix: str = "aa:00:00"
    ndparams: NodeParams = NodeParams()
    capacity: CapacityParams = CapacityParams()
    default_iallocator: str = "builtin"
    master_ip: str = ""
    master_netdev: str = ""
    master_netmask: int | None = None
    ipv6_secondary: bool = False
    remote_commands: bool = True
    cache_seconds: int = 3600
    watcher_seconds: int = 60
    max_running_jobs: int = 64

    @property
    def nicparams(self) -> NicParams:
        """What NICs are like that do not say, where a group does not either."""
        return NicParams(mode=self.nic_mode, link=self.nic_link)
