"""The form of requests and answers on the wire. Pure.

A request is ``POST /rpc/METHOD`` with one JSON value. An answer is lines of JSON: any
number of ``{"say": text}`` and empty lines (which only show that the node is alive),
then exactly one ``{"result": value}`` or ``{"error": {code, message, detail}}``. Within
a second of the request there is something of the answer, be it an empty line.

Whoever calls as the master says in a header in which epoch; it must be the newest that
the node has heard of. Both ends say what they speak: see ``dialect``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from ganetix.errors import BadParameter, GanetixError, RemoteFailure, WireError
from ganetix.rpc.methods import Method

R = TypeVar("R")

PATH_PREFIX = "/rpc/"
CONTENT_TYPE = b"application/x-ndjson"
REQUEST_ID_HEADER = b"X-Ganetix-Request-Id"
VERSION_HEADER = b"X-Ganetix-Version"
EPOCH_HEADER = b"X-Ganetix-Epoch"
SEEN_HEADER = b"X-Ganetix-Seen"
MASTER_EPOCH_HEADER = b"X-Ganetix-Master-Epoch"

MEBIBYTE = 1024 * 1024
MOST_REQUEST_BYTES = 64 * MEBIBYTE
MOST_ANSWER_BYTES = 64 * MEBIBYTE
MOST_SAY_CHARACTERS = 65536
FIRST_SIGN_SECONDS = 1.0
KEEP_ALIVE_SECONDS = 15.0

_encoder = msgspec.json.Encoder()


class _Said(msgspec.Struct, frozen=True):
    """A progress line."""

    say: str


class _Failed(msgspec.Struct, frozen=True):
    """The end of an answer: an error."""

    error: WireError


class _Line(msgspec.Struct, frozen=True):
    """Any line of an answer."""

    say: str | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: WireError | None = None


_line_decoder = msgspec.json.Decoder(_Line)


def encode_request(value: object) -> bytes:
    """A request's body."""
    return _encoder.encode(value)


def decode_request(method: Method[object, object], body: bytes) -> object:
    """The request's value; ``BadParameter`` names the field that is wrong."""
    try:
        return msgspec.json.decode(body, type=method.request)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadParameter(f"{method.name}: {error}") from None
    except RecursionError:
        raise BadParameter(f"{method.name}: the JSON is nested too deeply") from None


def say_lines(text: str) -> Iterator[bytes]:
    """The lines that carry a progress text; long ones are cut in pieces.

    The pieces are of a multiple of four characters, so that base64 survives.
    """
    for start in range(0, len(text) or 1, MOST_SAY_CHARACTERS):
        piece = text[start : start + MOST_SAY_CHARACTERS]
        yield _encoder.encode(_Said(piece)) + b"\n"


def result_line(value: object) -> bytes:
    """The line that ends an answer with a result."""
    return b'{"result":' + _encoder.encode(value) + b"}\n"


def error_line(error: GanetixError) -> bytes:
    """The line that ends an answer with an error."""
    return _encoder.encode(_Failed(error.to_wire())) + b"\n"


class AnswerParser(Generic[R]):
    """Takes an answer apart as it comes in.

    :param result: the type that the method promises
    :param most_bytes: bound of the size of a line, and of the result; what the
        progress lines take together is not bounded, for they are not kept
    """

    def __init__(self, result: type[R], most_bytes: int = MOST_ANSWER_BYTES) -> None:
        self._result = result
        self._most_bytes = most_bytes
        self._parts: list[bytes] = []
        self._held = 0
        self._end: R | GanetixError | None = None
        self.lines_seen = 0

    @property
    def is_complete(self) -> bool:
        """Whether the result or the error has come."""
        return self._end is not None

    def feed(self, data: bytes) -> list[str]:
        """Take more bytes; the progress lines that they complete.

        Fails with ``RemoteFailure`` on anything that is not an answer.
        """
        said: list[str] = []
        *whole, rest = data.split(b"\n")
        for line in whole:
            self._hold(line)
            text = self._take(b"".join(self._parts))
            self._parts.clear()
            self._held = 0
            if text is not None:
                said.append(text)
        self._hold(rest)
        return said

    def restart(self) -> None:
        """Forget a line that broke off: the answer goes on over another connection."""
        self._parts.clear()
        self._held = 0

    def finish(self) -> R:
        """The result, once the body has ended; raises the error that was answered."""
        if self._end is None:
            raise RemoteFailure("the answer ends without a result")
        if isinstance(self._end, GanetixError):
            raise self._end
        return self._end

    def _hold(self, part: bytes) -> None:
        if part:
            self._parts.append(part)
            self._held += len(part)
            if self._held > self._most_bytes:
                raise RemoteFailure(f"the answer is longer than {self._most_bytes} B")

    def _take(self, line: bytes) -> str | None:
        if not line:
            return None
        if self._end is not None:
            raise RemoteFailure("the answer goes on after its end")
        try:
            parsed = _line_decoder.decode(line)
            if parsed.say is not None:
                self.lines_seen += 1
                return parsed.say
            if parsed.error is not None:
                self._end = GanetixError.from_wire(parsed.error)
            elif bytes(parsed.result):
                self._end = msgspec.json.decode(parsed.result, type=self._result)
            else:
                raise RemoteFailure("the answer has a line that says nothing")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RemoteFailure(f"the answer is not understood: {error}") from None
        return None
