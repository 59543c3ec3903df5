"""Which locks there are: those of the objects in the configuration."""

from __future__ import annotations

from ganetix.config.snapshot import Snapshot
from ganetix.jobs.ports import Config
from ganetix.locking import Level, LockManager


def lock_names(snapshot: Snapshot) -> dict[Level, frozenset[str]]:
    """The names by level: instances by name, groups and nodes by UUID."""
    nodes = frozenset(snapshot.nodes)
    return {
        "instance": frozenset(i.name for i in snapshot.instances.values()),
        "group": frozenset(snapshot.groups),
        "node": nodes,
        "node_resource": nodes,
    }


def shown_name(snapshot: Snapshot, name: str) -> str:
    """A lock's name as ``LEVEL/NAME``, with names in place of UUIDs."""
    level, slash, inner = name.partition("/")
    named = snapshot.nodes.get(inner) or snapshot.groups.get(inner)
    return name if named is None else f"{level}{slash}{named.name}"


def follow(config: Config, locks: LockManager) -> None:
    """Let the locks be those of the configuration, now and after each change."""

    def changed(old: Snapshot, new: Snapshot) -> None:
        if (
            old.instances is new.instances
            and old.groups is new.groups
            and old.nodes is new.nodes
        ):
            return
        before, after = lock_names(old), lock_names(new)
        for level, names in after.items():
            locks.keep(level, names - before[level])
            locks.drop(level, before[level] - names)

    for level, names in lock_names(config.snapshot()).items():
        locks.keep(level, names)
    config.on_change(changed)
