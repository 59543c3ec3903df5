"""Amounts as people type and read them: sizes in MiB, times in seconds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

_MIB_PER = {"": 1.0, "m": 1.0, "g": 1024.0, "t": 1024.0 * 1024.0}
_SECONDS_PER = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([mgt]?)(?:i?b)?", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)", re.IGNORECASE)


def parse_mib(text: str) -> int:
    """``512``, ``512M``, ``4G``, ``1.5G``, ``1T`` in MiB; ``ValueError`` otherwise."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size: write 512, 512M, 4G, 1.5G or 1T")
    mib = _finite(text, float(match[1]) * _MIB_PER[match[2].lower()])
    if mib != int(mib):
        raise ValueError(f"{text!r} is not a whole number of MiB")
    return int(mib)


def parse_seconds(text: str) -> float:
    """``90``, ``30s``, ``5m``, ``1h``, ``2d`` in seconds; ``ValueError`` otherwise."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write 90, 30s, 5m, 1h or 2d")
    return _finite(text, float(match[1]) * _SECONDS_PER[match[2].lower()])


def _finite(text: str, amount: float) -> float:
    if math.isinf(amount):
        raise ValueError(f"a number of {len(text)} digits is too large")
    return amount


def show_mib(mib: float, unit: str = "h") -> str:
    """A size: in ``m``, ``g`` or ``t`` a bare number, in ``h`` with a fitting unit."""
    if unit == "h":
        for letter in "gt":
            if mib < _MIB_PER[letter]:
                break
            unit = letter
        if unit == "h":
            return f"{mib:.0f}M"
        return f"{mib / _MIB_PER[unit]:.1f}{unit.upper()}"
    if unit == "m":
        return f"{mib:.0f}"
    return f"{mib / _MIB_PER[unit]:.1f}"


def size_text(size: Mapping[str, object], between: str) -> str:
    """An instance's size by the keys that options take: ``memory=1024,disk=…``."""
    return between.join(
        f"{key.removesuffix('_mib')}={value}" for key, value in size.items()
    )


def show_seconds(seconds: float) -> str:
    """A duration in at most two units: ``0.4s``, ``12s``, ``3m05s``, ``2h10m``."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
