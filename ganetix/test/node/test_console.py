"""Tests of consoles: the end of the log, and sessions."""

from __future__ import annotations

import base64
import gc
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from ganetix.errors import (
    AlreadyExists,
    BadParameter,
    GanetixError,
    HypervisorFault,
    NotFound,
    WrongState,
)
from ganetix.node.console import TAIL_BYTES
from ganetix.objects import GuestSpec
from ganetix.objects.guest_calls import ConsoleAttach, ConsoleInput, ConsoleTailRequest
from ganetix.rpc.methods import CONSOLE_ATTACH, CONSOLE_INPUT, CONSOLE_TAIL, Nothing
from ganetix.test.node.support import Attempt, NodeCase, guest


class TailTests(NodeCase):
    """The method ``console_tail``."""

    def setUp(self) -> None:
        """Have a guest."""
        super().setUp()
        self.spec = guest()
        self.log = self.hypervisor.console_log(self.spec.uuid)

    def tail(self, lines: int) -> str:
        """The last lines."""
        request = ConsoleTailRequest(
            hypervisor="stub", uuid=self.spec.uuid, lines=lines
        )
        return self.ask(CONSOLE_TAIL, request).text

    def test_last_lines(self) -> None:
        """So many lines as asked for, from the end."""
        self.log.write_text("one\ntwo\nthree\n")
        self.assertEqual(self.tail(2), "two\nthree\n")

    def test_shorter(self) -> None:
        """A short log is shown whole; a line being written counts."""
        self.log.write_text("one\ntw")
        self.assertEqual(self.tail(10), "one\ntw")

    def test_odd_bytes(self) -> None:
        """What is no text is replaced, not refused."""
        self.log.write_bytes(b"a\xff\xfeb\n")
        self.assertEqual(self.tail(1), "a\ufffd\ufffdb\n")

    def test_huge(self) -> None:
        """Of a huge log only the end is read."""
        self.log.write_bytes(b"x" * (3 * TAIL_BYTES) + b"\nlast\n")
        self.assertEqual(self.tail(1), "last\n")
        self.assertLess(len(self.tail(100)), TAIL_BYTES + 1)

    def test_no_log(self) -> None:
        """A guest that was never here has no log."""
        request = ConsoleTailRequest(hypervisor="stub", uuid=self.spec.uuid, lines=1)
        self.assertIn(self.spec.uuid, self.refusal(CONSOLE_TAIL, request, NotFound))

    def test_bad_lines(self) -> None:
        """At least one line must be asked for."""
        request = ConsoleTailRequest(hypervisor="stub", uuid=self.spec.uuid, lines=0)
        self.assertIn("lines is 0", self.refusal(CONSOLE_TAIL, request, BadParameter))


