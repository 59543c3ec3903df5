"""What is wrong with a node, by its own word and the configuration. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence

from ganetix.config.snapshot import Snapshot
from ganetix.netutils import address
from ganetix.objects import Node
from ganetix.objects.base import Value
from ganetix.objects.finding import Finding, FindingLevel
from ganetix.objects.instance import MOVABLE_TEMPLATES
from ganetix.objects.node_calls import DiskSpace, NodeInfo, NodeVerify
from ganetix.objects.words import some
from ganetix.plan.crypto import Trust
from ganetix.plan.node import MAX_CLOCK_SKEW_SECONDS
from ganetix.plan.params import backend_params, node_params
from ganetix.plan.place import NodeState, free_mib
from ganetix.plan.spare_memory import Guest, Room, stranded
from ganetix.plan.verify_cluster import expiry_problem

LOW_DISK_SHARE = 0.05
"""A storage with less free than this share of it is nearly full …"""
LOW_DISK_MIB = 1024
"""… and so is one with less free than this."""


class Expected(Value, frozen=True, kw_only=True):
    """What the master holds true.

    ``trust`` is in CAs, by fingerprint; ``ca_expires`` is when the one that signs ends,
    ``ssconf`` has the files' texts, ``secrets`` is a digest of what candidates keep.
    """

    version: str
    now: float
    trust: Trust
    ca_expires: float
    ssconf: dict[str, str]
    secrets: str = ""


def node_finding(
    node: Node, code: str, message: str, level: FindingLevel = "error"
) -> Finding:
    """A finding about a node."""
    return Finding(level=level, code=code, kind="node", name=node.name, message=message)


def ssconf_digests(files: Mapping[str, str]) -> dict[str, str]:
    """SHA-256 of each file, as nodes tell it."""
    return {
        name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()
    }


def role_findings(snapshot: Snapshot, node: Node) -> Iterator[Finding]:
    """Flags of a node that do not go together."""
    cluster = snapshot.cluster
    away = [word for word in ("offline", "drained") if getattr(node, word)]
    if node.uuid == cluster.master_node:
        bad = [*away, *([] if node.master_capable else ["not master capable"])]
        if bad:
            yield node_finding(
                node, "ENODEROLE", f"it is the master and {' and '.join(bad)}"
            )
        return
    if node.master_candidate:
        bad = [*away, *([] if node.master_capable else ["not master capable"])]
        if bad:
            yield node_finding(
                node, "ENODEROLE", f"it is a master candidate and {' and '.join(bad)}"
            )
    if len(away) == 2:
        yield node_finding(
            node, "ENODEROLE", "it is both offline and drained", "warning"
        )


def address_findings(
    snapshot: Snapshot, node: Node, resolved: Sequence[str]
) -> Iterator[Finding]:
    """What the configuration and the resolver say of a node's addresses."""
    version = snapshot.cluster.primary_ip_version
    if address.family(node.primary_ip) != version:
        yield node_finding(
            node,
            "ENODEADDRESS",
            f"its primary address {node.primary_ip} is not IPv{version}",
        )
    if resolved and not {node.primary_ip, node.secondary_ip} & {*resolved}:
        yield node_finding(
            node,
            "ENODENAME",
            f"its name resolves to {some(resolved)}, its addresses are"
            f" {some({node.primary_ip, node.secondary_ip})}",
            "warning",
        )


def node_findings(
    node: Node, expected: Expected, ssconf: Mapping[str, str], found: NodeVerify
) -> Iterator[Finding]:
    """What a node says of itself.

    :param ssconf: the digests that its files should have
    """
    if found.version != expected.version:
        message = f"runs ganetix {found.version}, the master {expected.version}"
        yield node_finding(node, "ENODEVERSION", message)
    skew = found.time - expected.now
    if abs(skew) > MAX_CLOCK_SKEW_SECONDS:
        message = f"its clock is {skew:+.0f} s off the master's"
        yield node_finding(node, "ENODETIME", message)
    yield from _certificate_findings(node, expected, found)
    for missing in found.missing_addresses:
        is_own = missing in (node.primary_ip, node.secondary_ip)
        whose = "its address" if is_own else "the master's address"
        message = f"no interface has {whose} {missing}"
        yield node_finding(node, "ENODEADDRESS", message)
    names = ssconf.keys() | found.ssconf.keys()
    if wrong := sorted(n for n in names if ssconf.get(n) != found.ssconf.get(n)):
        message = f"ssconf files differ: {', '.join(wrong)}"
        yield node_finding(node, "ENODESSCONF", message)
    for problem in found.problems:
        yield node_finding(node, "ENODEHOST", problem)
    for path in found.loose_secrets:
        yield node_finding(node, "ENODESECRET", f"{path} can be read by others")
    if found.master_files and not node.master_candidate:
        message = (
            f"it is no master candidate and still has {some(found.master_files)}:"
            f" 'gnt-node modify --master-candidate yes {node.name}', and then no,"
            " removes that"
        )
        yield node_finding(node, "ENODESECRET", message)
    if found.info is not None:
        for space in found.info.disk_space:
            if _is_low(space):
                message = (
                    f"{space.free_mib} of {space.total_mib} MiB are free for disks of"
                    f" template {space.template}"
                )
                yield node_finding(node, "ENODEDISK", message, "warning")


