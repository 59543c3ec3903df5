"""Consoles as the master relays them, between a client and the instance's node."""

from __future__ import annotations

import base64

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.logger import Logger

from ganetix.api.master import TakeOutput
from ganetix.config.snapshot import Snapshot
from ganetix.errors import ClusterFault, GanetixError, WrongState
from ganetix.flow.event import Event
from ganetix.interfaces import INodeRpc
from ganetix.objects import Instance, Node, new_uuid
from ganetix.objects.guest_calls import ConsoleAttach, ConsoleInput, ConsoleTailRequest
from ganetix.rpc.methods import CONSOLE_ATTACH, CONSOLE_INPUT, CONSOLE_TAIL

MOST_WAITING_BYTES = 1 << 20


def _home(snapshot: Snapshot, name: str) -> tuple[Instance, Node]:
    instance = snapshot.instance(name)
    node = snapshot.nodes[instance.primary_node]
    if node.offline:
        raise WrongState(f"node {node.name} of instance {instance.name} is offline")
    return instance, node


async def console_tail(rpc: INodeRpc, snapshot: Snapshot, name: str, lines: int) -> str:
    """The last lines of an instance's console log."""
    instance, node = _home(snapshot, name)
    request = ConsoleTailRequest(
        hypervisor=instance.hypervisor, uuid=instance.uuid, lines=lines
    )
    return (await rpc.call(node, CONSOLE_TAIL, request)).text


class RelayedConsole:
    """A session at an instance's console. Implements ``api.master.ConsoleSession``."""

    _log = Logger()

    def __init__(
        self, rpc: INodeRpc, snapshot: Snapshot, name: str, output: TakeOutput
    ) -> None:
        self._instance, self._node = _home(snapshot, name)
        self._rpc = rpc
        self._output = output
        self._session = new_uuid()
        self._waiting: list[bytes] = []
        self._is_sending = False
        self._is_closed = False
        self._end = Event()
        self._error: GanetixError | None = None
        request = ConsoleAttach(
            hypervisor=self._instance.hypervisor,
            uuid=self._instance.uuid,
            session=self._session,
        )
        self._attached = rpc.call(self._node, CONSOLE_ATTACH, request, self._take)
        _ = self._attached.addCallbacks(
            lambda _: self._finish(None),
            lambda failure: self._finish(failure.value),
        )

    def write(self, data: bytes) -> Deferred[None]:
        """Type bytes at the console."""
        request = ConsoleInput(session=self._session, data=data)
        typed = self._rpc.call(self._node, CONSOLE_INPUT, request)
        return typed.addCallback(lambda _: None)

    def close(self) -> None:
        """Detach: the node notices that its caller is gone."""
        self._is_closed = True
        self._attached.cancel()

    def ended(self) -> Deferred[None]:
        """Fires at the end of the session, or fails with why."""

        async def wait() -> None:
            await self._end.wait()
            if self._error is not None:
                raise self._error

        return Deferred.fromCoroutine(wait())

    def _finish(self, error: BaseException | None) -> None:
        if isinstance(error, GanetixError) and not self._is_closed:
            self._error = self._error or error
        elif error is not None and not isinstance(error, CancelledError | GanetixError):
            self._log.error(
                "console of {instance}: {error!r}",
                instance=self._instance.name,
                error=error,
            )
            self._error = ClusterFault("the console session broke off")
        self._end.set()

    def _take(self, line: str) -> None:
        self._waiting.append(base64.b64decode(line))
        if sum(map(len, self._waiting)) > MOST_WAITING_BYTES:
            self._error = ClusterFault("the guest writes faster than this end reads")
            self._waiting.clear()
            self._attached.cancel()
        else:
            self._send()

    def _send(self) -> None:
        if self._is_sending or not self._waiting:
            return
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._is_sending = True
        _ = maybeDeferred(self._output, data).addBoth(self._sent)

    def _sent(self, _result: object) -> None:
        self._is_sending = False
        self._send()
