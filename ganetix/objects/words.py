"""Words for messages."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

SHOWN = 8
"""How many of many names a message has."""


def counted(count: int, noun: str) -> str:
    """``1 node``, ``2 nodes``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def some(names: Iterable[str]) -> str:
    """Names with commas between, in their order, the first few of many."""
    first = heapq.nsmallest(SHOWN + 1, names)
    return ", ".join(first[:SHOWN]) + (" …" if len(first) > SHOWN else "")
