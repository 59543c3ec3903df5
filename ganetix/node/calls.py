"""How a node RPC method and the code that does it come together."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Protocol, TypeVar

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from ganetix.rpc.methods import Method
    from ganetix.rpc.server import Call, Handler

Q = TypeVar("Q")
R = TypeVar("R")


class Subject(Protocol):
    """Some of the methods, those about one subject."""

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods' names and what does them."""


def handler(
    method: Method[Q, R],
    work: Callable[[Q, Call], Coroutine[Deferred[object], object, R]],
) -> tuple[str, Handler]:
    """What does one method; the types must be those that the method declares."""

    def run(request: Q, call: Call) -> Deferred[R]:
        return Deferred.fromCoroutine(work(request, call))

    return method.name, run


async def while_attended(call: Call, work: Deferred[R]) -> R:
    """The result of ``work``, which is cancelled when the caller goes away.

    For work that is of use to its caller only, and changes nothing.
    """
    gone = call.caller_gone()
    _ = gone.addCallback(lambda _: work.cancel())
    _ = gone.addErrback(lambda _: None)
    try:
        return await work
    finally:
        gone.cancel()
