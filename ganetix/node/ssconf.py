"""ssconf files as the master sends them: what a daemon needs before it can talk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ganetix.bootstrap.ssconf import patch_ssconf, write_ssconf
from ganetix.errors import StateFault
from ganetix.interfaces import Offload
from ganetix.node.calls import handler
from ganetix.node.turns import Turns
from ganetix.paths import Paths
from ganetix.rpc.methods import SSCONF_WRITE, SsconfWrite, SsconfWritten

if TYPE_CHECKING:
    from ganetix.rpc.server import Call, Handler

SSCONF_TURN = "ssconf"
"""The turn in which the files are written or removed."""


class SsconfCalls:
    """Does ``ssconf_write``."""

    def __init__(self, paths: Paths, turns: Turns, offload: Offload) -> None:
        self._paths = paths
        self._turns = turns
        self._offload = offload

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods of this subject."""
        yield handler(SSCONF_WRITE, self._write)

    async def _write(self, request: SsconfWrite, call: Call) -> SsconfWritten:
        def write() -> bool:
            if not request.base:
                write_ssconf(self._paths, request.files, request.serial_no)
                return True
            return patch_ssconf(
                self._paths,
                request.base,
                request.files,
                request.removed,
                request.serial_no,
            )

        try:
            # One at a time: comparing serial numbers and writing belong together.
            written = await self._turns.run(SSCONF_TURN, lambda: self._offload(write))
        except OSError as error:
            raise StateFault(
                f"ssconf cannot be written: {os.strerror(error.errno or 0)}"
            ) from error
        return SsconfWritten(needs_all=not written)
