"""What is wrong in a group: what its nodes answered against the configuration."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from typing import Literal

from ganetix.config.snapshot import Snapshot
from ganetix.objects import GuestInfo, Instance, Node
from ganetix.objects.base import Value
from ganetix.plan.group import candidates_missing
from ganetix.plan.node import MAX_CLOCK_SKEW_SECONDS
from ganetix.rpc.methods import DiskInfo, NodeVerify

Level = Literal["error", "warning"]
Kind = Literal["cluster", "group", "node", "instance"]

CERTIFICATE_WARNING_SECONDS = 30 * 86400.0

ERROR_CODES: dict[str, str] = {
    "ECLUSTERSTATE": "the state medium of the master cannot be written",
    "ECLUSTERUNFINISHED": "a creation or removal was cut short and left something",
    "EGROUPCANDIDATES": "the group has fewer master candidates than it should have",
    "EGROUPEMPTY": "the default group has no nodes",
    "EINSTANCEDISKMISSING": "a disk of the instance is not on its node",
    "EINSTANCEDOWN": "the instance should run and does not",
    "EINSTANCEUP": "the instance should not run and does",
    "EINSTANCEWRONGNODE": "the instance runs on a node that is not its own",
    "ENODEADDRESS": "an address of the node is on none of its interfaces",
    "ENODECERT": "the node's certificate is not the one on record, or expires",
    "ENODEHOST": "the hypervisor or a storage does not work on the node",
    "ENODEORPHANDISK": "the node has a disk of no instance",
    "ENODEORPHANINSTANCE": "the node runs a guest that is no instance",
    "ENODERPC": "the node does not answer",
    "ENODESECRET": "a secret file of the node can be read by others",
    "ENODESSCONF": "the node's ssconf files are not the master's",
    "ENODETIME": "the node's clock is off the master's",
    "ENODEVERSION": "the node runs another version than the master",
}


class Finding(Value, frozen=True, kw_only=True):
    """One thing that is wrong, with a stable code out of ``ERROR_CODES``."""

    level: Level = "error"
    code: str
    kind: Kind
    name: str
    message: str


class NodeReport(Value, frozen=True, kw_only=True):
    """What one node answered."""

    found: NodeVerify
    guests: tuple[GuestInfo, ...]
    disks: tuple[DiskInfo, ...]


class Expected(Value, frozen=True, kw_only=True):
    """What the master holds true: its version, time, CA, and ssconf files."""

    version: str
    now: float
    ca_fingerprint: str
    ssconf: dict[str, str]


def verify(
    snapshot: Snapshot,
    group_uuid: str,
    expected: Expected,
    reports: Mapping[str, NodeReport],
    failures: Mapping[str, str],
    cut_short: Collection[str],
    moving: Collection[str] = (),
) -> tuple[Finding, ...]:
    """All findings in one group, by node.

    ``reports`` and ``failures`` (why there is no report) are by node UUID; offline
    nodes are in neither. ``cut_short`` are the intents that no job works on any more,
    ``moving`` the instances that jobs changed while the nodes were asked: of them
    nothing can be said.
    """
    findings: list[Finding] = []
    nodes = snapshot.nodes_of(group_uuid)
    if not nodes and group_uuid == snapshot.cluster.default_group:
        name = snapshot.groups[group_uuid].name
        message = "it is the default group and has no nodes"
        findings.append(
            Finding(code="EGROUPEMPTY", kind="group", name=name, message=message)
        )
    if missing := candidates_missing(snapshot, group_uuid):
        group = snapshot.groups[group_uuid]
        message = (
            f"it should have {group.min_candidates} master candidates at least, and"
            f" lacks {missing}"
        )
        findings.append(
            Finding(
                level="warning",
                code="EGROUPCANDIDATES",
                kind="group",
                name=group.name,
                message=message,
            )
        )
    for node in nodes:
        if node.uuid in failures:
            reason = failures[node.uuid]
            findings.append(
                Finding(code="ENODERPC", kind="node", name=node.name, message=reason)
            )
        elif node.uuid in reports:
            report = reports[node.uuid]
            findings += _node_findings(node, expected, report.found)
            findings += _guest_findings(snapshot, node, report, moving)
            findings += _disk_findings(snapshot, node, report, moving)
    members = {node.uuid for node in nodes}
    for uuid, intent in snapshot.intents.items():
        if uuid in cut_short and intent.instance.primary_node in members:
            message = f"its {_noun(intent.action)} was cut short at step {intent.step}"
            findings.append(
                Finding(
                    code="ECLUSTERUNFINISHED",
                    kind="instance",
                    name=intent.instance.name,
                    message=f"{message}; --repair clears what is left",
                )
            )
    return tuple(findings)


def _noun(action: str) -> str:
    nouns = {"create": "creation", "remove": "removal", "migrate": "migration"}
    return nouns.get(action, action)


def _node_findings(
    node: Node, expected: Expected, found: NodeVerify
) -> Iterator[Finding]:
    def finding(code: str, message: str, level: Level = "error") -> Finding:
        return Finding(
            level=level, code=code, kind="node", name=node.name, message=message
        )

    if found.version != expected.version:
        message = f"runs ganetix {found.version}, the master {expected.version}"
        yield finding("ENODEVERSION", message)
    skew = found.time - expected.now
    if abs(skew) > MAX_CLOCK_SKEW_SECONDS:
        yield finding("ENODETIME", f"its clock is {skew:+.0f} s off the master's")
    if found.certificate_fingerprint != node.certificate:
        yield finding("ENODECERT", "its certificate is not the one on record")
    if found.ca_fingerprint != expected.ca_fingerprint:
        yield finding("ENODECERT", "its CA certificate is not the cluster's")
    left = found.certificate_expires - expected.now
    if left <= 0:
        yield finding("ENODECERT", "its certificate has expired")
    elif left < CERTIFICATE_WARNING_SECONDS:
        days = int(left / 86400)
        yield finding("ENODECERT", f"its certificate expires in {days} days", "warning")
    yield from (
        finding("ENODEADDRESS", f"no interface has its address {address}")
        for address in found.missing_addresses
    )
    if wrong := _ssconf_differences(expected.ssconf, found.ssconf):
        yield finding("ENODESSCONF", f"ssconf files differ: {', '.join(wrong)}")
    yield from (finding("ENODEHOST", problem) for problem in found.problems)
    yield from (
        finding("ENODESECRET", f"{path} can be read by others")
        for path in found.loose_secrets
    )


def _ssconf_differences(
    files: Mapping[str, str], digests: Mapping[str, str]
) -> list[str]:
    wanted = {
        name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()
    }
    names = wanted.keys() | digests.keys()
    return sorted(name for name in names if wanted.get(name) != digests.get(name))


def _guest_findings(
    snapshot: Snapshot, node: Node, report: NodeReport, moving: Collection[str]
) -> Iterator[Finding]:
    guests = {g.uuid: g for g in report.guests if g.uuid not in moving}
    for instance in snapshot.instances_on(node.uuid):
        if instance.uuid in moving:
            continue
        state = _state_of(guests.pop(instance.uuid, None))
        if instance.admin_state == "up" and not state.alive and not state.user_down:
            message = f"should run on {node.name} but is {state.text}"
            yield _instance_finding(instance, "EINSTANCEDOWN", message)
        elif instance.admin_state != "up" and state.alive:
            message = f"should be down but is {state.text} on {node.name}"
            yield _instance_finding(instance, "EINSTANCEUP", message)
    for guest in guests.values():
        if guest.uuid in snapshot.intents:
            continue
        elsewhere = snapshot.instances.get(guest.uuid)
        state = _state_of(guest)
        if elsewhere is None:
            yield Finding(
                code="ENODEORPHANINSTANCE",
                kind="node",
                name=node.name,
                message=f"has guest {guest.name} ({guest.uuid}, {state.text}),"
                " which is no instance of this cluster",
            )
        elif state.alive:
            home = snapshot.nodes[elsewhere.primary_node].name
            message = f"is {state.text} on {node.name}, but its node is {home}"
            yield _instance_finding(elsewhere, "EINSTANCEWRONGNODE", message)


class _Seen(Value, frozen=True, kw_only=True):
    alive: bool
    user_down: bool
    text: str


def _state_of(guest: GuestInfo | None) -> _Seen:
    if guest is None:
        return _Seen(alive=False, user_down=False, text="not there")
    alive = guest.state in ("running", "starting", "paused", "unknown")
    user_down = guest.state == "user-down"
    return _Seen(alive=alive, user_down=user_down, text=guest.state)


def _instance_finding(instance: Instance, code: str, message: str) -> Finding:
    return Finding(code=code, kind="instance", name=instance.name, message=message)


def _disk_findings(
    snapshot: Snapshot, node: Node, report: NodeReport, moving: Collection[str]
) -> Iterator[Finding]:
    present = {disk.disk_uuid for disk in report.disks}
    for instance in snapshot.instances_on(node.uuid):
        if instance.uuid in moving:
            continue
        for index, disk in enumerate(instance.disks):
            if disk.uuid not in present:
                message = f"disk {index} ({disk.uuid}) is not on {node.name}"
                yield _instance_finding(instance, "EINSTANCEDISKMISSING", message)
    known = {*snapshot.instances, *snapshot.intents, *moving}
    for stray in report.disks:
        if stray.instance_uuid not in known:
            yield Finding(
                code="ENODEORPHANDISK",
                kind="node",
                name=node.name,
                message=f"has disk {stray.path}, which belongs to no instance",
            )
