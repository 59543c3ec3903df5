"""This host's own name."""

from __future__ import annotations

import socket
from collections.abc import Callable

from twisted.internet.defer import Deferred

from ganetix.interfaces import Offload

CanonicalName = Callable[[str], str]
"""What the resolver takes for the full form of a name; fails with ``OSError``."""


def canonical_name(name: str) -> str:
    """The full form of a name, by ``getaddrinfo``. Blocking, perhaps for long."""
    found = socket.getaddrinfo(
        name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME
    )
    return found[0][3]


def own_name(
    offload: Offload,
    short: str | None = None,
    canonical: CanonicalName = canonical_name,
) -> Deferred[str]:
    """This host's name in lower case, with its domain if the resolver knows that.

    :param offload: runs what may wait for a name server
    :param short: the name that the kernel has, by default
    """
    return Deferred.fromCoroutine(
        _own_name(offload, (short or socket.gethostname()).lower(), canonical)
    )


async def _own_name(offload: Offload, short: str, canonical: CanonicalName) -> str:
    if "." in short:
        return short
    try:
        full = (await offload(lambda: canonical(short))).rstrip(".").lower()
    except (OSError, UnicodeError):  # not known, or no name that could be
        return short
    # Files of hosts exist that say this host is 'localhost.localdomain'.
    return full if full.startswith(f"{short}.") else short
