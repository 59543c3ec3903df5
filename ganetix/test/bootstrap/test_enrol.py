"""Tokens issued and honoured, by the master's rules."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from ganetix.bootstrap import pki, token
from ganetix.bootstrap.enrol import enrol, issue_token
from ganetix.errors import BadParameter, NotAllowed, NotFound, StateFault
from ganetix.objects.node import Enrolment, EnrolRequest, IssuedToken
from ganetix.opcodes import OpNodeEnrol
from ganetix.test.bootstrap.memory_config import first_config
from ganetix.testing.pki import authority, node_uuid

NOW = 1_800_000_000.0
NEW = node_uuid(7)


class EnrolTests(SynchronousTestCase):
    """A cluster with a reservation for test node 7."""

    def setUp(self) -> None:
        self.config = first_config(now=NOW)
        self.submitted: list[OpNodeEnrol] = []

    def _submit(self, op: OpNodeEnrol) -> Deferred[int]:
        self.submitted.append(op)
        return succeed(len(self.submitted))

    def _issue(self, lifetime_seconds: float = 3600.0) -> IssuedToken:
        return self.successResultOf(
            issue_token(
                self.config, authority(), "node7.example", NOW, lifetime_seconds
            )
        )

    def _request(self, issued: IssuedToken, node: str = NEW) -> EnrolRequest:
        certificate = token.decode(issued.token).join_certificate
        return EnrolRequest(
            node_uuid=node,
            token_fingerprint=pki.fingerprint(certificate),
            signing_request=pki.signing_request(pki.make_key(), node).decode(),
        )

    def _enrol(self, request: EnrolRequest, now: float = NOW) -> Deferred[Enrolment]:
        return enrol(self.config, authority(), request, self._submit, now)

    def _assert_refused(self, request: EnrolRequest, reason: str) -> None:
        before = self.config.snapshot()
        failure = self.failureResultOf(self._enrol(request), NotAllowed)
        self.assertIn(reason, failure.getErrorMessage())
        self.assertIs(self.config.snapshot(), before)

    def test_token(self) -> None:
        """A token says where the master is, and how to know it."""
        issued = self._issue()
        inside = token.decode(issued.token)
        self.assertEqual((inside.master_ip, inside.master_port), ("127.0.0.1", 1811))
        self.assertEqual((inside.bind_ip, inside.bind_port), ("127.0.0.7", 1811))
        self.assertEqual(inside.ca_fingerprint, authority().fingerprint)
        self.assertEqual(issued.expires, NOW + 3600)

    def test_secret_is_not_kept(self) -> None:
        """The configuration holds a fingerprint, and nothing to enrol with."""
        inside = token.decode(self._issue().token)
        known = self.config.snapshot().tokens[NEW]
        self.assertEqual(known.token, pki.fingerprint(inside.join_certificate))
        self.assertNotIn(inside.secret, repr(known).encode())

    def test_no_reservation(self) -> None:
        """A token is issued for a reservation only."""
        issued = issue_token(self.config, authority(), "node9.example", NOW)
        failure = self.failureResultOf(issued, NotFound)
        self.assertIn("node9.example", failure.getErrorMessage())

    def test_lifetime(self) -> None:
        """A lifetime has bounds."""
        for seconds in (0.0, -1.0, float("nan"), 1e9):
            issued = issue_token(self.config, authority(), NEW, NOW, seconds)
            self.failureResultOf(issued, BadParameter)

    def test_enrols(self) -> None:
        """One commit marks the token used and keeps the fingerprint; a job follows."""
        before = self.config.snapshot().revision
        request = self._request(self._issue())
        enrolment = self.successResultOf(self._enrol(request))
        snapshot = self.config.snapshot()
        self.assertEqual(snapshot.revision, before + 2)
        known = snapshot.tokens[NEW]
        self.assertTrue(known.used)
        self.assertEqual(len(known.node.certificate), 64)
        self.assertEqual(
            self.submitted, [OpNodeEnrol(node_uuid=NEW, name="node7.example")]
        )
        self.assertEqual(enrolment.ssconf_serial, snapshot.revision)
        self.assertNotIn(NEW, enrolment.ssconf["master_candidates_certs"])

    def test_used(self) -> None:
        """A token is honoured once, even if both requests come at once."""
        request = self._request(self._issue())
        self.successResultOf(self._enrol(request))
        self._assert_refused(request, "used already")
        self.assertEqual(len(self.submitted), 1)

    def test_expired(self) -> None:
        """A token ends at its time."""
        request = self._request(self._issue())
        failure = self.failureResultOf(self._enrol(request, NOW + 3600), NotAllowed)
        self.assertIn("expired", failure.getErrorMessage())

    def test_superseded(self) -> None:
        """Only the newest token counts."""
        old = self._request(self._issue())
        new = self._request(self._issue())
        self._assert_refused(old, "given last")
        self.successResultOf(self._enrol(new))

    def test_another_nodes(self) -> None:
        """A token is of use to its own node only."""
        self._assert_refused(self._request(self._issue(), node_uuid(1)), "is a member")
        self._assert_refused(
            self._request(self._issue(), node_uuid(8)), "not known here"
        )

    def test_request_of_another_node(self) -> None:
        """A signing request of another node is refused; the token stays good."""
        good = self._request(self._issue())
        csr = pki.signing_request(pki.make_key(), node_uuid(8)).decode()
        bad = EnrolRequest(
            node_uuid=NEW,
            token_fingerprint=good.token_fingerprint,
            signing_request=csr,
        )
        self.failureResultOf(self._enrol(bad), BadParameter)
        self.successResultOf(self._enrol(good))

    def test_never_issued(self) -> None:
        """A reservation without a token lets nobody in, not even with none."""
        request = EnrolRequest(node_uuid=NEW, token_fingerprint="", signing_request="x")
        self.failureResultOf(self._enrol(request), NotAllowed)

    def test_after_a_failed_job(self) -> None:
        """If the job could not be submitted, a new token makes a new start."""
        request = self._request(self._issue())
        refused = enrol(
            self.config,
            authority(),
            request,
            lambda op: fail(StateFault("the disk is full")),
            NOW,
        )
        self.failureResultOf(refused, StateFault)
        self.successResultOf(self._enrol(self._request(self._issue())))
