"""ssconf files as the master sends them: what a daemon needs before it can talk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ganetix.bootstrap.ssconf import patch_ssconf, write_ssconf
from ganetix.errors import StateFault
from ganetix.interfaces import Offload
from ganetix.node.calls import handler
from ganetix.node.obeyed import MASTER_FILES, claim_by_ssconf
from ganetix.node.turns import Turns
from ganetix.objects.node_calls import SsconfWrite, SsconfWritten
from ganetix.objects.replica import Claim
from ganetix.paths import Paths
from ganetix.rpc.methods import SSCONF_WRITE

if TYPE_CHECKING:
    from ganetix.rpc.server import Call, Handler

SSCONF_TURN = "ssconf"
"""The turn in which the files are written or removed."""


class SsconfCalls:
    """Does ``ssconf_write``.

    :param hear: told who is master by what was written
    """

    def __init__(
        self,
        paths: Paths,
        turns: Turns,
        offload: Offload,
        hear: Callable[[Claim], None] = lambda claim: None,
    ) -> None:
        self._paths = paths
        self._hear = hear
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
        if written and not MASTER_FILES.isdisjoint(request.files):
            self._hear(await self._offload(lambda: claim_by_ssconf(self._paths)))
        return SsconfWritten(needs_all=not written)
