"""Serial consoles of guests: the end of their logs, and sessions."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.interfaces import IReactorUNIX, ITransport
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from ganetix.errors import (
    AlreadyExists,
    BadParameter,
    HypervisorFault,
    NotFound,
    WrongState,
)
from ganetix.interfaces import Offload, Say
from ganetix.node.calls import handler, while_attended
from ganetix.node.leave import ENDED
from ganetix.node.providers import Providers
from ganetix.objects.guest_calls import (
    ConsoleAttach,
    ConsoleInput,
    ConsoleTailRequest,
    ConsoleText,
)
from ganetix.rpc.methods import CONSOLE_ATTACH, CONSOLE_INPUT, CONSOLE_TAIL, Nothing

if TYPE_CHECKING:
    from ganetix.rpc.server import Call, Handler

TAIL_BYTES = 1 << 18
CONNECT_SECONDS = 5.0


def tail(path: Path, lines: int) -> str:
    """The last lines of a file, of its last 256 KiB at most. Blocking."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        text = file.read().decode(errors="replace")
    return "".join(text.splitlines(keepends=True)[-lines:])


class ConsoleCalls:
    """Does the methods about consoles. QEMU lets one at a time see a console."""

    def __init__(
        self, reactor: IReactorUNIX, providers: Providers, offload: Offload
    ) -> None:
        self._reactor = reactor
        self._providers = providers
        self._offload = offload
        self._sessions: dict[str, _Session] = {}

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods of this subject."""
        yield handler(CONSOLE_TAIL, self._tail)
        yield handler(CONSOLE_ATTACH, self._attach)
        yield handler(CONSOLE_INPUT, self._input)

    def close(self) -> None:
        """End all sessions."""
        for session in tuple(self._sessions.values()):
            session.close()

    async def _tail(self, request: ConsoleTailRequest, call: Call) -> ConsoleText:
        if request.lines < 1:
            raise BadParameter(f"lines is {request.lines}; it must be 1 or more")
        hypervisor = self._providers.hypervisor(request.hypervisor)
        path = hypervisor.console_log(request.uuid)
        try:
            text = await self._offload(lambda: tail(path, request.lines))
        except FileNotFoundError:
            raise NotFound(
                f"guest {request.uuid} has no console log on this node"
            ) from None
        except OSError as error:
            raise HypervisorFault(f"{path} cannot be read: {error.strerror}") from error
        return ConsoleText(text=text)

    async def _attach(self, request: ConsoleAttach, call: Call) -> Nothing:
        attached = Deferred.fromCoroutine(self._serve(request, call.say))
        return await while_attended(call, attached)

    async def _serve(self, request: ConsoleAttach, say: Say) -> Nothing:
        hypervisor = self._providers.hypervisor(request.hypervisor)
        info = await hypervisor.info(request.uuid)
        if info is None or info.state in ENDED:
            name = info.name if info else request.uuid
            raise WrongState(f"instance {name} does not run, so it has no console")
        if request.session in self._sessions:
            raise AlreadyExists("a console session of this name is open already")
        for other in self._sessions.values():
            if other.guest_uuid == request.uuid:
                raise WrongState(
                    f"the console of instance {info.name} is open elsewhere;"
                    " it must be closed there first"
                )
        session = _Session(request.uuid, say)
        self._sessions[request.session] = session
        try:
            await self._connect(hypervisor.console_socket(request.uuid), session)
            await session.ended
        finally:
            session.let_go()
            del self._sessions[request.session]
        return Nothing()

    async def _connect(self, path: Path, session: _Session) -> None:
        endpoint = UNIXClientEndpoint(self._reactor, str(path), CONNECT_SECONDS)
        try:
            await endpoint.connect(Factory.forProtocol(lambda: session))
        except ConnectingCancelledError:
            raise CancelledError from None
        except ConnectError as error:
            raise HypervisorFault(
                f"the guest's console cannot be reached: {error}"
            ) from error

    async def _input(self, request: ConsoleInput, call: Call) -> Nothing:
        session = self._sessions.get(request.session)
        if session is None:
            raise NotFound("this console session has ended")
        session.write(request.data)
        if request.close:
            session.close()
        return Nothing()


class _Session(Protocol):
    """One caller at one guest's console."""

    def __init__(self, guest_uuid: str, say: Say) -> None:
        self.guest_uuid = guest_uuid
        self.ended: Deferred[None] = Deferred()
        self._say = say
        self._is_closed = False

    def connectionMade(self) -> None:
        """Twisted: the console's socket was reached."""
        if self._is_closed:
            self._transport().loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """Twisted: the guest wrote."""
        if not self._is_closed:
            self._say(base64.b64encode(data).decode("ascii"))

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Twisted: the guest ended, or this session did."""
        self._is_closed = True
        if not self.ended.called:
            self.ended.callback(None)

    def write(self, data: bytes) -> None:
        """Type at the console."""
        if self.connected and data:
            self._transport().write(data)

    def let_go(self) -> None:
        """Leave the console to others; nobody waits for the end any more."""
        self._is_closed = True
        if self.connected:
            self._transport().loseConnection()

    def close(self) -> None:
        """End the session."""
        self.let_go()
        if not self.ended.called:
            self.ended.callback(None)

    def _transport(self) -> ITransport:
        transport = self.transport
        assert transport is not None  # noqa: S101
        return transport
