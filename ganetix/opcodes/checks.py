"""Checks that opcodes share; each raises ``ValueError`` with a printable reason.

msgspec turns that into a ``ValidationError`` that also names the field's path.
"""

from __future__ import annotations

import re

MAX_MEMORY_MIB = 16 * 1024 * 1024
MAX_DISK_MIB = 1024 * 1024 * 1024
MAX_VCPUS = 1024
MOST_SHOWN = 10**30

_HOST_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_INTERFACE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
_OBJECT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def host_name(field: str, value: str) -> None:
    """A name that may stand in DNS: instances, nodes, clusters."""
    if len(value) > 253 or not _HOST_NAME.fullmatch(value):
        raise ValueError(
            f"{field}: {value!r} is not a name: lower-case letters, digits, '-' and"
            " '.', each part of 1 to 63 characters"
        )


def object_name(field: str, value: str) -> None:
    """A name that is ours alone: groups, OS definitions."""
    if not _OBJECT_NAME.fullmatch(value):
        raise ValueError(
            f"{field}: {value!r} is not a name: a letter or digit, then up to 62"
            " letters, digits, '_', '.' and '-'"
        )


def interface_name(field: str, value: str) -> None:
    """The name of a network interface of Linux."""
    if not _INTERFACE_NAME.fullmatch(value):
        raise ValueError(
            f"{field}: {value!r} is not the name of a network interface: up to 15"
            " letters, digits, '_', '.' and '-'"
        )


def in_range(field: str, value: float, low: float, high: float, unit: str = "") -> None:
    """A number between two bounds, both included."""
    if not low <= value <= high:
        tail = f" {unit}" if unit else ""
        shown = "a number so large" if abs(value) > MOST_SHOWN else _text(value)
        bounds = f"{_text(low)} and {_text(high)}"
        raise ValueError(f"{field}: {shown} is not between {bounds}{tail}")


def _text(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def one_of(field: str, value: str, allowed: tuple[str, ...]) -> None:
    """A word out of a list."""
    if value not in allowed:
        raise ValueError(f"{field}: {value!r} is not one of {', '.join(allowed)}")
