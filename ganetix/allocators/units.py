"""Sizes as htools' options take them."""

from __future__ import annotations

import re

from ganetix.errors import BadParameter

_SIZE = re.compile(r"\s*([0-9]{1,15})\s*([A-Za-z]*)\s*")
_BINARY = {"m": 1, "g": 1024, "t": 1024 * 1024}
_DECIMAL_BYTES = {"m": 10**6, "g": 10**9, "t": 10**12}


def size_of(what: str, text: str) -> int:
    """A size in MiB.

    None, ``m``, ``g``, ``t`` and ``MiB``, ``GiB``, ``TiB`` are binary units, ``M``,
    ``G``, ``T`` and ``MB``, ``GB``, ``TB`` decimal ones, rounded down to whole MiB.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise BadParameter(
            f"{what}: {text!r} is not a size: write 512, 512m, 4g, 1t (binary units) or"
            " 4G, 4GB (decimal ones)"
        )
    value, unit = int(match[1]), match[2]
    if not unit:
        return value
    letter = unit[0].lower()
    if letter in _BINARY and (unit in _BINARY or unit[1:].lower() == "ib"):
        return value * _BINARY[letter]
    if letter in _BINARY and unit[1:].lower() in ("", "b"):
        return value * _DECIMAL_BYTES[letter] // (1024 * 1024)
    raise BadParameter(
        f"{what}: {unit!r} is not a unit: use m, g, t (binary) or M, G, T (decimal)"
    )


def number_of(what: str, text: str) -> int:
    """A whole number that is not negative."""
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdigit() and len(stripped) < 16):
        raise BadParameter(f"{what}: {text!r} is not a whole number")
    return int(stripped)
