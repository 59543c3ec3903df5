"""A client that asks, waits and hears: for commands that only look. No Twisted.

Importing Twisted takes longer than most questions do. What is not answered at once
(jobs that are followed, consoles) is :mod:`ganetix.api.client`'s.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

import msgspec

from ganetix import __version__
from ganetix.api.boxes import packed, read_box
from ganetix.api.chunks import put_chunks, take_chunks
from ganetix.api.types import (
    ClusterInfo,
    FieldInfo,
    QueryKind,
    QueryRequest,
    QueryResult,
)
from ganetix.api.words import (
    CONNECT_SECONDS,
    PROTOCOL,
    check_socket_path,
    hung_up,
    no_answer,
    no_connection,
    not_known,
)
from ganetix.errors import GanetixError, RemoteFailure, WireError
from ganetix.jobs.values import LockInfo, QueueInfo

T = TypeVar("T")


class Asker(Protocol):
    """What both kinds of client answer at once."""

    def query(self, request: QueryRequest, /) -> Awaitable[QueryResult]:
        """List objects."""

    def fields(self, kind: QueryKind, /) -> Awaitable[tuple[FieldInfo, ...]]:
        """The fields of a kind."""

    def cluster_info(self) -> Awaitable[ClusterInfo]:
        """The cluster at a glance."""

    def queue_info(self) -> Awaitable[QueueInfo]:
        """The job queue at a glance."""

    def locks(self) -> Awaitable[tuple[LockInfo, ...]]:
        """All locks that are held or waited for."""

    def console_tail(self, instance: str, lines: int, /) -> Awaitable[str]:
        """The last lines of an instance's console log."""


class QuickClient:
    """A connection that blocks. Its coroutines never wait for anything else.

    All fail with ``Unavailable``, ``NotAllowed``, or what the master raised.
    """

    def __init__(self, socket_path: Path, master_name: str = "") -> None:
        self._path = socket_path
        check_socket_path(socket_path)
        self._stream: BinaryIO | None = None
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(CONNECT_SECONDS)
        try:
            self._socket.connect(str(socket_path))
        except OSError as error:
            self.close()
            raise no_connection(socket_path, master_name, error.errno) from error
        try:
            self._ask("Hello", str, protocol=PROTOCOL, version=__version__)
        except TimeoutError as error:
            self.close()
            raise no_answer(socket_path) from error
        except BaseException:
            self.close()
            raise
        self._socket.settimeout(None)

    async def query(self, request: QueryRequest) -> QueryResult:
        """List objects."""
        return self._ask("Query", QueryResult, request=request)

    async def fields(self, kind: QueryKind) -> tuple[FieldInfo, ...]:
        """The fields of a kind."""
        return self._ask("QueryFields", tuple[FieldInfo, ...], kind=kind)

    async def cluster_info(self) -> ClusterInfo:
        """The cluster at a glance."""
        return self._ask("GetClusterInfo", ClusterInfo)

    async def queue_info(self) -> QueueInfo:
        """The job queue at a glance."""
        return self._ask("GetQueueInfo", QueueInfo)

    async def locks(self) -> tuple[LockInfo, ...]:
        """All locks that are held or waited for."""
        return self._ask("Locks", tuple[LockInfo, ...])

    async def console_tail(self, instance: str, lines: int) -> str:
        """The last lines of an instance's console log."""
        return self._ask("ConsoleTail", str, instance=instance, lines=lines)

    def close(self) -> None:
        """Hang up."""
        # The connection is open as long as one of both is.
        if self._stream is not None:
            self._stream.close()
        self._socket.close()

    def _reader(self) -> BinaryIO:
        if self._stream is None:
            self._stream = self._socket.makefile("rb")
        return self._stream

    def _ask(self, command: str, kind: type[T], /, **values: object) -> T:
        box = {b"_command": command.encode(), b"_ask": b"1"}
        for name, value in values.items():
            put_chunks(box, name.encode(), msgspec.json.encode(value))
        try:
            self._socket.sendall(packed(box))
            answer = read_box(self._reader())
        except TimeoutError:
            raise
        except (OSError, EOFError) as error:
            raise hung_up() from error
        if (code := answer.get(b"_error_code")) is not None:
            raise _error(command, code, answer.get(b"_error_description", b""))
        try:
            return msgspec.json.decode(take_chunks(answer, b"result"), type=kind)
        except msgspec.DecodeError as error:
            raise RemoteFailure(f"{command}: the answer makes no sense") from error


def _error(command: str, code: bytes, description: bytes) -> GanetixError:
    if code == b"UNHANDLED":
        return not_known(command)
    try:
        return GanetixError.from_wire(msgspec.json.decode(description, type=WireError))
    except msgspec.DecodeError:
        text = description[:200].decode(errors="replace")
        return RemoteFailure(f"{command}: {text or code.decode(errors='replace')}")
