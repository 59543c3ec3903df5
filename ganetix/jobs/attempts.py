"""How long an opcode tries to get its locks, and when it becomes more urgent. Pure.

Attempts take 1 s at first and grow up to 10 s. When they add up to 150 s the opcode
is raised by one step of priority and begins anew; at the best priority it waits for
as long as it takes.
"""

from __future__ import annotations

from typing import Final

from ganetix.jobs.model import PRIORITY_BEST
from ganetix.objects.base import Value

FIRST_SECONDS: Final = 1.0
MOST_SECONDS: Final = 10.0
TOTAL_SECONDS: Final = 150.0
JITTER: Final = 0.05


def _attempts() -> tuple[float, ...]:
    seconds = [FIRST_SECONDS]
    while sum(seconds) < TOTAL_SECONDS:
        seconds.append(min((seconds[-1] * 1.05) ** 1.25, MOST_SECONDS))
    return tuple(seconds)


ATTEMPT_SECONDS: Final = _attempts()
"""The attempts at one priority, before jitter."""


class Patience(Value, frozen=True, kw_only=True):
    """How an opcode's attempts stand: its priority, and the attempts made at it."""

    priority: int
    attempt: int = 0

    def timeout(self, random: float) -> float | None:
        """Seconds for the next attempt; None waits for ever.

        :param random: from 0 to 1, for a jitter that keeps opcodes out of step
        """
        if self.priority <= PRIORITY_BEST:
            return None
        return ATTEMPT_SECONDS[self.attempt] * (1 + JITTER * (2 * random - 1))

    def after_timeout(self) -> Patience:
        """What stands after an attempt in vain."""
        if self.priority <= PRIORITY_BEST:
            return self
        if self.attempt + 1 < len(ATTEMPT_SECONDS):
            return Patience(priority=self.priority, attempt=self.attempt + 1)
        return Patience(priority=self.priority - 1)
