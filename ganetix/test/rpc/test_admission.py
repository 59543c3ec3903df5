"""Whom a node obeys."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import AuthenticationFailed, StaleEpoch
from ganetix.objects.replica import Claim, obeyed
from ganetix.rpc.admission import (
    Allegiance,
    CandidatesFile,
    admit,
    parse_candidates,
)
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


class AllegianceTests(SynchronousTestCase):
    """Whose commands are obeyed."""

    def setUp(self) -> None:
        self.allegiance = Allegiance()

    def test_anybody(self) -> None:
        """Who has heard of no epoch obeys whoever commands, and then no older one."""
        self.allegiance.obey(Claim(number=3, master="a"))
        error = self.assertRaises(
            StaleEpoch, self.allegiance.obey, Claim(number=2, master="b")
        )
        self.assertEqual(obeyed(error), Claim(number=3, master="a"))

    def test_newer(self) -> None:
        """A newer epoch is obeyed, whether it was heard of or commands itself."""
        self.allegiance.hear(Claim(number=1, master="a"))
        self.allegiance.hear(Claim(number=2, master="b"))
        self.assertRaises(StaleEpoch, self.allegiance.obey, Claim(number=1, master="a"))
        self.allegiance.obey(Claim(number=4, master="c"))
        self.assertRaises(StaleEpoch, self.allegiance.obey, Claim(number=2, master="b"))

    def test_two_of_one_number(self) -> None:
        """Of two that begin the same epoch the first is obeyed."""
        self.allegiance.obey(Claim(number=2, master="b"))
        self.allegiance.hear(Claim(number=2, master="c", since=5.0))
        self.assertRaises(StaleEpoch, self.allegiance.obey, Claim(number=2, master="c"))
        self.allegiance.obey(Claim(number=2, master="b"))

    def test_since_when(self) -> None:
        """When an epoch began is told, if that was heard."""
        self.allegiance.hear(Claim(number=2, master="b", since=5.0))
        self.allegiance.obey(Claim(number=2, master="b"))
        error = self.assertRaises(
            StaleEpoch, self.allegiance.obey, Claim(number=1, master="a")
        )
        self.assertEqual(obeyed(error).since, 5.0)


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
