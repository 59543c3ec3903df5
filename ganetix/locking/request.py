"""What one acquisition of locks of a set wants."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from typing import Final, Literal

from twisted.internet.interfaces import IReactorTime

from ganetix.locking.info import Owner


class AllNames(enum.Enum):
    """The type of ``ALL``."""

    ALL = "all"


ALL: Final = AllNames.ALL
"""In the place of names: every name of the set."""

Names = Collection[str] | Literal[AllNames.ALL]


class Request:
    """Names with their modes, and for how long to wait; see ``LockSet.acquire``."""

    __slots__ = (
        "_clock",
        "_deadline",
        "creates",
        "exclusively",
        "names",
        "owner",
        "priority",
        "shared",
    )

    def __init__(
        self,
        clock: IReactorTime,
        names: Names,
        shared: bool = False,
        priority: int = 0,
        timeout: float | None = None,
        owner: Owner = None,
        exclusively: Collection[str] = (),
        creates: Collection[str] = (),
    ) -> None:
        self._clock = clock
        self._deadline = None if timeout is None else clock.seconds() + timeout
        self.names = names
        self.shared = shared
        self.exclusively = {*exclusively, *creates}
        self.creates = creates
        self.priority = priority
        self.owner = owner

    def remaining(self) -> float | None:
        """Seconds that are left for one more lock."""
        if self._deadline is None:
            return None
        return max(self._deadline - self._clock.seconds(), 0)

    def in_order(self, known: Iterable[str]) -> list[str]:
        """The names to take, in the order in which everybody takes them."""
        names = known if self.names is ALL else self.names
        return sorted({*names, *self.exclusively})

    def shares(self, name: str) -> bool:
        """Whether others may share the lock of this name."""
        return self.shared and name not in self.exclusively

    def needs(self, name: str) -> bool:
        """Whether the request fails if this name vanishes."""
        return self.names is not ALL or name in self.exclusively
