"""Names of UNIX sockets that fit into a UNIX address, however deep the root is."""

from __future__ import annotations

import os
from pathlib import Path

MAX_ADDRESS = 107


class SocketNames:
    """Gives sockets below one directory names of at most ``MAX_ADDRESS`` bytes.

    A path that is too long is reached through a descriptor of the directory that this
    process holds open: such a name is good in other processes of the same user too,
    as long as this one lives, and leaves nothing behind.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor: int | None = None

    def name(self, path: Path) -> str:
        """The path itself, or another name for it if it is too long.

        :param path: somewhere below the directory
        """
        if len(os.fsencode(path)) <= MAX_ADDRESS:
            return str(path)
        if self._descriptor is None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(self._directory, os.O_PATH | os.O_DIRECTORY)
        opened = Path(f"/proc/{os.getpid()}/fd/{self._descriptor}")
        return str(opened / path.relative_to(self._directory))

    def close(self) -> None:
        """Let go of the directory; short names end with it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
