"""Ready-made configurations for tests: small clusters as values."""

from __future__ import annotations

import uuid
from types import MappingProxyType

from msgspec.structs import replace

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.objects import (
    Cluster,
    Disk,
    Instance,
    JoinToken,
    Nic,
    Node,
    NodeGroup,
)
from ganetix.objects.intent import InstanceIntent


def uuid_of(name: str) -> str:
    """A UUID that is the same for the same name."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def make_node(name: str, group: str = "default", last: int = 11) -> Node:
    """A node at 127.0.0.``last``."""
    return Node(
        uuid=uuid_of(name),
        name=name,
        group=uuid_of(group),
        primary_ip=f"127.0.0.{last}",
        secondary_ip=f"127.0.0.{last}",
        certificate=uuid_of(name).replace("-", "") * 2,
    )


def make_instance(name: str, node: str, memory_mib: int = 128) -> Instance:
    """An instance with one disk of 1 GiB and one NIC, down."""
    number = uuid_of(name)[:6]
    mac = ":".join(["aa:00:00", number[:2], number[2:4], number[4:6]])
    return Instance(
        uuid=uuid_of(name),
        name=name,
        primary_node=uuid_of(node),
        os="noop",
        hypervisor="fake",
        disk_template="file",
        beparams={"memory_mib": memory_mib},
        disks=(Disk(uuid=uuid_of(name + "/disk0"), size_mib=1024),),
        nics=(Nic(uuid=uuid_of(name + "/nic0"), mac=mac),),
    )


def make_snapshot(
    *nodes: Node,
    instances: tuple[Instance, ...] = (),
    groups: tuple[str, ...] = ("default",),
    tokens: tuple[JoinToken, ...] = (),
    intents: tuple[InstanceIntent, ...] = (),
    primary_ip_version: int = 4,
) -> Snapshot:
    """A cluster with these objects; the first node, or ``node1``, is its master."""
    members = nodes or (make_node("node1"),)
    return Snapshot(
        revision=1,
        cluster=Cluster(
            uuid=uuid_of("cluster"),
            name="test.example",
            primary_ip_version=6 if primary_ip_version == 6 else 4,
            master_node=members[0].uuid,
            default_group=uuid_of(groups[0]),
            enabled_hypervisors=("fake",),
        ),
        groups=MappingProxyType(
            {uuid_of(g): NodeGroup(uuid=uuid_of(g), name=g) for g in groups}
        ),
        nodes=MappingProxyType({node.uuid: node for node in members}),
        instances=MappingProxyType({i.uuid: i for i in instances}),
        tokens=MappingProxyType({t.node.uuid: t for t in tokens}),
        intents=MappingProxyType({i.instance.uuid: i for i in intents}),
    )


def apply(snapshot: Snapshot, edits: Edits) -> Snapshot:
    """The configuration after a change, without any check."""
    groups, nodes = dict(snapshot.groups), dict(snapshot.nodes)
    instances, cluster = dict(snapshot.instances), snapshot.cluster
    for new in edits.put:
        if isinstance(new, NodeGroup):
            groups[new.uuid] = new
        elif isinstance(new, Node):
            nodes[new.uuid] = new
        elif isinstance(new, Instance):
            instances[new.uuid] = new
        elif isinstance(new, Cluster):
            cluster = new
    for old in edits.delete:
        for kind in (groups, nodes, instances):
            kind.pop(old.uuid, None)
    tokens = {u: t for u, t in snapshot.tokens.items() if u not in edits.delete_tokens}
    tokens |= {token.node.uuid: token for token in edits.put_tokens}
    intents = {
        u: i for u, i in snapshot.intents.items() if u not in edits.delete_intents
    }
    intents |= {intent.instance.uuid: intent for intent in edits.put_intents}
    return replace(
        snapshot,
        revision=snapshot.revision + 1,
        cluster=cluster,
        groups=MappingProxyType(groups),
        nodes=MappingProxyType(nodes),
        instances=MappingProxyType(instances),
        tokens=MappingProxyType(tokens),
        intents=MappingProxyType(intents),
    )
