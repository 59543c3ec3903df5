"""Leaving the cluster, and waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ganetix.bootstrap.ssconf import forget_ssconf
from ganetix.errors import BadParameter, WrongState
from ganetix.interfaces import Offload
from ganetix.node.calls import handler, while_attended
from ganetix.node.providers import Providers
from ganetix.node.ssconf import SSCONF_TURN
from ganetix.node.turns import Turns
from ganetix.objects.node_calls import Delay
from ganetix.paths import Paths
from ganetix.rpc.methods import DELAY, NODE_LEAVE, Nothing

if TYPE_CHECKING:
    from ganetix.objects import GuestState
    from ganetix.rpc.server import Call, Handler

ENDED: frozenset[GuestState] = frozenset({"admin-down", "user-down", "crashed"})


def forget_membership(paths: Paths) -> None:
    """Remove what makes this host a member. Blocking; the CA's key is not touched."""
    for path in (
        paths.node_key,
        paths.next_node_key,
        paths.node_certificate,
        paths.ca_certificate,
    ):
        path.unlink(missing_ok=True)
    forget_ssconf(paths)


class LeaveCalls:
    """Does ``node_leave``; ``on_left`` is called once the node is no member.

    :param forget_state: removes a replica of the state, and the master's secrets
    """

    _log = Logger()

    def __init__(
        self,
        paths: Paths,
        providers: Providers,
        turns: Turns,
        ssconf_turns: Turns,
        offload: Offload,
        on_left: Callable[[], None],
        forget_state: Callable[[], Deferred[None]] = lambda: succeed(None),
    ) -> None:
        self._paths = paths
        self._providers = providers
        self._turns = turns
        self._ssconf_turns = ssconf_turns
        self._offload = offload
        self._on_left = on_left
        self._forget_state = forget_state

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods of this subject."""
        yield handler(NODE_LEAVE, self._leave)

    async def _leave(self, request: Nothing, call: Call) -> Nothing:
        alive = []
        for hypervisor in self._providers.hypervisors.values():
            guests = await hypervisor.guests()
            alive += [guest.name for guest in guests if guest.state not in ENDED]
        if alive:
            raise WrongState(f"guests run on this node: {', '.join(sorted(alive))}")
        if self._turns.busy:
            raise WrongState("guests are being made or removed on this node")
        await self._forget_state()
        await self._ssconf_turns.run(
            SSCONF_TURN, lambda: self._offload(lambda: forget_membership(self._paths))
        )
        self._log.info("this node has left its cluster")
        self._on_left()
        return Nothing()


class DelayCalls:
    """Does ``delay``."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods of this subject."""
        yield handler(DELAY, self._delay)

    async def _delay(self, request: Delay, call: Call) -> Nothing:
        if not 0 <= request.duration < float("inf"):
            raise BadParameter(f"duration is {request.duration}; it must be 0 or more")
        await while_attended(call, deferLater(self._clock, request.duration))
        return Nothing()
