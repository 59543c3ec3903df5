"""Cells of a line with ``|`` between, and what is wrong with them."""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from ganetix.errors import BadParameter

WHOLE = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_MAX_DIGITS = 18


def whole_number(text: str) -> int | None:
    """Plain decimal digits, perhaps with a minus; None otherwise."""
    if WHOLE.fullmatch(text) is None or len(text) > _MAX_DIGITS:
        return None
    return int(text)


def real_number(text: str) -> float | None:
    """A number with digits on both sides of its point, if it has one."""
    return float(text) if _NUMBER.fullmatch(text) else None


def shown(value: float) -> str:
    """A number as htools writes it: ``4.0``, ``5.0e-2``, ``1.0e7``, ``NaN``."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 0.1 <= abs(value) < 1e7:
        return repr(float(value))
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, part = mantissa.partition(".")
    part = "" if part == "0" else part
    digits = (whole + part).lstrip("0")
    power = int(exponent or 0) + len(whole) - 1
    if whole == "0":
        power -= len(part) - len(part.lstrip("0")) + 1
    digits = digits.rstrip("0")
    return f"{sign}{digits[0]}.{digits[1:] or '0'}e{power}"


class Line(NamedTuple):
    """One line of a section: its number in the file, what it describes, its cells."""

    number: int
    what: str
    cells: list[str]

    @classmethod
    def of(cls, number: int, what: str, text: str, *, at_least: int) -> Line:
        """Split a line; one with too few cells is refused."""
        cells = text.split("|")
        article = "an" if what[0] in "aeiou" else "a"
        if len(cells) < at_least:
            raise BadParameter(
                f"line {number}: {article} {what} has at least {at_least} columns, this"
                f" has {len(cells)}: {text[:80]!r}"
            )
        return cls(number, what, cells)

    def refuse(self, column: str, problem: str) -> NoReturn:
        """Say what is wrong with a column."""
        raise BadParameter(f"line {self.number}, {self.what}'s {column}: {problem}")

    def has(self, index: int) -> bool:
        """Whether an optional column is there."""
        return index < len(self.cells)

    def text(self, index: int, column: str) -> str:
        """A text that may not be empty."""
        if not self.cells[index]:
            self.refuse(column, "is empty")
        return self.cells[index]

    def whole(self, index: int, column: str, default: int = 0) -> int:
        """A whole number of decimal digits; the default if the column is missing."""
        if not self.has(index):
            return default
        value = whole_number(self.cells[index])
        if value is None:
            self.refuse(column, f"{self.cells[index]!r} is not a whole number")
        return value

    def amount(self, index: int, column: str, default: int = 0) -> int:
        """A whole number that is not negative."""
        value = self.whole(index, column, default)
        if value < 0:
            self.refuse(column, f"{value} is negative")
        return value

    def real(self, index: int, column: str, default: float = 0.0) -> float:
        """A number; the default if the column is missing."""
        if not self.has(index):
            return default
        value = real_number(self.cells[index])
        if value is None:
            self.refuse(column, f"{self.cells[index]!r} is not a number")
        return value

    def flag(self, index: int, column: str, default: str = "N") -> bool:
        """``Y`` or ``N``."""
        text = self.cells[index] if self.has(index) else default
        if text not in ("Y", "N"):
            self.refuse(column, f"{text!r} is neither Y nor N")
        return text == "Y"

    def names(self, index: int) -> tuple[str, ...]:
        """Names with commas between, perhaps none."""
        text = self.cells[index] if self.has(index) else ""
        return tuple(text.split(",")) if text else ()
