"""The address that goes with the master's role: up here, or down."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING

from twisted.logger import Logger

from ganetix.errors import BadParameter
from ganetix.interfaces import Offload
from ganetix.netutils.announce import announce
from ganetix.netutils.interfaces import is_own_address
from ganetix.node.calls import handler
from ganetix.node.turns import Turns
from ganetix.objects.replica_calls import MasterAddress
from ganetix.process import Runner
from ganetix.rpc.methods import MASTER_IP_DOWN, MASTER_IP_UP, Nothing

if TYPE_CHECKING:
    from ganetix.rpc.server import Call, Handler

COMMAND_SECONDS = 10.0
_TURN = "master address"
# Duplicate address detection would keep an IPv6 address from use for seconds. What the
# host sends must not come from this address, as IPv6 would have it: an old master that
# still has it could neither be told so nor hear of that itself.
_IPV6_OPTIONS = ("nodad", "preferred_lft", "0")
_NETDEV = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")


class MasterAddressCalls:
    """Does ``master_ip_up`` and ``master_ip_down``; both may be repeated.

    :param has_address: whether an address is one of this host's
    """

    _log = Logger()

    def __init__(
        self,
        runner: Runner,
        offload: Offload,
        has_address: Callable[[str], bool] = is_own_address,
        announce: Callable[[str, str], None] = announce,
    ) -> None:
        self._runner = runner
        self._offload = offload
        self._has_address = has_address
        self._announce = announce
        self._turns = Turns()

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods of this subject."""
        yield handler(MASTER_IP_UP, self._up)
        yield handler(MASTER_IP_DOWN, self._down)

    async def _up(self, request: MasterAddress, call: Call) -> Nothing:
        place = _checked(request)
        if not await self._offload(lambda: self._has_address(request.ip)):
            await self._ip("add", place, request)
            self._log.info(
                "master address {address} is on {netdev}",
                address=request.ip,
                netdev=request.netdev,
            )
        try:
            await self._offload(lambda: self._announce(request.netdev, request.ip))
        except OSError as error:
            self._log.warn(
                "neighbours are not told of {address}: {error}",
                address=request.ip,
                error=error,
            )
        return Nothing()

    async def _down(self, request: MasterAddress, call: Call) -> Nothing:
        place = _checked(request)
        if await self._offload(lambda: self._has_address(request.ip)):
            await self._ip("del", place, request)
            self._log.info("master address {address} is down", address=request.ip)
        return Nothing()

    async def _ip(self, what: str, place: str, request: MasterAddress) -> None:
        argv = ["ip", "address", what, place, "dev", request.netdev]
        if what == "add" and ":" in request.ip:
            argv += _IPV6_OPTIONS
        await self._turns.run(
            _TURN, lambda: self._runner.run(argv, timeout_seconds=COMMAND_SECONDS)
        )


def _checked(request: MasterAddress) -> str:
    """The address with its prefix length, for ``ip``."""
    try:
        bits = ip_address(request.ip).max_prefixlen
    except ValueError:
        raise BadParameter(f"master address: {request.ip!r} is no address") from None
    if not 1 <= request.netmask <= bits:
        raise BadParameter(
            f"master netmask: {request.netmask} is not between 1 and {bits}"
        )
    if not _NETDEV.fullmatch(request.netdev):
        raise BadParameter(f"master netdev: {request.netdev!r} is no interface's name")
    return f"{request.ip}/{request.netmask}"
