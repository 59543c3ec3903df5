"""What tags of clusters, nodes and instances ask of placement.

The cluster's tags name the prefixes: ``htools:iextags:`` of instance tags that no two
instances of one node may share, ``htools:nlocation:`` of node tags for what fails
together, ``htools:desiredlocation:`` of such tags on instances, and
``htools:migration:`` of node tags between which no instance can migrate but as
``htools:allowmigration:FROM::TO`` says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import numpy as np

from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.hardware import NONE, Flags, Floats, Ints
from ganetix.plan.capacity.state import ClusterState

EXCLUSION = "htools:iextags:"
LOCATION = "htools:nlocation:"
DESIRED = "htools:desiredlocation:"
MIGRATION = "htools:migration:"
ALLOWED_MIGRATION = "htools:allowmigration:"

CONFLICT = 2.0
"""The weight of an instance that shares an exclusion tag with another on its node."""


class Tagging:
    """The tags of a state's nodes and guests, as far as placement looks at them.

    All marks in the score are those of online nodes. ``matters`` is false if there is
    nothing to look at.
    """

    def __init__(self, state: ClusterState) -> None:
        hardware = state.hardware
        tags = hardware.cluster.tags
        self._state = state
        self._exclusive = _prefixes(tags, EXCLUSION)
        self._wanted = _prefixes(tags, DESIRED)
        where = _prefixes(tags, LOCATION)
        how = _prefixes(tags, MIGRATION)
        self.locations = [_chosen(node.tags, where) for node in hardware.nodes]
        self._sources = [_chosen(node.tags, how) for node in hardware.nodes]
        allowed = [
            rule.split("::", 1)
            for rule in _values(tags, ALLOWED_MIGRATION)
            if "::" in rule
        ]
        self._accepted = [
            own | {source for source, target in allowed if target in own}
            for own in self._sources
        ]
        self.restricts_migration = any(self._sources)
        self.scores = bool(self._exclusive or self._wanted or any(self.locations))
        self.matters = self.scores or self.restricts_migration

    def exclusive_of(self, guest: Guest) -> frozenset[str]:
        """The tags that a guest's node may not have from any other guest."""
        return _chosen(guest.tags, self._exclusive)

    def can_migrate(self, source: int, target: int) -> bool:
        """Whether instances can migrate from one node to the other."""
        return self._sources[source] <= self._accepted[target]

    def targets(self, source: int, nodes: Ints) -> Flags:
        """``can_migrate`` for many nodes."""
        found = [self.can_migrate(source, node) for node in nodes.tolist()]
        return np.array(found, dtype=np.bool_)

    def tag_conflicts(self, guest: Guest, nodes: Ints) -> dict[int, str]:
        """The nodes that have an exclusion tag of a guest already, and one such tag."""
        own = self.exclusive_of(guest)
        found: dict[int, str] = {}
        if not own:
            return found
        for node in nodes.tolist():
            for number in self._state.primaries[node]:
                shared = own & self.exclusive_of(self._state.guests[number])
                if shared:
                    found[node] = min(shared)
        return found

    def total(self) -> float:
        """What tags add to the score of the state."""
        state = self._state
        conflicts = distant = 0
        spread: Counter[tuple[str, str]] = Counter()
        for node in state.hardware.online.tolist():
            counts: Counter[str] = Counter()
            for number in state.primaries[node]:
                guest = state.guests[number]
                counts.update(self.exclusive_of(guest))
                distant += self._strangeness(guest, node)
            conflicts += counts.total() - len(counts)
            for tag, count in counts.items():
                for place in self.locations[node]:
                    spread[place, tag] += count
        for primary, secondary in state.homes:
            if secondary != NONE:
                distant += self._common(primary, secondary)
        crowded = spread.total() - len(spread)
        return CONFLICT * conflicts + distant + crowded

    def added(self, guest: Guest, primaries: Ints, secondaries: Ints) -> Floats:
        """What a guest that is nowhere now would add, with these nodes.

        The arguments are broadcast against each other.
        """
        rows, row = np.unique(primaries, return_inverse=True)
        columns, column = np.unique(secondaries, return_inverse=True)
        alone = self._added_by_primary(guest, rows)
        common = np.array(
            [[self._common(one, other) for other in columns] for one in rows],
            dtype=np.float64,
        ).reshape(len(rows), len(columns))
        row, column = row.reshape(primaries.shape), column.reshape(secondaries.shape)
        found: Floats = alone[row] + common[row, column]
        return found

    def _added_by_primary(self, guest: Guest, nodes: Ints) -> Floats:
        state = self._state
        own = self.exclusive_of(guest)
        taken: set[tuple[str, str]] = set()
        on_node: dict[int, set[str]] = {}
        for node in state.hardware.online.tolist() if own else ():
            shared = on_node[node] = {
                tag
                for number in state.primaries[node]
                for tag in own & self.exclusive_of(state.guests[number])
            }
            taken |= {(place, tag) for place in self.locations[node] for tag in shared}
        found = []
        for node in nodes.tolist():
            crowded = sum(
                (place, tag) in taken for place in self.locations[node] for tag in own
            )
            conflicts = len(on_node.get(node, ()))
            found.append(
                CONFLICT * conflicts + crowded + self._strangeness(guest, node)
            )
        return np.array(found, dtype=np.float64)

    def _strangeness(self, guest: Guest, node: int) -> int:
        """How many of the places that a guest wants its node is not in."""
        if not self._wanted:
            return 0
        return len(_chosen(guest.tags, self._wanted) - self.locations[node])

    def _common(self, primary: int, secondary: int) -> int:
        """How many failures would hit both nodes."""
        if NONE in (primary, secondary):
            return 0
        return len(self.locations[primary] & self.locations[secondary])


def _values(tags: Iterable[str], prefix: str) -> list[str]:
    return [tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)]


def _prefixes(tags: Iterable[str], kind: str) -> tuple[str, ...]:
    return tuple(f"{value}:" for value in _values(tags, kind))


def _chosen(tags: Collection[str], prefixes: tuple[str, ...]) -> frozenset[str]:
    if not prefixes:
        return frozenset()
    return frozenset(tag for tag in tags if tag.startswith(prefixes))
