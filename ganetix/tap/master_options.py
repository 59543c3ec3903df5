"""Options of ``twistd ganetix-master``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.python import usage

from ganetix.allocators.external import AllocatorLimits
from ganetix.cli.quantities import parse_mib, parse_seconds
from ganetix.tap.options import DaemonOptions

A = TypeVar("A", int, float)


class Options(DaemonOptions):
    """Options of the master daemon."""

    longdesc = (
        "Keeps the cluster's configuration and runs its jobs; commands reach it through"
        " a UNIX socket below --root. It runs on the master node, beside the node"
        " daemon. Guests do not depend on it."
    )

    optParameters = [
        [
            "archive-age",
            None,
            "6h",
            "Archive jobs that ended this long ago, as in 90, 30m, 6h or 2d; or never",
        ],
        [
            "allocator-time",
            None,
            "2m",
            "End external allocators that run longer, as in 90 or 2m",
        ],
        [
            "allocator-memory",
            None,
            "4G",
            "Let external allocators have no more memory, as in 512M or 4G",
        ],
    ]

    archive_age_seconds: float | None
    allocator_limits: AllocatorLimits

    def postOptions(self) -> None:
        """Check what was given."""
        age = self["archive-age"]
        try:
            self.archive_age_seconds = None if age == "never" else parse_seconds(age)
        except ValueError as error:
            raise usage.UsageError(f"--archive-age: {error}, or never") from None
        self.allocator_limits = AllocatorLimits(
            seconds=self._amount("allocator-time", parse_seconds),
            memory_mib=self._amount("allocator-memory", parse_mib),
        )
        super().postOptions()

    def _amount(self, option: str, parse: Callable[[str], A]) -> A:
        try:
            amount = parse(self[option])
        except ValueError as error:
            raise usage.UsageError(f"--{option}: {error}") from None
        if not amount:
            raise usage.UsageError(f"--{option}: {self[option]!r} is nothing at all")
        return amount