class SessionTests(NodeCase):
    """The methods ``console_attach`` and ``console_input``."""

    def setUp(self) -> None:
        """Have a guest that runs."""
        super().setUp()
        self.spec = guest()
        self.hypervisor.add(self.spec)

    def request(
        self, session: str = "s1", spec: GuestSpec | None = None
    ) -> ConsoleAttach:
        """A request for a session."""
        uuid = (spec or self.spec).uuid
        return ConsoleAttach(hypervisor="stub", uuid=uuid, session=session)

    def attach(self, session: str = "s1") -> Attempt[Nothing]:
        """Ask for a session; the socket is not reached yet."""
        return self.attempt(CONSOLE_ATTACH, self.request(session))

    def attached(self) -> tuple[Attempt[Nothing], Any, StringTransport]:
        """A session that has reached its socket: its protocol and transport, too."""
        attempt = self.attach()
        transport = StringTransport()
        protocol = self.reactor.unixClients[-1][1].buildProtocol(None)
        protocol.makeConnection(transport)
        return attempt, protocol, transport

    def enter(self, data: bytes, session: str = "s1", *, close: bool = False) -> None:
        """Type at the console."""
        self.ask(CONSOLE_INPUT, ConsoleInput(session=session, data=data, close=close))

    def refused(self, kind: type[GanetixError], session: str = "s2") -> str:
        """The text with which another session is refused."""
        return self.refusal(CONSOLE_ATTACH, self.request(session), kind)

    def test_socket(self) -> None:
        """The guest's own socket is dialled."""
        self.attach()
        self.assertEqual(
            self.reactor.unixClients[0][0],
            str(self.hypervisor.console_socket(self.spec.uuid)),
        )

    def test_output(self) -> None:
        """What the guest writes comes as base64, byte for byte."""
        attempt, protocol, _ = self.attached()
        protocol.dataReceived(b"login: \xff")
        self.assertEqual(
            [base64.b64decode(line) for line in attempt.lines], [b"login: \xff"]
        )

    def test_input(self) -> None:
        """What is typed reaches the guest."""
        _, _, transport = self.attached()
        self.enter(b"root\r")
        self.enter(b"\x03")
        self.assertEqual(transport.value(), b"root\r\x03")

    def test_close(self) -> None:
        """The caller can end the session."""
        attempt, _, transport = self.attached()
        self.enter(b"exit\r", close=True)
        self.assertTrue(transport.disconnecting)
        self.successResultOf(attempt.result)
        self.assertEqual(transport.value(), b"exit\r")

    def test_guest_ends(self) -> None:
        """The session ends with the guest."""
        attempt, protocol, _ = self.attached()
        protocol.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(attempt.result)

    def test_caller_goes_away(self) -> None:
        """The socket is let go when the caller has gone, so that others may have it."""
        attempt, _, transport = self.attached()
        attempt.hang_up()
        self.failureResultOf(attempt.result, CancelledError)
        self.assertTrue(transport.disconnecting)
        self.assertNoResult(self.attach("s2").result)

    def test_caller_goes_away_early(self) -> None:
        """A caller that goes before the socket is reached leaves nothing open."""
        attempt = self.attach()
        attempt.hang_up()
        self.failureResultOf(attempt.result, CancelledError)
        self.assertNoResult(self.attach("s2").result)

    def test_one_at_a_time(self) -> None:
        """A second session of the same guest is refused with the guest's name."""
        self.attached()
        self.assertRegex(self.refused(WrongState), "web1 is open elsewhere")

    def test_again_after_end(self) -> None:
        """A session that has ended is in nobody's way."""
        self.attached()
        self.enter(b"", close=True)
        self.assertNoResult(self.attach("s1").result)

    def test_session_name_in_use(self) -> None:
        """Two sessions never share a name."""
        self.attached()
        other = guest(name="web2")
        self.hypervisor.add(other)
        self.refusal(CONSOLE_ATTACH, self.request("s1", other), AlreadyExists)

    def test_guest_is_down(self) -> None:
        """A guest that does not run has no console."""
        self.hypervisor.add(self.spec, state="user-down")
        self.assertIn("web1 does not run", self.refused(WrongState))

    def test_unreachable(self) -> None:
        """A socket that refuses is one line."""
        attempt = self.attach()
        factory = self.reactor.unixClients[0][1]
        factory.clientConnectionFailed(None, Failure(ConnectionRefusedError()))
        error = self.failureResultOf(attempt.result, HypervisorFault)
        self.assertIn("console cannot be reached", str(error.value))

    def test_unknown_session(self) -> None:
        """Input for a session that has ended says so."""
        text = self.refusal(
            CONSOLE_INPUT, ConsoleInput(session="gone", data=b"x"), NotFound
        )
        self.assertIn("ended", text)

    def test_dropped(self) -> None:
        """A session that is forgotten with its daemon ends without noise."""
        self.attached()
        self.node = None  # type: ignore[assignment]
        self.reactor.unixClients.clear()
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_daemon_stops(self) -> None:
        """All sessions end when the daemon stops; the guest is let be."""
        attempt, _, transport = self.attached()
        self.node.close()
        self.successResultOf(attempt.result)
        self.assertTrue(transport.disconnecting)
        self.assertEqual(self.hypervisor.log, [])
