"""One thing at a time for each guest, and a way to sweep all that is under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred

from ganetix.errors import Cancelled
from ganetix.flow.event import Event

T = TypeVar("T")


class Turns:
    """Work waits in a line per key, in the order in which it came.

    The master's locks see to that, too, but a master that died leaves work behind
    which its successor knows nothing of: ``sweep`` ends it before cleaning up.
    """

    def __init__(self) -> None:
        self._lines: dict[str, list[_Turn]] = {}

    @property
    def busy(self) -> frozenset[str]:
        """The keys that have work under way or waiting."""
        return frozenset(self._lines)

    def run(self, key: str, work: Callable[[], Deferred[T]]) -> Deferred[T]:
        """Do ``work`` when all earlier work of that key has ended."""
        return Deferred.fromCoroutine(self._run(key, work, _Turn()))

    def sweep(self, key: str, work: Callable[[], Deferred[T]]) -> Deferred[T]:
        """Cancel what is under way or waits, then do ``work``.

        What was cancelled fails with ``Cancelled``. Other sweeps are let finish.
        """
        turn = _Turn(is_sweep=True)
        swept = Deferred.fromCoroutine(self._run(key, work, turn))
        # The last first, or else the end of one would begin the next.
        for other in reversed(tuple(self._lines.get(key, ()))):
            if not other.is_sweep:
                other.withdraw()
        return swept

    async def _run(self, key: str, work: Callable[[], Deferred[T]], turn: _Turn) -> T:
        line = self._lines.setdefault(key, [])
        line.append(turn)
        try:
            while line[0] is not turn:
                await turn.waiting_for(line[0].ended.wait())
            return await turn.waiting_for(work())
        except CancelledError:
            if turn.is_withdrawn:
                raise Cancelled("cancelled because the guest is removed") from None
            raise
        finally:
            line.remove(turn)
            if not line:
                del self._lines[key]
            turn.ended.set()


class _Turn:
    """A place in a line."""

    def __init__(self, *, is_sweep: bool = False) -> None:
        self.is_sweep = is_sweep
        self.is_withdrawn = False
        self.ended = Event()
        self._current: Deferred[object] | None = None

    def waiting_for(self, d: Deferred[T]) -> Deferred[T]:
        """The same Deferred, noted as what to cancel."""
        self._current = d  # type: ignore[assignment]
        return d

    def withdraw(self) -> None:
        """Cancel what this turn waits for or does."""
        self.is_withdrawn = True
        if self._current is not None:
            self._current.cancel()
