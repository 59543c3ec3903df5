"""ssconf files: what a daemon needs to know before it can talk to anyone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ganetix.bootstrap.dirs import write_file
from ganetix.errors import BadParameter, StateFault, WrongState
from ganetix.interfaces import Offload
from ganetix.node.calls import handler
from ganetix.node.turns import Turns
from ganetix.paths import Paths
from ganetix.rpc.methods import SSCONF_WRITE, Nothing, SsconfWrite

if TYPE_CHECKING:
    from ganetix.rpc.server import Call, Handler

SSCONF_TURN = "ssconf"
"""The turn in which the files are written or removed."""

_PREFIX = "ssconf_"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def ssconf_names(paths: Paths) -> frozenset[str]:
    """The names of all ssconf files here. Blocking."""
    return frozenset(
        path.name.removeprefix(_PREFIX)
        for path in paths.lib.glob(f"{_PREFIX}*")
        if _NAME.fullmatch(path.name.removeprefix(_PREFIX))
    )


def write_ssconf(paths: Paths, files: Mapping[str, str], serial_no: int) -> None:
    """Make the ssconf files exactly these; ``WrongState`` if newer ones are here.

    Blocking. The serial number is written last: what was cut short is written again.
    """
    for name in files:
        if not _NAME.fullmatch(name):
            raise BadParameter(f"{name!r} is no name of an ssconf file")
    known = _last_serial(paths)
    if serial_no < known:
        raise WrongState(
            f"ssconf of serial number {serial_no} is older than what is here ({known})"
        )
    for name, text in files.items():
        write_file(paths.ssconf(name), text.encode())
    for name in ssconf_names(paths) - files.keys():
        paths.ssconf(name).unlink(missing_ok=True)
    write_file(paths.ssconf_serial, f"{serial_no}\n".encode())


def forget_ssconf(paths: Paths) -> None:
    """Remove all ssconf files and the memory of their serial number. Blocking."""
    for name in ssconf_names(paths):
        paths.ssconf(name).unlink(missing_ok=True)
    paths.ssconf_serial.unlink(missing_ok=True)


class SsconfCalls:
    """Does ``ssconf_write``."""

    def __init__(self, paths: Paths, turns: Turns, offload: Offload) -> None:
        self._paths = paths
        self._turns = turns
        self._offload = offload

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods of this subject."""
        yield handler(SSCONF_WRITE, self._write)

    async def _write(self, request: SsconfWrite, call: Call) -> Nothing:
        def write() -> None:
            write_ssconf(self._paths, request.files, request.serial_no)

        try:
            # One at a time: comparing serial numbers and writing belong together.
            await self._turns.run(SSCONF_TURN, lambda: self._offload(write))
        except OSError as error:
            raise StateFault(
                f"ssconf cannot be written: {os.strerror(error.errno or 0)}"
            ) from error
        return Nothing()


def _last_serial(paths: Paths) -> int:
    try:
        return int(paths.ssconf_serial.read_text("ascii"))
    except (FileNotFoundError, ValueError):
        return 0
