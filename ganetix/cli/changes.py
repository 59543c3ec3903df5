"""What a change came to: lines ``NAME: OLD -> NEW``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganetix.cli.quantities import size_text
from ganetix.cli.streams import Streams, printable

if TYPE_CHECKING:
    from ganetix.jobs.model import Job


def print_changes(streams: Streams, job: Job, what: str) -> None:
    """The changes in the result of a job, or a note that there was none."""
    result: Any = job.ops[0].result
    changes = result["changes"]
    for change in changes:
        before, after = _shown(change["before"]), _shown(change["after"])
        streams.out(printable(f"{change['name']}: {before} -> {after}"))
    if not changes:
        streams.note(f"{what} is like that already: nothing was changed")


def _shown(value: object) -> str:
    match value:
        case None:
            return "default"
        case bool():
            return "yes" if value else "no"
        case "":
            return "none"
        case list() | tuple():
            return ",".join(map(str, value)) or "none"
        case dict():
            return size_text(value, ",")
        case _:
            return str(value)
