"""The server's end, driven byte by byte with a clock of the test's own."""

from __future__ import annotations

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ganetix import __version__
from ganetix.objects.node_calls import Delay
from ganetix.objects.replica import Claim
from ganetix.rpc import wire
from ganetix.rpc.admission import Allegiance
from ganetix.rpc.dialect import PROTOCOL, Dialect
from ganetix.rpc.methods import DELAY, DISK_LIST, ENROL, Nothing
from ganetix.rpc.reply import MOST_BACKLOG_BYTES
from ganetix.rpc.request import MOST_STRANGER_BYTES
from ganetix.rpc.server import Call, RpcResource, RpcSite
from ganetix.testing.pki import Identity, join_identity, node_identity

MASTER = node_identity(1)
FIRST_ID = "11111111-1111"


class Certificate:
    """What pyOpenSSL hands out for a peer's certificate."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def to_cryptography(self) -> object:
        """The certificate."""
        return self._identity.certificate


class TlsTransport(StringTransport):
    """A transport whose peer proved to hold a certificate, or did not."""

    def __init__(self, identity: Identity | None) -> None:
        super().__init__()
        self._identity = identity

    def getPeerCertificate(self) -> Certificate | None:
        """The peer's certificate."""
        return Certificate(self._identity) if self._identity else None


class Connection:
    """A client's connection to the site under test."""

    def __init__(self, site: RpcSite, identity: Identity | None) -> None:
        self.transport = TlsTransport(identity)
        protocol = site.buildProtocol(None)
        assert protocol is not None
        self.protocol = protocol
        self.protocol.makeConnection(self.transport)

    def post(
        self,
        method: str = DELAY.name,
        body: bytes = b'{"duration": 0}',
        request_id: str = FIRST_ID,
        verb: str = "POST",
        headers: str = "",
    ) -> None:
        """Send a request."""
        head = (
            f"{verb} /rpc/{method} HTTP/1.1\r\nHost: node\r\n"
            f"X-Ganetix-Request-Id: {request_id}\r\n{headers}"
        )
        if "X-Ganetix-Version" not in headers:
            head += f"X-Ganetix-Version: {Dialect().header.decode()}\r\n"
        if "Content-Length" not in headers and "Transfer-Encoding" not in headers:
            head += f"Content-Length: {len(body)}\r\n"
        self.protocol.dataReceived(head.encode() + b"\r\n" + body)

    @property
    def head(self) -> str:
        """The response's status line and headers."""
        data: bytes = self.transport.value()
        return data.partition(b"\r\n\r\n")[0].decode()

    @property
    def status(self) -> int:
        """The response's status."""
        return int(self.head.split()[1])

    @property
    def lines(self) -> list[dict[str, object]]:
        """The lines of the response's body that say something."""
        body = self.transport.value().partition(b"\r\n\r\n")[2]
        lines = [line.strip() for line in body.splitlines()]
        return [msgspec.json.decode(line) for line in lines if line.startswith(b"{")]

    def lose(self) -> None:
        """The client goes away."""
        self.protocol.connectionLost(Failure(ConnectionLost()))


