"""Tests of leaving the cluster, and of waiting."""

from __future__ import annotations

from twisted.internet.defer import CancelledError

from ganetix.bootstrap.ssconf import ssconf_names, write_ssconf
from ganetix.errors import BadParameter, WrongState
from ganetix.objects.guest_calls import OsCreate
from ganetix.objects.node_calls import Delay
from ganetix.rpc.methods import DELAY, NODE_LEAVE, OS_CREATE, Nothing
from ganetix.test.node.support import NodeCase, guest


class LeaveTests(NodeCase):
    """The method ``node_leave``."""

    def setUp(self) -> None:
        """Make the node a member, as far as files go."""
        super().setUp()
        for path in (
            self.paths.node_key,
            self.paths.node_certificate,
            self.paths.ca_certificate,
        ):
            path.touch()
        write_ssconf(self.paths, {"cluster_name": "c1\n"}, 3)

    def assertMember(self) -> None:
        """Nothing was forgotten."""
        self.assertTrue(self.paths.node_key.exists())
        self.assertEqual(ssconf_names(self.paths), {"cluster_name"})
        self.assertEqual(self.left, [])

    def test_forgets(self) -> None:
        """Key, certificates and ssconf are removed, and the daemon is told."""
        keep = self.paths.lib / "guests.txt"
        keep.touch()
        self.ask(NODE_LEAVE, Nothing())
        self.assertEqual(list(self.paths.lib.iterdir()), [keep])
        self.assertEqual(self.left, [True])

    def test_guest_runs(self) -> None:
        """A node with a running guest stays a member; the guest is named."""
        self.hypervisor.add(guest(name="web1"))
        self.hypervisor.add(guest(name="web2"), state="admin-down")
        text = self.refusal(NODE_LEAVE, Nothing(), WrongState)
        self.assertIn("web1", text)
        self.assertNotIn("web2", text)
        self.assertMember()

    def test_guest_unknown_state(self) -> None:
        """A guest that does not answer counts as running."""
        self.hypervisor.add(guest(), state="unknown")
        self.refusal(NODE_LEAVE, Nothing(), WrongState)
        self.assertMember()

    def test_script_runs(self) -> None:
        """A node on which a guest is being made stays a member."""
        self.attempt(OS_CREATE, OsCreate(guest=guest()))
        self.refusal(NODE_LEAVE, Nothing(), WrongState)
        self.assertMember()


class DelayTests(NodeCase):
    """The method ``delay``."""

    def test_waits(self) -> None:
        """The answer comes after the time asked for."""
        attempt = self.attempt(DELAY, Delay(duration=3.0))
        self.reactor.advance(2.9)
        self.assertNoResult(attempt.result)
        self.reactor.advance(0.2)
        self.successResultOf(attempt.result)

    def test_caller_goes_away(self) -> None:
        """Nobody is waited for who has gone."""
        attempt = self.attempt(DELAY, Delay(duration=3.0))
        attempt.hang_up()
        self.failureResultOf(attempt.result, CancelledError)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_bad_duration(self) -> None:
        """A duration must be a number of seconds from 0 on."""
        for duration in (-1.0, float("inf"), float("nan")):
            self.refusal(DELAY, Delay(duration=duration), BadParameter)
