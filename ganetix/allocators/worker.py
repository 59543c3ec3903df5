"""A process that computes what comes on standard input, one thing after the other.

Messages in both directions are JSON behind its length in four bytes. It ends with its
input, that is with the daemon that started it.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
from typing import BinaryIO

from ganetix.plan.capacity.work import perform

LENGTH = struct.Struct("!I")
NICENESS = 5
"""Guests and daemons come first."""


def main() -> int:
    """Work until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    serve(sys.stdin.buffer, sys.stdout.buffer)
    return 0


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer each message until there are no more."""
    while True:
        head = source.read(LENGTH.size)
        if len(head) < LENGTH.size:
            return
        (length,) = LENGTH.unpack(head)
        data = source.read(length)
        if len(data) < length:
            return
        reply = perform(data)
        sink.write(LENGTH.pack(len(reply)) + reply)
        sink.flush()


if __name__ == "__main__":
    sys.exit(main())
