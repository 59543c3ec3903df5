"""Tests that the node daemon does all that the RPC table has."""

from __future__ import annotations

from ganetix.objects import new_uuid
from ganetix.objects.node_calls import EnrolCall
from ganetix.rpc.identity import PeerIdentity
from ganetix.rpc.methods import ENROL, METHODS
from ganetix.test.node.support import NodeCase


class ServiceTests(NodeCase):
    """The table and the handlers."""

    def test_every_method(self) -> None:
        """There is a handler for each method, and none besides."""
        self.assertEqual(set(self.node.handlers()), set(METHODS))

    def test_enrolment_is_relayed(self) -> None:
        """The master is told whom the join certificate names, not what is claimed."""
        peer = PeerIdentity(uuid=new_uuid(), role="join", fingerprint="cd" * 32)
        attempt = self.attempt(ENROL, EnrolCall(signing_request="PEM"), peer)
        self.assertEqual(self.successResultOf(attempt.result).job_id, 7)
        (request,) = self.enrolled
        self.assertEqual(
            (request.node_uuid, request.token_fingerprint, request.signing_request),
            (peer.uuid, peer.fingerprint, "PEM"),
        )