class ServerTests(SynchronousTestCase):
    """Calls of a node whose one candidate is test node 1."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.calls: list[Call] = []
        self.cancelled: list[Deferred[Nothing]] = []
        self.answers: list[Deferred[Nothing]] = []
        self.rpc = RpcResource(
            self.clock,
            {DELAY.name: self._delay, DISK_LIST.name: self._delay},
            lambda: {MASTER.uuid: (MASTER.fingerprint,)},
        )
        self.site = RpcSite(self.clock, self.rpc)

    def _delay(self, request: Delay, call: Call) -> Deferred[Nothing]:
        self.calls.append(call)
        self.answers.append(Deferred(self.cancelled.append))
        return self.answers[-1]

    def _connect(self, identity: Identity | None = MASTER) -> Connection:
        return Connection(self.site, identity)

    def _error(self, connection: Connection) -> str:
        error = connection.lines[-1]["error"]
        assert isinstance(error, dict)
        return f"{error['code']}: {error['message']}"

    def test_answer(self) -> None:
        """An answer without progress is one line of known length."""
        client = self._connect()
        client.post()
        self.answers[0].callback(Nothing())
        self.assertEqual((client.status, client.lines), (200, [{"result": {}}]))
        self.assertIn("Content-Length: 14", client.head)

    def test_boundless_count(self) -> None:
        """A count of lines seen that is no sensible number counts as none."""
        client = self._connect()
        client.post()
        self.answers[0].callback(Nothing())
        again = self._connect()
        again.post(headers=f"X-Ganetix-Seen: {'9' * 5000}\r\n")
        self.assertEqual(again.status, 200)

    def test_stream(self) -> None:
        """Progress is sent as it comes."""
        client = self._connect()
        client.post()
        self.calls[0].say("one")
        self.assertEqual(client.lines, [{"say": "one"}])
        self.answers[0].callback(Nothing())
        self.assertEqual(client.lines, [{"say": "one"}, {"result": {}}])

    def test_sign_of_life(self) -> None:
        """A method that says nothing shows after 1 s, then every 15 s, that the node
        is alive."""
        client = self._connect()
        client.post()
        self.clock.advance(0.9)
        self.assertEqual(client.transport.value(), b"")
        self.clock.advance(0.2)
        self.assertTrue(client.head.startswith("HTTP/1.1 200"))
        sizes = [len(client.transport.value())]
        for _ in range(3):
            self.clock.advance(15)
            sizes.append(len(client.transport.value()))
        self.assertEqual(len(set(sizes)), 4)
        self.answers[0].callback(Nothing())
        self.assertEqual(client.lines, [{"result": {}}])
        self.assertEqual(
            [call for call in self.clock.getDelayedCalls() if call.getTime() < 60], []
        )

    def test_other_version(self) -> None:
        """A caller of another node RPC is refused before anything is done, and told
        which end to upgrade; another version of ganetix alone is no reason."""
        own = f"this node runs ganetix {__version__} and speaks node RPC {PROTOCOL}"
        for told, caller, late in (
            ("0.0.9", "runs ganetix 0.0.9 and speaks node RPC 0", "the caller"),
            ("x" * 99, "runs ganetix (unknown) and speaks node RPC 0", "the caller"),
            ("99 7.5", "runs ganetix 7.5 and speaks node RPC 99", "this node"),
        ):
            client = self._connect()
            client.post(headers=f"X-Ganetix-Version: {told}\r\n")
            line = f"VERSION_MISMATCH: the caller {caller}, {own}: upgrade {late}"
            self.assertEqual(self._error(client), line)
        self.assertEqual(self.calls, [])
        client = self._connect()
        client.post(headers=f"X-Ganetix-Version: {PROTOCOL} 9.9\r\n")
        self.assertEqual(len(self.calls), 1)

    def test_newcomer_of_other_version(self) -> None:
        """A node that would join with another version hears the same."""
        client = self._connect(join_identity(7))
        client.post(ENROL.name, headers="X-Ganetix-Version: 99 7.5\r\n")
        self.assertIn("VERSION_MISMATCH: the caller runs", self._error(client))

    def test_stranger_of_other_version(self) -> None:
        """Whoever may not call learns nothing of versions."""
        client = self._connect(node_identity(9))
        client.post(headers="X-Ganetix-Version: 99 7.5\r\n")
        self.assertIn("AUTHENTICATION_FAILED", self._error(client))

    def test_refusals(self) -> None:
        """What is not a good call gets its status and one clear line."""
        for request, status, line in (
            ({"method": "no_such"}, 404, "NOT_FOUND: this node has no RPC method"),
            ({"method": "os_list"}, 404, "NOT_FOUND: this node has no RPC method"),
            ({"verb": "GET"}, 400, "BAD_PARAMETER: only POST /rpc/METHOD"),
            ({"request_id": "x"}, 400, "BAD_PARAMETER: the request id"),
            ({"body": b"[]"}, 400, "BAD_PARAMETER: delay: "),
            ({"body": b'{"duration": "x"}'}, 400, "BAD_PARAMETER: delay: "),
            ({"body": b"\xff"}, 400, "BAD_PARAMETER: delay: "),
        ):
            client = self._connect()
            client.post(**request)
            self.assertEqual(client.status, status)
            self.assertTrue(self._error(client).startswith(line), self._error(client))
        self.assertEqual(self.calls, [])

    def test_strangers(self) -> None:
        """Who is not admitted gets 403, whatever is asked."""
        for identity in (None, node_identity(2), join_identity(7)):
            for method in ("delay", "no_such"):
                client = self._connect(identity)
                client.post(method)
                self.assertEqual(client.status, 403)
        self.assertEqual(self.calls, [])

    def test_repeated_while_running(self) -> None:
        """A repeat of a request that runs hears the rest; the work runs once."""
        first, second = self._connect(), self._connect()
        first.post()
        self.calls[0].say("one")
        first.lose()
        self.calls[0].say("two")
        second.post(headers="X-Ganetix-Seen: 1\r\n")
        self.answers[0].callback(Nothing())
        self.assertEqual(second.lines, [{"say": "two"}, {"result": {}}])
        self.assertEqual(len(self.calls), 1)

    def test_repeated_afterwards(self) -> None:
        """A repeat of a request that is done gets its answer."""
        first, second = self._connect(), self._connect()
        first.post()
        first.lose()
        self.answers[0].callback(Nothing())
        second.post()
        self.assertEqual(second.lines, [{"result": {}}])
        self.assertEqual(len(self.calls), 1)

    def test_id_used_twice(self) -> None:
        """An id that comes with another request is refused."""
        first, second = self._connect(), self._connect()
        first.post()
        second.post(body=b'{"duration": 1}')
        self.assertIn("used for another request", self._error(second))
        self.answers[0].callback(Nothing())

    def test_expected_epoch(self) -> None:
        """A repeat that was meant for the daemon before this one is not run."""
        client = self._connect()
        client.post(headers="X-Ganetix-Epoch: another\r\n")
        self.assertEqual(client.status, 503)
        self.assertIn("not known", self._error(client))
        self.assertEqual(self.calls, [])

    def test_master_of_old(self) -> None:
        """A master whose epoch is over gets 409, and learns who is obeyed instead."""
        newer = Claim(number=3, master=node_identity(2).uuid, since=5.0)
        self.rpc = RpcResource(
            self.clock,
            {DELAY.name: self._delay},
            lambda: {MASTER.uuid: (MASTER.fingerprint,)},
            allegiance=Allegiance(newer),
        )
        self.site = RpcSite(self.clock, self.rpc)
        for epoch in (2, 3):
            client = self._connect()
            client.post(headers=f"X-Ganetix-Master-Epoch: {epoch}\r\n")
            self.assertEqual(client.status, 409)
            self.assertIn("STALE_EPOCH: epoch 3 has begun", self._error(client))
        # It may be no candidate any more: that is no reason to leave it in the dark.
        for epoch, status in ((2, 409), (4, 403)):
            client = self._connect(node_identity(5))
            client.post(headers=f"X-Ganetix-Master-Epoch: {epoch}\r\n")
            self.assertEqual(client.status, status)
        client = self._connect()
        client.post(headers="X-Ganetix-Master-Epoch: -1\r\n")
        self.assertIn("BAD_PARAMETER", self._error(client))
        self.assertEqual(self.calls, [])
        client = self._connect()
        client.post(headers="X-Ganetix-Master-Epoch: 4\r\n")
        self.answers[0].callback(Nothing())
        self.assertEqual(client.status, 200)

    def test_reader_gone(self) -> None:
        """A read-only method whose caller goes away is cancelled."""
        client = self._connect()
        client.post(DISK_LIST.name, b"{}")
        client.lose()
        self.assertEqual(self.cancelled, self.answers)

    def test_changer_gone(self) -> None:
        """A method that changes things runs on without its caller."""
        client = self._connect()
        client.post()
        gone = self.calls[0].caller_gone()
        client.lose()
        self.successResultOf(gone)
        self.assertEqual(self.cancelled, [])
        self.assertEqual(self.rpc.running, (DELAY.name,))

    def test_handler_that_raises(self) -> None:
        """A handler that fails at once is answered like any other."""
        self.rpc = RpcResource(
            self.clock,
            {DELAY.name: lambda request, call: succeed(1 // 0)},
            lambda: {MASTER.uuid: (MASTER.fingerprint,)},
        )
        self.site = RpcSite(self.clock, self.rpc)
        client = self._connect()
        client.post()
        self.assertIn("BUG: internal error", self._error(client))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.rpc.running, ())

    def test_too_large(self) -> None:
        """A body beyond the bound is refused by its announced length."""
        for identity, most in (
            (MASTER, wire.MOST_REQUEST_BYTES),
            (node_identity(2), MOST_STRANGER_BYTES),
            (join_identity(7), MOST_STRANGER_BYTES),
        ):
            client = self._connect(identity)
            client.post(body=b"", headers=f"Content-Length: {most + 1}\r\n")
            self.assertEqual(client.status, 413)
            self.assertTrue(client.transport.disconnecting)
            self.assertIn(str(most), self._error(client))
            client.protocol.dataReceived(b"x" * 1000)

    def test_no_length(self) -> None:
        """A body of unknown length is refused."""
        client = self._connect()
        client.post(body=b"", headers="Transfer-Encoding: chunked\r\n")
        self.assertEqual(client.status, 413)
        client.protocol.dataReceived(b"5\r\nhello\r\n0\r\n\r\n")
        self.assertEqual(self.calls, [])

    def test_caller_that_does_not_read(self) -> None:
        """A caller that reads nothing loses its connection, not the node its memory."""
        client = self._connect()
        client.post()
        self.calls[0].say("begun")
        producer = client.transport.producer
        assert producer is not None
        producer.pauseProducing()
        for _ in range(MOST_BACKLOG_BYTES // 60_000 + 2):
            self.calls[0].say("x" * 60_000)
        self.assertTrue(client.transport.disconnected)
        client.lose()
        self.answers[0].callback(Nothing())

    def test_stopping(self) -> None:
        """A node that stops refuses new calls and waits for those that run."""
        first, second = self._connect(), self._connect()
        first.post()
        stopped = self.rpc.stop()
        second.post(request_id="22222222-2222")
        self.assertEqual(second.status, 503)
        self.assertNoResult(stopped)
        self.answers[0].callback(Nothing())
        self.successResultOf(stopped)
