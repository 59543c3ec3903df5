"""Whom a node obeys."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import AuthenticationFailed
from ganetix.rpc.admission import CandidatesFile, admit, parse_candidates
from ganetix.rpc.identity import peer_identity
from ganetix.testing.pki import authority, join_identity, node_identity

MASTER, MEMBER, JOINER = node_identity(1), node_identity(2), join_identity(7)
CANDIDATES = {MASTER.uuid: (MASTER.fingerprint,)}


class IdentityTests(SynchronousTestCase):
    """Whom certificates speak for."""

    def test_roles(self) -> None:
        """A certificate says which node it is for, and what it permits."""
        for identity, role in ((MASTER, "node"), (JOINER, "join")):
            found = peer_identity(identity.certificate)
            assert found is not None
            self.assertEqual((found.uuid, found.role), (identity.uuid, role))

    def test_nobody(self) -> None:
        """The CA's own certificate speaks for no node."""
        self.assertIsNone(peer_identity(authority().certificate))


class AdmitTests(SynchronousTestCase):
    """Who may call what."""

    def test_candidate(self) -> None:
        """A candidate may call any method."""
        peer = admit(peer_identity(MASTER.certificate), "delay", CANDIDATES)
        self.assertEqual(peer.uuid, MASTER.uuid)

    def test_joiner(self) -> None:
        """A join certificate permits enrol."""
        self.assertEqual(
            admit(peer_identity(JOINER.certificate), "enrol", {}).role, "join"
        )

    def test_refused(self) -> None:
        """All others are refused: no certificate, members, joiners beyond enrol."""
        listed = {JOINER.uuid: (JOINER.fingerprint,)}
        for certificate, method, candidates in (
            (None, "delay", CANDIDATES),
            (MEMBER.certificate, "delay", CANDIDATES),
            (MASTER.certificate, "delay", {}),
            (MASTER.certificate, "delay", {MASTER.uuid: (MEMBER.fingerprint,)}),
            (MASTER.certificate, "enrol", CANDIDATES),
            (JOINER.certificate, "delay", listed),
            (JOINER.certificate, "", listed),
            (authority().certificate, "delay", CANDIDATES),
        ):
            peer = peer_identity(certificate) if certificate else None
            self.assertRaises(AuthenticationFailed, admit, peer, method, candidates)


class CandidatesFileTests(SynchronousTestCase):
    """The ssconf file, read again when it changes."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.candidates = CandidatesFile(self.path)

    def test_missing(self) -> None:
        """Without the file nobody is obeyed."""
        self.assertEqual(self.candidates(), {})

    def test_changes(self) -> None:
        """A change counts at once, a removal too."""
        self.path.write_text("a=1\n")
        self.assertEqual(self.candidates(), {"a": ("1",)})
        self.path.write_text("a=1\nb=2\n")
        self.assertEqual(self.candidates(), {"a": ("1",), "b": ("2",)})
        self.path.unlink()
        self.assertEqual(self.candidates(), {})

    def test_replaced(self) -> None:
        """A file put in its place counts, even if it is as long."""
        self.path.write_text("a=1\n")
        self.candidates()
        other = self.path.with_suffix(".new")
        other.write_text("a=2\n")
        other.replace(self.path)
        self.assertEqual(self.candidates(), {"a": ("2",)})

    def test_damaged(self) -> None:
        """A file that is not text admits nobody."""
        self.path.write_bytes(b"a=\xff\n")
        self.assertEqual(self.candidates(), {})

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Whatever is in the file, no empty name or fingerprint is admitted."""
        for uuid, fingerprints in parse_candidates(text).items():
            self.assertTrue(uuid)
            self.assertTrue(all(fingerprints))

    def test_two_certificates(self) -> None:
        """While a certificate is being renewed, the old and the new one count."""
        self.path.write_text("a=1\na=2\n")
        self.assertEqual(self.candidates(), {"a": ("1", "2")})
