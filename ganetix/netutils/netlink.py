"""The kernel's routing socket: links, addresses and routes of this host.

The kernel answers within the calls that send and receive, without a process, a file or
a wait: a dump of some addresses takes well under a millisecond. So it may be asked in
the reactor's thread.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from ganetix.errors import ClusterFault

GET_LINK, GET_ADDRESS, GET_ROUTE = 18, 22, 26

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_ERROR, _DONE = 2, 3
_REQUEST, _DUMP, _INTERRUPTED = 0x1, 0x300, 0x10
_MOST_BYTES = 1 << 16
_REPEATS = 4


class Message(NamedTuple):
    """One message: its type, its flags, and what follows the header."""

    kind: int
    flags: int
    body: bytes


class NetlinkError(ClusterFault):
    """The kernel refused a request; ``number`` is its ``errno``."""

    def __init__(self, number: int) -> None:
        why = os.strerror(number)
        super().__init__(f"the kernel does not tell of its network: {why}")
        self.number = number


def dump(kind: int, body: bytes) -> tuple[bytes, ...]:
    """All objects of a kind, each as the body of its message. ``NetlinkError``."""
    told = _ask(kind, body, _REQUEST | _DUMP)
    for _ in range(_REPEATS):
        # Something changed while it was told: the parts may not fit together.
        if not any(each.flags & _INTERRUPTED for each in told):
            break
        told = _ask(kind, body, _REQUEST | _DUMP)
    return tuple(each.body for each in told)


def get(kind: int, body: bytes) -> bytes:
    """The one object that answers a request. ``NetlinkError``."""
    return _ask(kind, body, _REQUEST)[0].body


def attribute(kind: int, data: bytes) -> bytes:
    """An attribute, padded as the next one needs it. Pure."""
    length = _ATTRIBUTE.size + len(data)
    return _ATTRIBUTE.pack(length, kind) + data + bytes(-length % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes in the rest of a body, by type; what is damaged ends it. Pure."""
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if not _ATTRIBUTE.size <= length <= len(data):
            break
        found[kind & 0x3FFF] = data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]
    return found


def message(kind: int, flags: int, body: bytes) -> bytes:
    """A message with its header. Pure."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body


def messages(data: bytes) -> Iterator[Message]:
    """The messages of what was received; what is damaged ends it. Pure."""
    while len(data) >= _HEADER.size:
        length, kind, flags, _, _ = _HEADER.unpack_from(data)
        if not _HEADER.size <= length <= len(data):
            return
        yield Message(kind, flags, data[_HEADER.size : length])
        data = data[(length + 3) & ~3 :]


def _ask(kind: int, body: bytes, flags: int) -> list[Message]:
    answers: list[Message] = []
    try:
        with socket.socket(
            socket.AF_NETLINK,
            socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC,
            socket.NETLINK_ROUTE,
        ) as kernel:
            kernel.send(message(kind, flags, body))
            while True:
                for answer in messages(kernel.recv(_MOST_BYTES)):
                    if answer.kind == _ERROR:
                        raise NetlinkError(-struct.unpack_from("=i", answer.body)[0])
                    if answer.kind == _DONE:
                        return answers
                    answers.append(answer)
                if not flags & _DUMP:
                    return answers
    except OSError as error:
        raise NetlinkError(error.errno or 0) from error
