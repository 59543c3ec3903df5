"""Words for messages."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN = 8


def counted(count: int, noun: str) -> str:
    """``1 node``, ``2 nodes``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def some(names: Iterable[str]) -> str:
    """Names with commas between, the first few of many."""
    every = sorted(names)
    return ", ".join(every[:SHOWN]) + (" …" if len(every) > SHOWN else "")
