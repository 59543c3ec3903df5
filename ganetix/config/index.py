"""Indexes over the objects of one kind: by name, and by where they belong."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Generic, TypeVar

from ganetix.errors import AlreadyExists
from ganetix.objects import ConfigObject
from ganetix.objects.base import Value

O = TypeVar("O", bound=ConfigObject)  # noqa: E741
V = TypeVar("V")
Place = Callable[[O], str]
Entry = tuple[str, str]


class Index(Value, Generic[O], frozen=True, kw_only=True):
    """Where the objects of one kind are; a change makes a new one from the old.

    ``names`` maps names to UUIDs and is the same object as before if a change left all
    names alone; ``places`` maps the UUID of a group (for nodes) or of a node (for
    instances) to ``(name, uuid)`` of what belongs there, by name.
    """

    kind: str
    place: Place[O]
    names: Mapping[str, str]
    places: Mapping[str, tuple[Entry, ...]]

    @classmethod
    def of(cls, kind: str, place: Place[O], objects: Iterable[O]) -> Index[O]:
        """The index of these objects; of two with one name the first counts."""
        names: dict[str, str] = {}
        places: defaultdict[str, list[Entry]] = defaultdict(list)
        for each in sorted(objects, key=attrgetter("name")):
            names.setdefault(each.name, each.uuid)
            places[place(each)].append((each.name, each.uuid))
        return cls(
            kind=kind,
            place=place,
            names=MappingProxyType(names),
            places=MappingProxyType({key: tuple(at) for key, at in places.items()}),
        )

    def at(self, place_uuid: str) -> Iterable[str]:
        """UUIDs of what belongs there, by name."""
        return (uuid for _, uuid in self.places.get(place_uuid, ()))

    def moved(self, gone: Iterable[O], come: Iterable[O]) -> Index[O]:
        """The index after these objects went and those came.

        An object that changes both goes and comes. Fails with ``AlreadyExists`` if a
        name would be taken twice.
        """
        leaves = {(self.place(each), each.name, each.uuid) for each in gone}
        enters = {(self.place(each), each.name, each.uuid) for each in come}
        if leaves == enters:
            return self
        return Index(
            kind=self.kind,
            place=self.place,
            names=self._names(leaves - enters, enters - leaves),
            places=self._places(leaves - enters, enters - leaves),
        )

    def _names(
        self, leaves: set[tuple[str, str, str]], enters: set[tuple[str, str, str]]
    ) -> Mapping[str, str]:
        if {each[1:] for each in leaves} == {each[1:] for each in enters}:
            return self.names
        names = copied(self.names)
        for _, name, _ in leaves:
            names.pop(name, None)
        for _, name, uuid in enters:
            if names.setdefault(name, uuid) != uuid:
                message = f"there is already {_a(self.kind)} named {name!r}"
                raise AlreadyExists(message, **{self.kind: name})
        return MappingProxyType(names)

    def _places(
        self, leaves: set[tuple[str, str, str]], enters: set[tuple[str, str, str]]
    ) -> Mapping[str, tuple[Entry, ...]]:
        places = copied(self.places)
        for place, name, uuid in leaves:
            there = places.pop(place)
            at = bisect_left(there, (name, uuid))
            if rest := there[:at] + there[at + 1 :]:
                places[place] = rest
        for place, name, uuid in enters:
            there = places.get(place, ())
            at = bisect_left(there, (name, uuid))
            places[place] = (*there[:at], (name, uuid), *there[at:])
        return MappingProxyType(places)


def copied(mapping: Mapping[str, V]) -> dict[str, V]:
    """A dictionary of one's own."""
    # ``dict`` would ask a proxy for each key.
    if isinstance(mapping, MappingProxyType):
        return mapping.copy()
    return dict(mapping)


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
