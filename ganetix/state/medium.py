"""Whether the medium of the store takes what is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ganetix.errors import StateFault

SLOW_SECONDS = 1.0
PROBE_SECONDS = 5.0
"""How long after a fault the medium is tried by itself, if nobody writes before."""


class Medium:
    """What is known of the medium, and told to the log.

    ``fault`` is what keeps it from being written; None if nothing does.

    :param probe: writes something, so that it turns out whether that is possible again
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(self, clock: IReactorTime, probe: Callable[[], None]) -> None:
        self._clock = clock
        self._write = probe
        self._probe: IDelayedCall | None = None
        self._is_closed = False
        self.fault: str | None = None

    def wrote(self, batches: int, seconds: float) -> None:
        """So many batches were written in this time."""
        if self.fault is not None:
            self._log.info("state store writes again")
            self.fault = None
        if seconds > SLOW_SECONDS:
            self._log.warn(
                "state store took {seconds:.1f} s to write {batches} batches",
                seconds=seconds,
                batches=batches,
            )

    def failed(self, error: StateFault) -> None:
        """Something could not be written."""
        if self.fault is None:
            self._log.error("cannot write: {fault}", fault=error.message)
        self.fault = error.message
        if self._probe is None and not self._is_closed:
            self._probe = self._clock.callLater(PROBE_SECONDS, self._try)

    def close(self) -> None:
        """Try no more."""
        self._is_closed = True
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None

    def _try(self) -> None:
        self._probe = None
        if self.fault is not None:
            self._write()
