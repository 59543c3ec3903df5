"""Asking many nodes, and the fake that stands for them in tests."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ganetix.errors import (
    BadParameter,
    HypervisorFault,
    NodeUnreachable,
    NotFound,
    RemoteFailure,
)
from ganetix.interfaces import INodeRpc
from ganetix.objects.node_calls import Delay, OsInfo, OsList
from ganetix.rpc.fanout import Failed, Offline, Ok, ask_all
from ganetix.rpc.methods import DELAY, OS_LIST, Nothing
from ganetix.rpc.server import Call
from ganetix.test.functional.tls_nodes import node_at
from ganetix.testing.pki import node_uuid
from ganetix.testing.rpc import FakeNodeRpc

NODES = tuple(node_at(node_uuid(n), f"127.0.0.{n}", 1811) for n in (1, 2, 3))
ANSWER = OsList(definitions=(OsInfo(name="tiny", path="/os/tiny"),))


def os_list(request: Nothing, call: Call) -> Deferred[OsList]:
    """A node with one definition."""
    return succeed(ANSWER)


class FanoutTests(SynchronousTestCase):
    """Answers are values."""

    def setUp(self) -> None:
        self.rpc = FakeNodeRpc({node.uuid: {"os_list": os_list} for node in NODES})

    def test_each_its_answer(self) -> None:
        """Of three nodes one answers, one is down, one is offline and left alone."""
        self.rpc.set_down(NODES[1].uuid)
        nodes = (*NODES[:2], replace(NODES[2], offline=True))
        answers = self.successResultOf(ask_all(self.rpc, nodes, OS_LIST, Nothing()))
        self.assertEqual(answers[NODES[0].uuid], Ok(ANSWER))
        self.assertIsInstance(answers[NODES[1].uuid], Failed)
        self.assertEqual(answers[NODES[2].uuid], Offline(NODES[2].name))
        self.assertEqual(len(self.rpc.calls), 2)

    def test_require(self) -> None:
        """What is required is there, or its absence is raised as the error it was."""
        self.assertIs(Ok(ANSWER).require(), ANSWER)
        self.assertRaises(NotFound, Failed(NotFound("gone")).require)
        self.assertRaises(NodeUnreachable, Offline("node1").require)

    def test_in_parallel(self) -> None:
        """A node that takes its time holds up no other."""
        slow: Deferred[OsList] = Deferred()
        self.rpc.handlers = {
            NODES[0].uuid: {"os_list": lambda request, call: slow},
            NODES[1].uuid: {"os_list": os_list},
        }
        asked = ask_all(self.rpc, NODES[:2], OS_LIST, Nothing())
        self.assertEqual(len(self.rpc.calls), 2)
        self.assertNoResult(asked)
        slow.callback(ANSWER)
        self.assertEqual(len(self.successResultOf(asked)), 2)

    def test_nobody(self) -> None:
        """No nodes, no answers."""
        asked = ask_all(self.rpc, (), OS_LIST, Nothing())
        self.assertEqual(self.successResultOf(asked), {})


class FakeNodeRpcTests(SynchronousTestCase):
    """The fake behaves as the real thing where tests look."""

    def setUp(self) -> None:
        self.handled: list[object] = []
        self.rpc = FakeNodeRpc({NODES[0].uuid: {"delay": self._delay}})

    def _delay(self, request: Delay, call: Call) -> Deferred[Any]:
        self.handled.append(request)
        call.say("waiting")
        if request.duration < 0:
            return fail(BadParameter("duration: negative"))
        return succeed(Nothing() if request.duration < 9 else {"wrong": 1})

    def test_interface(self) -> None:
        """It provides what it stands for."""
        verifyObject(INodeRpc, self.rpc)

    def test_call(self) -> None:
        """A call goes through the codec, its progress too."""
        said: list[str] = []
        called = self.rpc.call(NODES[0], DELAY, Delay(duration=1), said.append)
        self.assertEqual(self.successResultOf(called), Nothing())
        self.assertEqual(said, ["waiting"])
        self.assertEqual(self.rpc.called(DELAY), [Delay(duration=1)])

    def test_errors(self) -> None:
        """Errors come as a node would send them."""
        called = self.rpc.call(NODES[0], DELAY, Delay(duration=-1))
        self.failureResultOf(called, BadParameter)
        self.failureResultOf(self.rpc.call(NODES[0], OS_LIST, Nothing()), NotFound)

    def test_wrong_request(self) -> None:
        """A request that the codec would not take does not reach the handler."""
        called = self.rpc.call(NODES[0], DELAY, Delay(duration="x"))  # type: ignore[arg-type]
        self.failureResultOf(called, BadParameter)
        self.assertEqual(self.handled, [])

    def test_nth_call(self) -> None:
        """The call that is to fail does so, before the work or after it."""
        request = Delay(duration=1)
        self.rpc.fail(DELAY, HypervisorFault("broken"), nth=2)
        self.rpc.fail(DELAY, RemoteFailure("answer lost"), nth=3, after_running=True)
        self.successResultOf(self.rpc.call(NODES[0], DELAY, request))
        self.failureResultOf(self.rpc.call(NODES[0], DELAY, request), HypervisorFault)
        self.assertEqual(len(self.handled), 1)
        self.failureResultOf(self.rpc.call(NODES[0], DELAY, request), RemoteFailure)
        self.assertEqual(len(self.handled), 2)
        self.successResultOf(self.rpc.call(NODES[0], DELAY, request))

    def test_goes_down_during_a_call(self) -> None:
        """A node that dies before it answers is unreachable, its work done or not."""
        slow: Deferred[Nothing] = Deferred()
        self.rpc.handlers = {NODES[0].uuid: {"delay": lambda request, call: slow}}
        called = self.rpc.call(NODES[0], DELAY, Delay(duration=1))
        self.rpc.set_down(NODES[0].uuid)
        slow.callback(Nothing())
        self.failureResultOf(called, NodeUnreachable)
