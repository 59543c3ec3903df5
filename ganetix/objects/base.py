"""What all configuration objects have in common."""

from __future__ import annotations

import uuid

import msgspec


def new_uuid() -> str:
    """A fresh random UUID in canonical text form."""
    return str(uuid.uuid4())


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all frozen values; change one with ``msgspec.structs.replace``."""


class ConfigObject(Value, frozen=True, kw_only=True):
    """An object of the configuration, named by people, referred to by UUID.

    ``serial_no`` grows with each change; times are seconds since the epoch.
    """

    uuid: str
    name: str
    serial_no: int = 1
    ctime: float = 0.0
    mtime: float = 0.0
    tags: tuple[str, ...] = ()
