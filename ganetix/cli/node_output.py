"""What commands write on nodes, as ``gnt-cluster command`` hands it on."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, TextIO

from ganetix.cli.streams import Streams, printable

if TYPE_CHECKING:
    from ganetix.objects.output import Stream, Written


class Printed:
    """Writes it to our own standard output and error, byte by byte as it was.

    :param names: each line comes whole, behind its node's name; one that has no newline
        at its end gets one
    :param raw: also to a terminal, which obeys some bytes
    """

    def __init__(self, streams: Streams, *, names: bool, raw: bool) -> None:
        self._targets = {
            "stdout": _Target(streams.stdout, raw),
            "stderr": _Target(streams.stderr, raw),
        }
        self._names = names
        self._begun: dict[tuple[str, Stream], list[bytes]] = {}

    def take(self, written: Written) -> None:
        """A line, or a piece of one."""
        node, stream, data = written
        target = self._targets[stream]
        if not self._names and target.is_exact:
            target.write(data)
            return
        pieces = self._begun.setdefault((node, stream), [])
        pieces.append(data)
        if data.endswith(b"\n"):
            del self._begun[node, stream]
            self._line(node, stream, b"".join(pieces))

    def flush(self) -> None:
        """Let what was written be seen."""
        for target in self._targets.values():
            target.flush()

    def finish(self) -> None:
        """Nothing more comes."""
        for (node, stream), pieces in self._begun.items():
            self._line(node, stream, b"".join((*pieces, b"\n")))
        self._begun.clear()
        self.flush()

    def _line(self, node: str, stream: Stream, line: bytes) -> None:
        target = self._targets[stream]
        prefix = f"{node}: ".encode() if self._names else b""
        target.write(prefix + (line if target.is_exact else _shown(line)))


class Kept:
    """Keeps it, by node."""

    def __init__(self) -> None:
        self._pieces: dict[tuple[str, str], list[bytes]] = {}

    def take(self, written: Written) -> None:
        """A line, or a piece of one."""
        node, stream, data = written
        self._pieces.setdefault((node, stream), []).append(data)

    def flush(self) -> None:
        """There is nothing to be seen yet."""

    def finish(self) -> None:
        """Nothing more comes."""

    def of(self, node: str) -> dict[str, str | None]:
        """What a node wrote.

        ``stdout`` and ``stderr`` are text. Where that is not all, since it is not
        UTF-8, ``stdout_base64`` and ``stderr_base64`` have the bytes.
        """
        found: dict[str, str | None] = {}
        for stream in ("stdout", "stderr"):
            data = b"".join(self._pieces.get((node, stream), ()))
            text = data.decode(errors="replace")
            is_exact = text.encode() == data
            encoded = None if is_exact else base64.b64encode(data).decode("ascii")
            found |= {stream: text, f"{stream}_base64": encoded}
        return found


class _Target:
    """One of our streams; ``is_exact`` if it gets all bytes as they are."""

    def __init__(self, stream: TextIO, raw: bool) -> None:
        self._stream = stream
        self.is_exact = raw or not stream.isatty()

    def write(self, data: bytes) -> None:
        """Add bytes."""
        buffer = getattr(self._stream, "buffer", None)
        if buffer is None:
            self._stream.write(data.decode(errors="surrogateescape"))
        else:
            buffer.write(data)

    def flush(self) -> None:
        """Let it be seen."""
        self._stream.flush()


def _shown(line: bytes) -> bytes:
    text = line.removesuffix(b"\n").decode(errors="backslashreplace")
    return printable(text).encode(errors="backslashreplace") + b"\n"
