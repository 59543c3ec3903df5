"""Which nodes a command or a file goes to."""

from __future__ import annotations

from ganetix.config.snapshot import Snapshot
from ganetix.errors import NotAllowed, WrongState
from ganetix.objects import Node
from ganetix.opcodes.remote import OpNodesCommand, OpNodesCopyFile


def targets(
    op: OpNodesCommand | OpNodesCopyFile, snapshot: Snapshot
) -> tuple[Node, ...]:
    """The nodes by name; a copied file's source is none of them.

    ``NotAllowed`` if the cluster forbids it, ``WrongState`` for a node that is offline
    and was named, ``NotFound`` for one that is not there.
    """
    if not snapshot.cluster.remote_commands:
        raise NotAllowed(
            "commands and files to nodes are turned off in this cluster"
            " (gnt-cluster modify --remote-commands yes)"
        )
    if op.nodes:
        named = {node.uuid: node for node in map(snapshot.node, op.nodes)}
        for node in named.values():
            if node.offline:
                raise WrongState(f"node {node.name} is offline")
        found = tuple(named.values())
    elif op.group is not None:
        found = snapshot.nodes_of(snapshot.group(op.group).uuid)
    else:
        found = tuple(snapshot.nodes.values())
    master = snapshot.cluster.master_node if isinstance(op, OpNodesCopyFile) else None
    wanted = (node for node in found if not node.offline and node.uuid != master)
    return tuple(sorted(wanted, key=lambda node: node.name))


def left_out(
    op: OpNodesCommand | OpNodesCopyFile, snapshot: Snapshot
) -> tuple[str, ...]:
    """Names of offline nodes that would have been meant."""
    if op.nodes:
        return ()
    group = None if op.group is None else snapshot.group(op.group).uuid
    return tuple(
        sorted(
            node.name
            for node in snapshot.nodes.values()
            if node.offline and group in (None, node.group)
        )
    )
