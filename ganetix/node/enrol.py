"""A joining node's request: taken here, decided by the master on this host."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from ganetix.node.calls import handler
from ganetix.objects.node import Enrolment, EnrolRequest
from ganetix.objects.node_calls import EnrolCall
from ganetix.rpc.methods import ENROL

if TYPE_CHECKING:
    from ganetix.rpc.server import Call, Handler

RelayEnrol = Callable[[EnrolRequest], "Deferred[Enrolment]"]


class EnrolCalls:
    """Does ``enrol``: who asks is what the certificate says, not what the body says."""

    def __init__(self, relay_enrol: RelayEnrol) -> None:
        self._relay_enrol = relay_enrol

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods of this subject."""
        yield handler(ENROL, self._enrol)

    async def _enrol(self, request: EnrolCall, call: Call) -> Enrolment:
        return await self._relay_enrol(
            EnrolRequest(
                node_uuid=call.peer.uuid,
                token_fingerprint=call.peer.fingerprint,
                signing_request=request.signing_request,
            )
        )
