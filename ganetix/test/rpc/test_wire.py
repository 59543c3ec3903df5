"""Requests and answers as bytes."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import BadParameter, NotFound, RemoteFailure
from ganetix.objects.guest_calls import ConsoleInput, ConsoleText
from ganetix.objects.node_calls import Delay
from ganetix.rpc import wire
from ganetix.rpc.methods import DELAY, METHODS

TEXTS = st.text()
Answer = tuple[list[str], str]
ANSWERS = st.tuples(st.lists(TEXTS, max_size=8), TEXTS)


def answer_bytes(said: list[str], text: str) -> bytes:
    """An answer as a node sends it, with a sign of life between the lines."""
    lines = [line for each in said for line in wire.say_lines(each)]
    return b"\n".join(lines) + b"\n" + wire.result_line(ConsoleText(text=text))


def fed(parser: wire.AnswerParser[ConsoleText], data: bytes, cuts: int) -> list[str]:
    """What the parser says of data that comes in pieces of this size."""
    said: list[str] = []
    for start in range(0, len(data), cuts):
        said += parser.feed(data[start : start + cuts])
    return said


class RequestTests(SynchronousTestCase):
    """Requests."""

    def test_every_method_has_types(self) -> None:
        """Requests of all methods are refused in one clear line when they are not."""
        for method in METHODS.values():
            error = self.assertRaises(BadParameter, wire.decode_request, method, b"[]")
            self.assertIn(method.name, str(error))

    def test_names_the_field(self) -> None:
        """A wrong value is refused with its path."""
        error = self.assertRaises(
            BadParameter, wire.decode_request, METHODS["delay"], b'{"duration": "x"}'
        )
        self.assertIn("$.duration", str(error))

    def test_nested(self) -> None:
        """JSON nested without end is refused like any other that is wrong."""
        body = b'{"more":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        error = self.assertRaises(
            BadParameter, wire.decode_request, METHODS["delay"], body
        )
        self.assertIn("nested too deeply", str(error))

    @given(st.binary())
    def test_any_bytes(self, body: bytes) -> None:
        """Whatever a peer sends is decoded or refused, never worse."""
        with contextlib.suppress(BadParameter):
            wire.decode_request(METHODS["delay"], body)

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_round_trip(self, duration: float) -> None:
        """A request comes out as it went in."""
        request = Delay(duration=duration)
        body = wire.encode_request(request)
        self.assertEqual(wire.decode_request(METHODS[DELAY.name], body), request)

    @given(st.binary())
    def test_binary(self, data: bytes) -> None:
        """Bytes in requests survive."""
        request = ConsoleInput(session="s", data=data)
        body = wire.encode_request(request)
        self.assertEqual(wire.decode_request(METHODS["console_input"], body), request)


class AnswerTests(SynchronousTestCase):
    """Answers, taken apart as they come."""

    def setUp(self) -> None:
        self.parser = wire.AnswerParser(ConsoleText)

    @given(ANSWERS, st.integers(1, 40))
    def test_round_trip(self, answer: Answer, cuts: int) -> None:
        """Lines and result come out as they went in, wherever the pieces are cut."""
        said, text = answer
        parser = wire.AnswerParser(ConsoleText)
        self.assertEqual(fed(parser, answer_bytes(said, text), cuts), said)
        self.assertEqual(parser.finish(), ConsoleText(text=text))

    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        """Whatever a peer sends is an answer or a ``RemoteFailure``."""
        parser = wire.AnswerParser(ConsoleText)
        try:
            parser.feed(data)
            parser.finish()
        except RemoteFailure:
            pass

    @given(ANSWERS, st.data())
    def test_cut_short(
        self, answer: tuple[list[str], str], data: st.DataObject
    ) -> None:
        """An answer that breaks off anywhere is not taken for a whole one."""
        whole = answer_bytes(*answer)
        end = data.draw(st.integers(0, len(whole) - 1))
        parser = wire.AnswerParser(ConsoleText)
        parser.feed(whole[:end])
        self.assertFalse(parser.is_complete)
        self.assertRaises(RemoteFailure, parser.finish)

    def test_long_line(self) -> None:
        """A long progress text comes in pieces that base64 survives."""
        pieces = self.parser.feed(b"".join(wire.say_lines("x" * 200_000)))
        self.assertEqual("".join(pieces), "x" * 200_000)
        self.assertTrue(all(len(piece) % 4 == 0 for piece in pieces[:-1]))

    def test_error(self) -> None:
        """An error comes out with its kind, message and detail."""
        self.parser.feed(wire.error_line(NotFound("no such guest", instance="web1")))
        error = self.assertRaises(NotFound, self.parser.finish)
        self.assertEqual(error.detail, {"instance": "web1"})

    def test_nested(self) -> None:
        """An answer nested without end is the node's fault, not ours."""
        parser = wire.AnswerParser(ConsoleText)
        line = b'{"more":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
        self.assertRaises(RemoteFailure, parser.feed, line)

    def test_wrong_result(self) -> None:
        """A result of another type is refused with the path of what is wrong."""
        error = self.assertRaises(
            RemoteFailure, self.parser.feed, b'{"result":{"text":7}}\n'
        )
        self.assertIn("$.text", str(error))

    def test_goes_on(self) -> None:
        """Nothing may come after the end."""
        self.parser.feed(wire.result_line(ConsoleText(text="")))
        self.assertRaises(RemoteFailure, self.parser.feed, b'{"say":"more"}\n')

    def test_bounded(self) -> None:
        """A line that never ends is refused at the bound, and not kept."""
        parser = wire.AnswerParser(ConsoleText, most_bytes=1000)
        parser.feed(b"x" * 1000)
        self.assertRaises(RemoteFailure, parser.feed, b"x")

    def test_goes_on_elsewhere(self) -> None:
        """After a break the answer goes on with the next whole line."""
        one, two = (b"".join(wire.say_lines(text)) for text in ("one", "two"))
        self.assertEqual(self.parser.feed(one + two[:5]), ["one"])
        self.parser.restart()
        self.assertEqual(self.parser.lines_seen, 1)
        self.assertEqual(self.parser.feed(two), ["two"])
