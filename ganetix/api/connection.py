"""A client's connection to the master: dialled when needed, and again when lost."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IReactorUNIX

from ganetix.api.link import Link, answer, dial
from ganetix.api.wire import ApiCommand


class Connection:
    """At most one link to the master at a time."""

    def __init__(
        self, reactor: IReactorUNIX, socket_path: Path, master_name: str
    ) -> None:
        self._reactor = reactor
        self._socket_path = socket_path
        self._master_name = master_name
        self._link: Link | None = None
        self._numbers = itertools.count(1)
        self.master_version = ""

    @property
    def was_open(self) -> bool:
        """Whether the master has ever answered."""
        return self._link is not None

    def number(self) -> int:
        """A number for what the master is to send by itself, used once."""
        return next(self._numbers)

    async def link(self) -> Link:
        """The open link, dialled if there is none."""
        if self._link is not None and self._link.is_open:
            return self._link
        link, self.master_version = await dial(
            self._reactor, self._socket_path, self._master_name
        )
        if self._link is not None and self._link.is_open:
            link.hang_up()
            return self._link
        self._link = link
        return link

    async def ask(self, command: type[ApiCommand], values: dict[str, object]) -> Any:
        """One command's ``result``; fails with what the master raised."""
        return await answer(await self.link(), command, values)

    def close(self) -> None:
        """Close the link."""
        if self._link is not None:
            self._link.hang_up()
