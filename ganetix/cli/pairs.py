"""``key=value,key=value`` options, as Ganeti's users type them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def parse_pairs(option: str, text: str) -> dict[str, str]:
    """``a=1,b=2`` as a dict. ``\\,`` is a comma in a value; ``ValueError`` if wrong."""
    pairs: dict[str, str] = {}
    for part in _split(text):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise ValueError(f"{option}: {part!r} is not KEY=VALUE")
        if key in pairs:
            raise ValueError(f"{option}: {key} is given twice")
        pairs[key] = value
    return pairs


def parse_numbered(
    option: str, texts: Iterable[str]
) -> tuple[tuple[int, dict[str, str]], ...]:
    """``0:size=1G``, ``1:size=2G`` … in order; numbers must be 0, 1, 2 …"""
    found: dict[int, dict[str, str]] = {}
    for text in texts:
        number, colon, rest = text.partition(":")
        if not number.isascii() or not number.isdigit():
            raise ValueError(
                f"{option}: {text!r} does not begin with a number, as in 0:KEY=VALUE"
            )
        if int(number) in found:
            raise ValueError(f"{option}: number {number} is given twice")
        found[int(number)] = parse_pairs(option, rest) if colon and rest else {}
    ordered = tuple(sorted(found.items()))
    for expected, (given, _) in enumerate(ordered):
        if given != expected:
            raise ValueError(f"{option}: there is a {given} but no {expected}")
    return ordered


def refuse_unknown(
    option: str, pairs: Mapping[str, str], allowed: Iterable[str]
) -> None:
    """``ValueError`` for a key that is not allowed."""
    known = tuple(allowed)
    for key in pairs:
        if key not in known:
            raise ValueError(f"{option}: {key!r} is not one of {', '.join(known)}")


def _split(text: str) -> list[str]:
    parts = [""]
    characters = iter(text)
    for character in characters:
        if character == "\\":
            parts[-1] += next(characters, "\\")
        elif character == ",":
            parts.append("")
        else:
            parts[-1] += character
    return parts