def reach_findings(
    nodes: Sequence[Node], reports: Mapping[str, NodeVerify]
) -> Iterator[Finding]:
    """Addresses that did not answer others of the group; ``nodes`` are the group's."""
    by_address = {
        ip: node for node in nodes for ip in (node.secondary_ip, node.primary_ip)
    }
    silent: dict[str, list[str]] = {}
    for asker in nodes:
        report = reports.get(asker.uuid)
        for ip in report.silent_addresses if report else ():
            silent.setdefault(ip, []).append(asker.name)
    for ip, names in silent.items():
        if ip in by_address:
            message = f"its address {ip} does not answer {some(names)}"
            yield node_finding(by_address[ip], "ENODEREACH", message)


def memory_findings(
    snapshot: Snapshot, nodes: Sequence[Node], reports: Mapping[str, NodeVerify]
) -> Iterator[Finding]:
    """Nodes with too much promised, and those that may not fail."""
    by_name = {node.name: node for node in nodes}
    rooms = [
        _room(snapshot, node, report.info)
        for node in nodes
        if (report := reports.get(node.uuid)) is not None and report.info is not None
    ]
    for room in rooms:
        if room.is_overcommitted:
            yield node_finding(
                by_name[room.name],
                "ENODEMEMORY",
                f"its instances may use {room.promised_mib} MiB; it has"
                f" {room.total_mib - room.reserved_mib} MiB for them",
            )
    for fate in stranded(rooms):
        mib = sum(guest.memory_mib for guest in fate.guests)
        yield node_finding(
            by_name[fate.node_name],
            "ENODEN1",
            f"if it fails, other nodes lack the memory for"
            f" {some(guest.name for guest in fate.guests)} ({mib} MiB)",
        )


def _certificate_findings(
    node: Node, expected: Expected, found: NodeVerify
) -> Iterator[Finding]:
    if found.certificate_fingerprint not in (node.certificate, node.next_certificate):
        yield node_finding(
            node, "ENODECERT", "its certificate is not the one on record"
        )
    elif node.next_certificate:
        yield node_finding(
            node,
            "ENODECERT",
            "the renewal of its certificate was cut short: 'gnt-cluster renew-crypto"
            f" --new-node-certificates --node {node.name}' does it again",
            "warning",
        )
    if expected.trust.required - {*found.authorities}:
        yield node_finding(node, "ENODECERT", "it does not trust the cluster's CA")
    if {*found.authorities} - expected.trust.allowed:
        yield node_finding(
            node, "ENODECERT", "it trusts a CA that is not the cluster's"
        )
    if problem := expiry_problem(found.certificate_expires - expected.now):
        text, level = problem
        yield node_finding(node, "ENODECERT", f"its certificate {text}", level)


def _is_low(space: DiskSpace) -> bool:
    if not space.total_mib:
        return False
    share = space.free_mib / space.total_mib
    return share < LOW_DISK_SHARE or space.free_mib < LOW_DISK_MIB


def _room(snapshot: Snapshot, node: Node, info: NodeInfo) -> Room:
    up = [i for i in snapshot.instances_on(node.uuid) if i.admin_state == "up"]
    guests = {
        i.uuid: Guest(name=i.name, memory_mib=backend_params(i, snapshot).memory_mib)
        for i in up
    }
    running = {g.uuid: g.memory_mib for g in info.guests if g.is_up}
    state = NodeState(
        memory_total_mib=info.memory_total_mib,
        memory_free_mib=info.memory_free_mib,
        disk_free_mib=None,
        running=running,
    )
    reserved = node_params(node, snapshot).reserved_memory_mib
    promised = sum(guest.memory_mib for guest in guests.values())
    unreserved = info.memory_total_mib - reserved - promised
    return Room(
        uuid=node.uuid,
        name=node.name,
        total_mib=info.memory_total_mib,
        reserved_mib=reserved,
        free_mib=min(unreserved, free_mib(snapshot, node.uuid, state)),
        guests=tuple(guests.values()),
        movable=tuple(
            guests[i.uuid] for i in up if i.disk_template in MOVABLE_TEMPLATES
        ),
        is_open=_takes_guests(node),
    )


def _takes_guests(node: Node) -> bool:
    return node.vm_capable and not node.drained and not node.offline


def neighbours(nodes: Sequence[Node], node: Node, count: int) -> Collection[Node]:
    """The next nodes in the ring by name, without the node itself."""
    ring = sorted(nodes, key=lambda each: each.name)
    at = ring.index(node)
    following = (*ring[at + 1 :], *ring[:at])
    return following[:count]
