"""What is wrong in a group: what its nodes answered against the configuration."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec.structs import replace

from ganetix.config.snapshot import Snapshot
from ganetix.objects import Node
from ganetix.objects.base import Value
from ganetix.objects.finding import Finding
from ganetix.objects.node_calls import (
    Neighbour,
    NodeVerify,
    StateRequest,
    VerifyRequest,
)
from ganetix.objects.replica_calls import ReplicaStatus
from ganetix.plan.crypto import renewal_findings
from ganetix.plan.verify_cluster import (
    cluster_findings,
    group_findings,
    replica_findings,
)
from ganetix.plan.verify_instance import (
    disk_findings,
    guest_findings,
    os_findings,
    parameter_findings,
    placed_on,
    placement_findings,
    split_findings,
)
from ganetix.plan.verify_node import (
    Expected,
    address_findings,
    memory_findings,
    node_finding,
    node_findings,
    reach_findings,
    role_findings,
    ssconf_digests,
)

NEIGHBOURS = 3
"""How many nodes of its group each one tries to reach."""


class Heard(Value, frozen=True, kw_only=True):
    """What came back of all questions about one group; by node UUID.

    ``failures`` say why there is no report, ``other_versions`` so of nodes that speak
    another node RPC than the master; offline nodes are in none of them. ``replicas``
    are those of the group's candidates, or why they cannot be told. ``resolved`` are
    the addresses of names that could be resolved. ``cut_short`` are the intents that no
    job works on any more, ``moving`` the instances that jobs changed while the nodes
    were asked: of them nothing can be said.
    """

    reports: dict[str, NodeVerify] = {}
    failures: dict[str, str] = {}
    other_versions: dict[str, str] = {}
    replicas: dict[str, ReplicaStatus | str] = {}
    resolved: dict[str, tuple[str, ...]] = {}
    cut_short: frozenset[str] = frozenset()
    moving: frozenset[str] = frozenset()


def question(snapshot: Snapshot, node: Node, ring: Iterable[Node]) -> VerifyRequest:
    """What to ask a node; ``ring`` are those that it should reach."""
    cluster = snapshot.cluster
    instances = snapshot.instances_on(node.uuid)
    used = {instance.hypervisor for instance in instances}
    own = {node.primary_ip, node.secondary_ip}
    if node.uuid == cluster.master_node and cluster.master_ip:
        own.add(cluster.master_ip)
    return VerifyRequest(
        hypervisors=cluster.enabled_hypervisors,
        disk_templates=cluster.enabled_disk_templates,
        addresses=tuple(sorted(own)),
        neighbours=tuple(
            Neighbour(address=ip, port=other.port)
            for other in ring
            for ip in dict.fromkeys((other.primary_ip, other.secondary_ip))
        ),
        state=StateRequest(
            hypervisors=tuple(sorted({*cluster.enabled_hypervisors, *used})),
            disk_templates=cluster.enabled_disk_templates,
            os_names=any(instance.os for instance in instances),
        ),
    )


def verify(
    snapshot: Snapshot,
    group_uuid: str,
    expected: Expected,
    heard: Heard,
    ignored: Collection[str] = (),
) -> tuple[Finding, ...]:
    """All findings in one group, and about the cluster; by node.

    Errors of ``ignored`` codes become warnings.
    """
    nodes = snapshot.nodes_of(group_uuid)
    findings = [
        *cluster_findings(snapshot, expected.now, expected.ca_expires),
        *renewal_findings(snapshot.cluster),
        *group_findings(snapshot, group_uuid),
        *_of_nodes(snapshot, nodes, expected, heard),
        *reach_findings(nodes, heard.reports),
        *memory_findings(snapshot, nodes, heard.reports),
        *split_findings(
            placed_on(snapshot, nodes),
            snapshot.nodes,
            {uuid: group.name for uuid, group in snapshot.groups.items()},
        ),
        *replica_findings(snapshot, heard.replicas, expected.secrets),
        *_unfinished(snapshot, {node.uuid for node in nodes}, heard.cut_short),
    ]
    return tuple(
        replace(each, level="warning") if each.code in ignored else each
        for each in findings
    )


def _of_nodes(
    snapshot: Snapshot, nodes: Iterable[Node], expected: Expected, heard: Heard
) -> Iterator[Finding]:
    digests = ssconf_digests(expected.ssconf)
    for node in nodes:
        yield from role_findings(snapshot, node)
        resolved = heard.resolved.get(node.uuid, ())
        yield from address_findings(snapshot, node, resolved)
        yield from placement_findings(snapshot, node)
        yield from parameter_findings(snapshot, node)
        if node.uuid in heard.failures:
            yield node_finding(node, "ENODERPC", heard.failures[node.uuid])
        if node.uuid in heard.other_versions:
            yield node_finding(node, "ENODEVERSION", heard.other_versions[node.uuid])
        report = heard.reports.get(node.uuid)
        if report is None:
            continue
        yield from node_findings(node, expected, digests, report)
        if report.info is not None:
            guests = report.info.guests
            yield from guest_findings(snapshot, node, guests, heard.moving)
        yield from disk_findings(snapshot, node, report, heard.moving)
        yield from os_findings(snapshot, node, report)


def _unfinished(
    snapshot: Snapshot, members: Collection[str], cut_short: Collection[str]
) -> Iterator[Finding]:
    for uuid, intent in snapshot.intents.items():
        if uuid in cut_short and intent.instance.primary_node in members:
            message = f"its {_noun(intent.action)} was cut short at step {intent.step}"
            yield Finding(
                code="ECLUSTERUNFINISHED",
                kind="instance",
                name=intent.instance.name,
                message=f"{message}; --repair clears what is left",
            )


def _noun(action: str) -> str:
    nouns: Mapping[str, str] = {
        "create": "creation",
        "remove": "removal",
        "migrate": "migration",
    }
    return nouns.get(action, action)
