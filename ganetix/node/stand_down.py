"""The orderly end of the master daemon beside this node daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ganetix.errors import Unavailable
from ganetix.node.calls import handler
from ganetix.objects.replica_calls import StandDown
from ganetix.rpc.methods import MASTER_STAND_DOWN, Nothing

if TYPE_CHECKING:
    from ganetix.rpc.server import Call, Handler

WAIT_SECONDS = 20.0
_POLL_SECONDS = 0.1

RelayStandDown = Callable[[str], "Deferred[None]"]
"""Asks the master on this host to end, in favour of a node of that name."""


class StandDownCalls:
    """Does ``master_stand_down``; answered when the master has let go of its store.

    :param is_serving: whether a master daemon has the store open
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        relay: RelayStandDown,
        is_serving: Callable[[], Deferred[bool]],
    ) -> None:
        self._clock = clock
        self._relay = relay
        self._is_serving = is_serving

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods of this subject."""
        yield handler(MASTER_STAND_DOWN, self._stand_down)

    async def _stand_down(self, request: StandDown, call: Call) -> Nothing:
        until = self._clock.seconds() + WAIT_SECONDS
        if not await self._is_serving():
            return Nothing()
        self._log.info(
            "the master is to end: {node} takes over", node=request.successor
        )
        await self._relay(request.successor)
        while await self._is_serving():
            if self._clock.seconds() >= until:
                raise Unavailable(
                    f"the master daemon has not ended within {WAIT_SECONDS:g} s"
                )
            await deferLater(self._clock, _POLL_SECONDS)
        return Nothing()
