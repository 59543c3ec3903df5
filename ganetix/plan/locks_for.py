"""Which locks each opcode takes, decided from the opcode and the configuration.

Instances are locked by name, so that a name can be claimed before it exists; groups
and nodes by UUID.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ganetix import opcodes as ops
from ganetix.config.snapshot import Snapshot
from ganetix.errors import Bug
from ganetix.objects.base import ConfigObject
from ganetix.plan.evacuation import groups_of
from ganetix.plan.lock_plan import LevelLocks, LockPlan, Mode
from ganetix.plan.node import withdrawn
from ganetix.plan.remote import targets
from ganetix.plan.tags import tagged


def locks_for(op: ops.Opcode, snapshot: Snapshot) -> LockPlan:
    """The locks of an opcode; ``NotFound`` if it names what is not there."""
    try:
        rule = _RULES[type(op)]
    except KeyError as error:
        raise Bug(f"no lock rule for {type(op).__name__}") from error
    return rule(op, snapshot)


def _names(mode: Mode, *names: str) -> LevelLocks:
    return LevelLocks(names=dict.fromkeys(names, mode))


def _cluster_exclusive(_op: ops.Opcode, _snapshot: Snapshot) -> LockPlan:
    return {"cluster": _names("exclusive", "cluster")}


def _cluster_shared(_op: ops.Opcode, _snapshot: Snapshot) -> LockPlan:
    return {"cluster": _names("shared", "cluster")}


def _create(op: ops.OpInstanceCreate, snapshot: Snapshot) -> LockPlan:
    """A node that is only chosen later is locked then."""
    locks: LockPlan = {"instance": LevelLocks(creates=frozenset({op.name}))}
    if op.node is None:
        return {**locks, "group": _names("shared", snapshot.group(op.group).uuid)}
    node = snapshot.node(op.node)
    return {
        **locks,
        "group": _names("shared", node.group),
        "node": _names("shared", node.uuid),
    }


def _instance(
    op: (
        ops.OpInstanceRemove
        | ops.OpInstanceStartup
        | ops.OpInstanceShutdown
        | ops.OpInstanceReboot
    ),
    snapshot: Snapshot,
) -> LockPlan:
    instance = snapshot.instance(op.name)
    return {
        "instance": _names("exclusive", instance.name),
        "node": _names("shared", instance.primary_node),
    }


def _move(
    op: ops.OpInstanceFailover | ops.OpInstanceMigrate, snapshot: Snapshot
) -> LockPlan:
    """Nodes are locked later if one is yet to be chosen: all at once, in order."""
    instance = snapshot.instance(op.name)
    home = snapshot.nodes[instance.primary_node]
    target_group = snapshot.group(op.group or home.group).uuid
    locks: LockPlan = {
        "instance": _names("exclusive", instance.name),
        "group": _names("shared", home.group, target_group),
    }
    if op.node is None:
        return locks
    return {**locks, "node": _names("shared", home.uuid, snapshot.node(op.node).uuid)}


def _cleanup(op: ops.OpInstanceCleanup, _snapshot: Snapshot) -> LockPlan:
    return {"instance": LevelLocks(creates=frozenset({op.name}))}


def _group_of_new_node(op: ops.OpNodeAdd, snapshot: Snapshot) -> LockPlan:
    if op.readd:
        return {"group": _names("shared", snapshot.node(op.name).group)}
    return {"group": _names("shared", snapshot.group(op.group).uuid)}


def _enrol(op: ops.OpNodeEnrol, snapshot: Snapshot) -> LockPlan:
    token = snapshot.tokens.get(op.node_uuid)
    locks: LockPlan = {"node": LevelLocks(creates=frozenset({op.node_uuid}))}
    if token is not None and token.node.group in snapshot.groups:
        locks["group"] = _names("shared", token.node.group)
    return locks


def _remove_node(op: ops.OpNodeRemove, snapshot: Snapshot) -> LockPlan:
    if token := withdrawn(op, snapshot):
        return {"group": _names("shared", token.node.group)}
    node = snapshot.node(op.name)
    return {
        "group": _names("exclusive", node.group),
        "node": _names("exclusive", node.uuid),
    }


def _modify_node(op: ops.OpNodeModify, snapshot: Snapshot) -> LockPlan:
    node = snapshot.node(op.name)
    groups = _names("shared", node.group)
    if op.group is not None:
        groups = _names("exclusive", node.group, snapshot.group(op.group).uuid)
    return {"group": groups, "node": _names("exclusive", node.uuid)}


def _node(op: ops.OpNodePowercycle, snapshot: Snapshot) -> LockPlan:
    return {"node": _names("exclusive", snapshot.node(op.name).uuid)}


def _verify(op: ops.OpClusterVerify, snapshot: Snapshot) -> LockPlan:
    group = snapshot.group(op.group)
    nodes = snapshot.nodes_of(group.uuid)
    instances = (i for node in nodes for i in snapshot.instances_on(node.uuid))
    return {
        "instance": _names("shared", *(instance.name for instance in instances)),
        "group": _names("shared", group.uuid),
        "node": _names("shared", *(node.uuid for node in nodes)),
    }


def _group(
    op: ops.OpGroupModify | ops.OpGroupRemove | ops.OpGroupRename, snapshot: Snapshot
) -> LockPlan:
    return {"group": _names("exclusive", snapshot.group(op.name).uuid)}


def _assign_nodes(op: ops.OpGroupAssignNodes, snapshot: Snapshot) -> LockPlan:
    """The groups that lose nodes to themselves: nothing is placed there meanwhile."""
    target = snapshot.group(op.name).uuid
    nodes = [snapshot.node(name) for name in op.nodes]
    losing = _names("exclusive", *(node.group for node in nodes)).names
    return {
        "group": LevelLocks(names={target: "shared", **losing}),
        "node": _names("exclusive", *(node.uuid for node in nodes)),
    }


def _tags(op: ops.OpTagsAdd | ops.OpTagsRemove, snapshot: Snapshot) -> LockPlan:
    found = tagged(snapshot, op.kind, op.name)
    match op.kind:
        case "cluster":
            return {"cluster": _names("exclusive", "cluster")}
        case "instance":
            return {"instance": _names("exclusive", found.name)}
        case "group" | "node":
            return {op.kind: _names("exclusive", found.uuid)}


def _targets(
    op: ops.OpNodesCommand | ops.OpNodesCopyFile, snapshot: Snapshot
) -> LockPlan:
    return {"node": _names("shared", *(node.uuid for node in targets(op, snapshot)))}


def _groups(
    op: ops.OpClusterBalance | ops.OpClusterExport | ops.OpComputeCapacity,
    snapshot: Snapshot,
) -> LockPlan:
    named = [snapshot.group(name).uuid for name in op.groups]
    return {"group": _names("shared", *(named or snapshot.groups))}


def _evacuation(op: ops.OpEvacuationPlan, snapshot: Snapshot) -> LockPlan:
    return {"group": _names("shared", *groups_of(op, snapshot))}


def _delay(op: ops.OpTestDelay, snapshot: Snapshot) -> LockPlan:
    if not op.on_nodes and not op.locks:
        return {}
    asked = op.locks
    nodes = asked.get("node", {}) | dict.fromkeys(op.on_nodes, "exclusive")
    instances = asked.get("instance", {})
    claimed = frozenset(n for n, mode in instances.items() if mode == "exclusive")
    plan: LockPlan = {
        "instance": LevelLocks(
            names={
                snapshot.instance(name).name: mode
                for name, mode in instances.items()
                if name not in claimed
            },
            creates=claimed,
        ),
        "group": _uuids(snapshot.group, asked.get("group", {})),
        "node": _uuids(snapshot.node, nodes),
        "node_resource": _uuids(snapshot.node, asked.get("node_resource", {})),
    }
    return {lv: locks for lv, locks in plan.items() if locks.names or locks.creates}


def _uuids(
    find: Callable[[str], ConfigObject], modes: Mapping[str, Mode]
) -> LevelLocks:
    return LevelLocks(names={find(name).uuid: mode for name, mode in modes.items()})


_RULES: dict[type[ops.Opcode], Callable[..., LockPlan]] = {
    ops.OpClusterDestroy: _cluster_exclusive,
    ops.OpClusterModify: _cluster_exclusive,
    ops.OpClusterRedistribute: _cluster_shared,
    ops.OpClusterRename: _cluster_exclusive,
    ops.OpClusterRenewCrypto: _cluster_exclusive,
    ops.OpClusterVerify: _verify,
    ops.OpClusterBalance: _groups,
    ops.OpClusterExport: _groups,
    ops.OpComputeCapacity: _groups,
    ops.OpEvacuationPlan: _evacuation,
    ops.OpGroupAdd: _cluster_shared,
    ops.OpGroupAssignNodes: _assign_nodes,
    ops.OpGroupModify: _group,
    ops.OpGroupRemove: _group,
    ops.OpGroupRename: _group,
    ops.OpInstanceCleanup: _cleanup,
    ops.OpInstanceCreate: _create,
    ops.OpInstanceFailover: _move,
    ops.OpInstanceMigrate: _move,
    ops.OpInstanceReboot: _instance,
    ops.OpInstanceRemove: _instance,
    ops.OpInstanceShutdown: _instance,
    ops.OpInstanceStartup: _instance,
    ops.OpNodeAdd: _group_of_new_node,
    ops.OpNodeEnrol: _enrol,
    ops.OpNodeModify: _modify_node,
    ops.OpNodePowercycle: _node,
    ops.OpNodeRemove: _remove_node,
    ops.OpTagsAdd: _tags,
    ops.OpTagsRemove: _tags,
    ops.OpNodesCommand: _targets,
    ops.OpNodesCopyFile: _targets,
    ops.OpTestDelay: _delay,
}
