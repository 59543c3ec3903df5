"""Which of the known names a mistyped one may have meant."""

from __future__ import annotations

import difflib
import string
from collections.abc import Collection, Iterator
from itertools import islice

FEW = 200
MOST = 3
_LETTERS = string.ascii_lowercase + string.digits + "-._"


def alike(name: str, known: Collection[str]) -> list[str]:
    """Up to three known names like this one, best first.

    Among thousands, where comparing with each would keep everybody waiting, only names
    that go on after a dot, and those one slip of the finger away, are found.
    """
    if len(known) <= FEW:
        return difflib.get_close_matches(name, sorted(known), MOST)
    longer = (other for other in known if other.startswith(f"{name}."))
    if found := sorted(islice(longer, MOST)):
        return found
    return sorted({other for other in _slips(name) if other in known})[:MOST]


def _slips(name: str) -> Iterator[str]:
    """All names with one letter missing, added, changed, or two exchanged."""
    for at in range(len(name) + 1):
        head, tail = name[:at], name[at:]
        yield head + tail[1:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        for letter in _LETTERS:
            yield head + letter + tail
            yield head + letter + tail[1:]
