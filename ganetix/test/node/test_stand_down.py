"""The orderly end of the master beside a node daemon."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import Unavailable
from ganetix.node.stand_down import WAIT_SECONDS, StandDownCalls
from ganetix.objects.replica_calls import StandDown
from ganetix.rpc.methods import MASTER_STAND_DOWN, Nothing
from ganetix.rpc.requests import RunningRequest
from ganetix.rpc.server import Call
from ganetix.test.node.support import MASTER


class StandDownTests(SynchronousTestCase):
    """A master daemon that ends when the test says so."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.serves = True
        self.asked: list[str] = []
        self.relayed: Deferred[None] = succeed(None)

    def _relay(self, successor: str) -> Deferred[None]:
        self.asked.append(successor)
        return self.relayed

    def _stand_down(self) -> Deferred[Nothing]:
        calls = StandDownCalls(
            self.clock, self._relay, lambda: succeed(self.serves)
        ).handlers()
        ((_, handler),) = calls
        running = RunningRequest(MASTER_STAND_DOWN.name, b"", 0.0)
        call = Call(MASTER, "id", MASTER_STAND_DOWN.name, running)
        answer: Deferred[Nothing] = handler(StandDown(successor="node2"), call)
        return answer

    def test_waits(self) -> None:
        """It is answered when the master has let go of its store."""
        answer = self._stand_down()
        self.assertEqual(self.asked, ["node2"])
        self.clock.advance(1.0)
        self.assertNoResult(answer)
        self.serves = False
        self.clock.advance(1.0)
        self.successResultOf(answer)

    def test_no_master(self) -> None:
        """Where no master runs nobody is asked."""
        self.serves = False
        self.successResultOf(self._stand_down())
        self.assertEqual(self.asked, [])

    def test_hangs(self) -> None:
        """A master that does not end is told as such."""
        answer = self._stand_down()
        self.clock.pump([0.1] * int(WAIT_SECONDS * 10 + 10))
        failure = self.failureResultOf(answer, Unavailable)
        self.assertIn("has not ended within 20 s", failure.getErrorMessage())

    def test_does_not_answer(self) -> None:
        """A master that cannot be asked is told as such."""
        self.relayed = fail(Unavailable("the master does not answer"))
        failure = self.failureResultOf(self._stand_down(), Unavailable)
        self.assertIn("does not answer", failure.getErrorMessage())
