"""From older versions of the configuration's JSON to the current one.

One pure function a version, in order; each takes and gives the whole configuration as
JSON values, so that an object can be split, merged or moved. A sample of every version
is among the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ganetix.errors import StateFault

Document = Mapping[str, Mapping[str, Mapping[str, object]]]
"""JSON objects by kind (``cluster``, ``node`` …) and key."""

Step = Callable[[Document], Document]

STEPS: Sequence[Step] = ()
"""``STEPS[n]`` goes from version n + 1 to version n + 2."""

VERSION = len(STEPS) + 1
"""The version that this code writes."""


def upgrade(
    document: Document, version: int, steps: Sequence[Step] = STEPS
) -> Document:
    """The configuration in the current version; ``StateFault`` if it is of a newer."""
    newest = len(steps) + 1
    if not 1 <= version <= newest:
        raise StateFault(
            f"the configuration is of version {version};"
            f" this ganetix reads versions 1 to {newest}"
        )
    for step in steps[version - 1 :]:
        document = step(document)
    return document
