"""Which nodes cannot be reached: remembered, and probed until they can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeGuard

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionRefusedError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ganetix.errors import NodeUnreachable
from ganetix.flow.retry import backoff
from ganetix.objects import Node
from ganetix.rpc.faults import where, why_not_connected

FIRST_PROBE_SECONDS = 2.0
LONGEST_PROBE_SECONDS = 30.0

Probe = Callable[[Node], Deferred[None]]
"""Connects to a node and hangs up; fails as connections do."""

Place = tuple[str, str, int]


class _Loss:
    """A node that cannot be reached."""

    def __init__(self, node: Node, since: float, why: str) -> None:
        self.node = node
        self.since = since
        self.why = why
        self.pauses: Iterator[float] = backoff(
            FIRST_PROBE_SECONDS, LONGEST_PROBE_SECONDS
        )
        self.call: IDelayedCall | None = None
        self.probe: Deferred[None] | None = None

    def end(self) -> None:
        """Probe it no more."""
        if self.call is not None and self.call.active():
            self.call.cancel()
        if self.probe is not None:
            self.probe.cancel()


class Reachability:
    """Remembers nodes that let a connection time out, so that calls fail at once.

    Such a node is probed after 2 s, 4 s, … 30 s, and may be called again as soon as
    anything answers there. A node that refuses connections needs no memory.

    :param is_wanted: asked before each probe; a node that is offline or gone is not
        contacted
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        probe: Probe,
        is_wanted: Callable[[Node], bool] = lambda node: True,
    ) -> None:
        self._clock = clock
        self._probe = probe
        self._is_wanted = is_wanted
        self._lost: dict[Place, _Loss] = {}
        self._listeners: list[Callable[[Node], None]] = []

    def on_return(self, listener: Callable[[Node], None]) -> None:
        """Have a listener told of each node that answers again."""
        self._listeners.append(listener)

    def check(self, node: Node) -> None:
        """Raise ``NodeUnreachable``, with since when, if the node is one of them."""
        loss = self._lost.get(_place(node))
        if loss is not None:
            since = datetime.fromtimestamp(loss.since, UTC)
            raise NodeUnreachable(
                f"{where(node)} is not reachable since {since:%Y-%m-%d %H:%M:%S} UTC:"
                f" {loss.why}",
                node=node.uuid,
            )

    def note(self, node: Node, error: Exception) -> None:
        """A connection failed; remembered if it took time to fail."""
        place = _place(node)
        if not takes_time(error) or place in self._lost:
            return
        why = why_not_connected(error)
        self._lost[place] = loss = _Loss(node, self._clock.seconds(), why)
        self._log.warn("{node} is not reachable: {reason}", node=node.name, reason=why)
        self._plan(loss)

    def stop(self) -> None:
        """Forget all, and probe no more."""
        while self._lost:
            self._lost.popitem()[1].end()

    def _plan(self, loss: _Loss) -> None:
        loss.call = self._clock.callLater(next(loss.pauses), self._try, loss)

    def _try(self, loss: _Loss) -> None:
        if not self._is_wanted(loss.node):
            del self._lost[_place(loss.node)]
            return
        loss.probe = self._probe(loss.node)
        _ = loss.probe.addCallbacks(
            lambda _: self._regained(loss), lambda failure: self._failed(loss, failure)
        )

    def _failed(self, loss: _Loss, failure: Failure) -> None:
        loss.probe = None
        if _place(loss.node) not in self._lost:
            return
        if takes_time(failure.value):
            self._plan(loss)
        else:
            # Whatever is wrong now, calls will hear of it at once.
            self._regained(loss)

    def _regained(self, loss: _Loss) -> None:
        loss.probe = None
        if self._lost.pop(_place(loss.node), None) is None:
            return
        self._log.info("{node} answers again", node=loss.node.name)
        for listener in self._listeners:
            listener(loss.node)


def _place(node: Node) -> Place:
    return (node.uuid, node.primary_ip, node.port)


def takes_time(error: BaseException | None) -> TypeGuard[ConnectError]:
    """Whether the connection failed for want of an answer."""
    return isinstance(error, ConnectError) and not isinstance(
        error, ConnectionRefusedError
    )
