"""The flat files that every node holds: what daemons need before they can talk."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from ganetix import __version__
from ganetix.config.snapshot import Snapshot
from ganetix.errors import Bug

IP_FAMILY = {4: int(socket.AF_INET), 6: 10}
"""Address families by IP version, by the numbers that Linux gives them."""

_REVISIONS_AN_EPOCH = 10**12


def ssconf_files(snapshot: Snapshot) -> dict[str, str]:
    """Contents by name: one value a line, lists sorted, each line ended.

    An empty list is an empty text. ``master_candidates_certs`` has lines
    ``UUID=FINGERPRINT``, two of a candidate whose certificate is being renewed;
    ``nodegroups`` and ``node_uuids`` have ``UUID NAME``;
    ``node_primary_ips`` and ``node_secondary_ips`` have ``NAME IP``.
    """
    cluster = snapshot.cluster
    nodes = snapshot.nodes.values()
    master = snapshot.nodes[cluster.master_node]
    candidates = [node for node in nodes if node.master_candidate or node is master]
    return {
        "cluster_name": _text([cluster.name]),
        "cluster_uuid": _text([cluster.uuid]),
        "master_node": _text([master.name]),
        "master_node_uuid": _text([master.uuid]),
        "master_epoch": _text([str(cluster.epoch)]),
        "master_ip": _text([cluster.master_ip or master.primary_ip]),
        "master_candidates": _text(node.name for node in candidates),
        "master_candidates_ips": _text(node.primary_ip for node in candidates),
        "master_candidates_certs": _text(
            f"{node.uuid}={digest}"
            for node in candidates
            for digest in (node.certificate, node.next_certificate)
            if digest
        ),
        "node_list": _text(node.name for node in nodes),
        "node_uuids": _text(f"{node.uuid} {node.name}" for node in nodes),
        "node_primary_ips": _text(f"{node.name} {node.primary_ip}" for node in nodes),
        "node_secondary_ips": _text(
            f"{node.name} {node.secondary_ip}" for node in nodes
        ),
        "online_nodes": _text(node.name for node in nodes if not node.offline),
        "offline_nodes": _text(node.name for node in nodes if node.offline),
        "nodegroups": _text(
            f"{group.uuid} {group.name}" for group in snapshot.groups.values()
        ),
        "instance_list": _text(snapshot.instance_index.names),
        "primary_ip_family": _text([str(IP_FAMILY[cluster.primary_ip_version])]),
        "hypervisor_list": _text(cluster.enabled_hypervisors),
        "release_version": _text([__version__]),
    }


def ssconf_serial(snapshot: Snapshot) -> int:
    """A number that is greater for whatever comes later.

    A new master's files are newer than all of the last one's, whose revisions may be
    greater if some were lost.
    """
    return (snapshot.cluster.epoch - 1) * _REVISIONS_AN_EPOCH + snapshot.revision


def is_same_ssconf(old: Snapshot, new: Snapshot) -> bool:
    """Whether the files are the same at a glance; if not, they may still be."""
    return (
        old.cluster is new.cluster
        and old.groups is new.groups
        and old.nodes is new.nodes
        and old.instance_index.names is new.instance_index.names
    )


def _text(lines: Iterable[str]) -> str:
    ordered = sorted(lines)
    for line in ordered:
        # A value with a line of its own could name a certificate that is obeyed.
        if not line.isprintable():
            raise Bug(f"{line!r} cannot stand in an ssconf file")
    return "".join(f"{line}\n" for line in ordered)
