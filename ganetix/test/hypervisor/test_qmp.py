"""The QMP client speaks QEMU's monitor protocol, and survives what is not."""

from __future__ import annotations

import json

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import HypervisorFault
from ganetix.hypervisor.qmp import QmpClient, QmpEvent, QmpLost, QmpRefused, RunState

GREETING = b'{"QMP": {"version": {}, "capabilities": ["oob"]}}\r\n'


class QmpClientTests(SynchronousTestCase):
    """One connection, against bytes."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.events: list[QmpEvent] = []
        self.lost: list[bool] = []
        self.client = QmpClient(
            self.clock, self.events.append, lambda: self.lost.append(True)
        )
        self.transport = StringTransport()
        self.client.makeConnection(self.transport)

    def sent(self) -> list[dict[str, object]]:
        """What was sent since the last look."""
        lines = self.transport.value().splitlines()
        self.transport.clear()
        return [json.loads(line) for line in lines]

    def greeted(self) -> None:
        """Go through the greeting."""
        self.client.dataReceived(GREETING)
        self.sent()
        self.client.dataReceived(b'{"return": {}, "id": 1}\r\n')

    def status(self) -> Deferred[RunState]:
        """Ask for the run state."""
        return Deferred.fromCoroutine(self.client.status(timeout_seconds=10))

    def test_greeting(self) -> None:
        """After QEMU's greeting the client leaves the negotiation, then is ready."""
        self.client.dataReceived(GREETING)
        self.assertEqual(self.sent()[0]["execute"], "qmp_capabilities")
        self.assertNoResult(self.client.greeted)
        self.client.dataReceived(b'{"return": {}, "id": 1}\r\n')
        self.successResultOf(self.client.greeted)

    def test_answers_by_id(self) -> None:
        """Answers find their commands in whatever order and pieces they come."""
        self.greeted()
        first, second = self.status(), self.status()
        ids = [str(request["id"]).encode() for request in self.sent()]
        data = b"".join(
            b'{"id": %s, "return": {"status": "%s", "running": true}}\r\n' % answer
            for answer in ((ids[1], b"running"), (ids[0], b"paused"))
        )
        for byte in data:
            self.client.dataReceived(bytes([byte]))
        self.assertEqual(self.successResultOf(first).status, "paused")
        self.assertEqual(self.successResultOf(second).status, "running")

    def test_error(self) -> None:
        """QEMU's refusal carries its words and its class."""
        self.greeted()
        answer = self.status()
        self.client.dataReceived(
            b'{"id": 2, "error": {"class": "CommandNotFound", "desc": "no such"}}\r\n'
        )
        error = self.failureResultOf(answer, QmpRefused).value
        self.assertEqual(str(error), "QEMU refused query-status: no such")
        self.assertEqual(error.kind, "CommandNotFound")

    def test_unexpected_answer(self) -> None:
        """An answer of another form is a fault, not a traceback."""
        self.greeted()
        answer = self.status()
        self.client.dataReceived(b'{"id": 2, "return": [1]}\r\n')
        error = self.failureResultOf(answer, HypervisorFault).value
        self.assertIn("answered query-status with something unexpected", str(error))

    def test_events(self) -> None:
        """Events go to the listener."""
        self.greeted()
        self.client.dataReceived(
            b'{"timestamp": {"seconds": 1}, "event": "SHUTDOWN",'
            b' "data": {"guest": true}}\r\n'
        )
        self.assertEqual(
            self.events, [QmpEvent(event="SHUTDOWN", data={"guest": True})]
        )

    def test_no_answer(self) -> None:
        """A command that is not answered in time fails; its late answer is ignored."""
        self.greeted()
        answer = self.status()
        self.clock.advance(10)
        error = self.failureResultOf(answer, HypervisorFault).value
        self.assertEqual(str(error), "QEMU did not answer query-status within 10 s")
        self.client.dataReceived(b'{"id": 2, "return": {}}\r\n')
        self.assertFalse(self.client.is_lost)

    def test_connection_lost(self) -> None:
        """When QEMU goes, what is pending and what comes later fails."""
        self.greeted()
        answer = self.status()
        self.client.connectionLost(Failure(ConnectionDone()))
        self.failureResultOf(answer, QmpLost)
        self.failureResultOf(self.status(), QmpLost)
        self.assertEqual(self.lost, [True])

    def test_leaving(self) -> None:
        """Who leaves hears no more."""
        self.greeted()
        self.client.disconnect()
        self.client.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.lost, [])

    def test_not_qmp(self) -> None:
        """A peer that does not speak QMP is left."""
        self.client.dataReceived(b"SSH-2.0-OpenSSH\r\n")
        error = self.failureResultOf(self.client.greeted, QmpLost).value
        self.assertIn("not QMP", str(error))
        self.assertTrue(self.transport.disconnected)

    def test_endless_line(self) -> None:
        """A line without end is not kept in memory."""
        self.greeted()
        self.client.MAX_LENGTH = 1000
        self.client.dataReceived(b'"' + b"x" * 2000)
        self.assertTrue(self.client.is_lost)
