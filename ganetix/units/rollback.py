"""Undoing steps in reverse when a later one fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType

from twisted.internet.defer import CancelledError

from ganetix.errors import GanetixError
from ganetix.jobs.work import Progress

Undo = Callable[[], Awaitable[None]]


class Rollback:
    """An ``async with`` block whose pushed undos run unless it ends well.

    What cannot be undone is said in the job's log. When the daemon stops, nothing is
    undone here: the intent on record leads the clean-up after the restart.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._undos: list[tuple[str, Undo]] = []

    def push(self, what: str, undo: Undo) -> None:
        """Remember how to undo a step; ``what`` says what that does."""
        self._undos.append((what, undo))

    async def __aenter__(self) -> Rollback:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, CancelledError | GeneratorExit):
            return
        if self._undos:
            self._progress.warn(f"failed: {error}; undoing what was done")
        while self._undos:
            what, undo = self._undos.pop()
            try:
                await undo()
            except GanetixError as failure:
                self._progress.warn(f"could not {what}: {failure}")
            else:
                self._progress.say(f"undone: {what}")
