"""A client for QMP, QEMU's monitor protocol: JSON lines over a UNIX socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

import msgspec
from twisted.internet.defer import Deferred, TimeoutError, fail
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from ganetix.errors import HypervisorFault
from ganetix.objects import Value

ANSWER_SECONDS = 10.0
CONNECT_SECONDS = 5.0

T = TypeVar("T")


class QmpRefused(HypervisorFault):
    """QEMU answered a command with an error; ``kind`` is its class of the error."""

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class QmpLost(HypervisorFault):
    """The connection is gone: QEMU ended, or does not talk QMP."""


class QmpEvent(Value, frozen=True, kw_only=True):
    """Something that happened to the machine."""

    event: str
    data: dict[str, object] = {}


class RunState(Value, frozen=True, kw_only=True):
    """The answer to ``query-status``."""

    status: str
    running: bool = False


class _Error(Value, frozen=True, kw_only=True, rename={"kind": "class"}):
    kind: str = ""
    desc: str = ""


class _Greeting(Value, frozen=True, kw_only=True):
    capabilities: tuple[str, ...] = ()


class _Message(Value, frozen=True, kw_only=True, rename={"greeting": "QMP"}):
    """Any line that QEMU sends: greeting, answer or event."""

    greeting: _Greeting | None = None
    id: int | None = None
    result: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"{}"), name="return")
    error: _Error | None = None
    event: str = ""
    data: dict[str, object] = {}


class QmpClient(LineOnlyReceiver):
    """One connection to a monitor.

    :param on_event: told each event, those before the first answer too
    :param on_lost: called once when the connection is gone
    """

    delimiter = b"\n"
    MAX_LENGTH = 4 << 20

    def __init__(
        self,
        clock: IReactorTime,
        on_event: Callable[[QmpEvent], None] | None = None,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        self.greeted: Deferred[None] = Deferred()
        self.is_lost = False
        self._clock = clock
        self._on_event = on_event
        self._on_lost = on_lost
        self._last_id = 0
        self._pending: dict[int, tuple[str, Deferred[msgspec.Raw]]] = {}

    async def execute(
        self,
        command: str,
        arguments: Mapping[str, object] | None = None,
        *,
        timeout_seconds: float = ANSWER_SECONDS,
        out_of_band: bool = False,
    ) -> msgspec.Raw:
        """Have a command executed; its result as JSON text.

        Fails with ``QmpRefused``, ``QmpLost``, or, if no answer comes in time,
        ``HypervisorFault``.

        :param out_of_band: at once, even while QEMU hangs in an earlier command; only
            few commands can be executed so
        """
        try:
            answer = self._send(command, arguments, out_of_band)
            return await answer.addTimeout(timeout_seconds, self._clock)
        except TimeoutError as error:
            raise HypervisorFault(
                f"QEMU did not answer {command} within {timeout_seconds:g} s"
            ) from error

    async def query(
        self,
        command: str,
        result: type[T],
        *,
        timeout_seconds: float = ANSWER_SECONDS,
    ) -> T:
        """Execute a command without arguments; its result as a value of a type."""
        raw = await self.execute(command, timeout_seconds=timeout_seconds)
        try:
            return msgspec.json.decode(raw, type=result)
        except msgspec.MsgspecError as error:
            raise HypervisorFault(
                f"QEMU answered {command} with something unexpected: {error}"
            ) from error

    async def status(self, *, timeout_seconds: float = ANSWER_SECONDS) -> RunState:
        """The machine's run state."""
        return await self.query(
            "query-status", RunState, timeout_seconds=timeout_seconds
        )

    def disconnect(self) -> None:
        """Leave; ``on_lost`` is not called."""
        self._on_lost = self._on_event = None
        self._abort()

    def lineReceived(self, line: bytes) -> None:
        """Twisted: one message of QEMU's."""
        try:
            message = msgspec.json.decode(line, type=_Message)
        except msgspec.MsgspecError:
            self._lose("QEMU's monitor sends something that is not QMP")
            return
        if message.greeting is not None and not self.greeted.called:
            wanted = [c for c in message.greeting.capabilities if c == "oob"]
            arguments = {"enable": wanted} if wanted else None
            _ = self._send("qmp_capabilities", arguments).addCallbacks(
                lambda _: self._greet(None), self._greet
            )
        elif message.event:
            if self._on_event is not None:
                self._on_event(QmpEvent(event=message.event, data=message.data))
        elif message.id in self._pending:
            self._answer(*self._pending.pop(message.id), message)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Twisted: a line longer than any answer can be."""
        self._lose(f"QEMU's monitor sent a line of more than {self.MAX_LENGTH} bytes")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Twisted: the connection is gone."""
        self._lose("QEMU's monitor closed the connection")
        on_lost, self._on_lost, self._on_event = self._on_lost, None, None
        if on_lost is not None:
            on_lost()

    def _send(
        self,
        command: str,
        arguments: Mapping[str, object] | None,
        out_of_band: bool = False,
    ) -> Deferred[msgspec.Raw]:
        if self.is_lost or self.transport is None:
            return fail(QmpLost("QEMU's monitor closed the connection"))
        self._last_id += 1
        verb = "exec-oob" if out_of_band else "execute"
        request: dict[str, object] = {verb: command, "id": self._last_id}
        if arguments:
            request["arguments"] = arguments
        number = self._last_id
        answer: Deferred[msgspec.Raw] = Deferred(lambda _: self._drop(number))
        self._pending[number] = (command, answer)
        self.transport.write(msgspec.json.encode(request) + b"\r\n")
        return answer

    def _drop(self, number: int) -> None:
        self._pending.pop(number, None)

    def _answer(
        self, command: str, answer: Deferred[msgspec.Raw], message: _Message
    ) -> None:
        if message.error is not None:
            said = f"QEMU refused {command}: {message.error.desc}"
            answer.errback(QmpRefused(said, message.error.kind))
        else:
            answer.callback(message.result)

    def _greet(self, failure: Failure | None) -> None:
        if not self.greeted.called:
            if failure is None:
                self.greeted.callback(None)
            else:
                self.greeted.errback(failure)

    def _lose(self, why: str) -> None:
        if self.is_lost:
            return
        self.is_lost = True
        pending, self._pending = self._pending, {}
        for _, answer in pending.values():
            answer.errback(QmpLost(why))
        self._greet(Failure(QmpLost(why)))
        self._abort()

    def _abort(self) -> None:
        if self.transport is not None:
            cast(ITCPTransport, self.transport).abortConnection()


async def connect_qmp(
    reactor: IReactorTime,
    path: str,
    on_event: Callable[[QmpEvent], None] | None = None,
    on_lost: Callable[[], None] | None = None,
) -> QmpClient:
    """Connect to a monitor, ready for commands; fails with ``HypervisorFault``.

    A monitor talks to one client at a time: a second is accepted, but not greeted.

    :param reactor: one that also does UNIX sockets
    """
    client = QmpClient(reactor, on_event, on_lost)
    factory: Factory = Factory.forProtocol(lambda: client)
    factory.noisy = False
    try:
        await UNIXClientEndpoint(reactor, path, timeout=CONNECT_SECONDS).connect(
            factory
        )
    except ConnectError as error:
        raise HypervisorFault(f"QEMU's monitor cannot be reached: {error}") from error
    try:
        await client.greeted.addTimeout(CONNECT_SECONDS, reactor)
    except BaseException as error:
        client.disconnect()
        if isinstance(error, TimeoutError):
            raise HypervisorFault(
                f"QEMU's monitor said nothing within {CONNECT_SECONDS:g} s"
            ) from error
        raise
    return client
