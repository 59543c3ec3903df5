"""Tests for the CA's keys and certificates on the master node."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ganetix.bootstrap import pki
from ganetix.bootstrap.authorities import CertificateAuthorities
from ganetix.errors import StateFault
from ganetix.flow.offload import inline_offload
from ganetix.objects.crypto import CaRenewal, CaStep
from ganetix.paths import Paths
from ganetix.testing.pki import authority, node_uuid


class AuthoritiesTests(SynchronousTestCase):
    """A master node with its CA."""

    def setUp(self) -> None:
        """Make its files."""
        self.paths = Paths(Path(self.mktemp()).absolute())
        self.paths.lib.mkdir(parents=True)
        self.old = authority()
        self.paths.ca_key.write_bytes(pki.key_pem(self.old.key))
        self.paths.ca_certificate.write_bytes(self.old.certificate_pem)
        self.clock = Clock()
        self.clock.advance(1_800_000_000.0)

    def loaded(self) -> CertificateAuthorities:
        """As a master finds it that has just started."""
        return CertificateAuthorities(
            self.clock,
            self.paths,
            inline_offload,
            on_new_credentials=lambda: succeed(None),
            share=lambda: succeed(()),
            secrets=lambda: "",
        )

    def prepared(self) -> CaRenewal:
        """A renewal that has begun."""
        return self.successResultOf(self.loaded().prepare(node_uuid(5)))

    def issuer(self, renewal: CaRenewal | None) -> str:
        """The fingerprint of the CA that signs for a node at this step."""
        authorities = self.loaded()
        request = pki.signing_request(pki.make_key(), node_uuid(4)).decode()
        signed = authorities.sign(renewal, node_uuid(4), request)
        certificate = pki.load_bundle(signed.text.encode(), "it")[0]
        self.assertEqual(pki.fingerprint(certificate), signed.fingerprint)
        bundle = pki.load_bundle(authorities.bundle(renewal).encode(), "them")
        issuer = pki.issuer_of(certificate, bundle)
        return pki.fingerprint(issuer) if issuer else ""

    def test_files(self) -> None:
        """A missing or damaged file is named, and so is a key that does not fit."""
        self.paths.ca_key.write_bytes(pki.key_pem(pki.make_key()))
        error = self.assertRaises(StateFault, self.loaded)
        self.assertIn("is not the key of", str(error))
        self.paths.ca_key.write_bytes(b"nonsense")
        error = self.assertRaises(StateFault, self.loaded)
        self.assertIn(str(self.paths.ca_key), str(error))
        self.paths.ca_key.unlink()
        error = self.assertRaises(StateFault, self.loaded)
        self.assertIn(f"cannot read {self.paths.ca_key}", str(error))

    def test_who_signs(self) -> None:
        """The old CA signs until all nodes trust the new one."""
        self.assertEqual(self.issuer(None), self.old.fingerprint)
        renewal = self.prepared()
        steps: dict[CaStep, str] = {
            "trust": self.old.fingerprint,
            "certificates": renewal.fingerprint,
            "drop": renewal.fingerprint,
        }
        for step, expected in steps.items():
            self.assertEqual(self.issuer(replace(renewal, step=step)), expected)

    def test_key_is_secret(self) -> None:
        """The new CA's key can be read by its owner only."""
        self.prepared()
        self.assertEqual(self.paths.next_ca_key.stat().st_mode & 0o777, 0o600)

    def test_finish(self) -> None:
        """At the end the new CA is the only one, however often it is finished."""
        renewal = replace(self.prepared(), step="drop")
        authorities = self.loaded()
        for _ in range(2):
            self.successResultOf(authorities.finish(renewal))
        self.assertEqual(authorities.trust(None).signing, renewal.fingerprint)
        self.assertFalse(self.paths.next_ca_key.exists())

    def test_died_while_dropping(self) -> None:
        """The master's node may have forgotten the old CA before its key is gone."""
        renewal = replace(self.prepared(), step="drop")
        self.paths.ca_certificate.write_text(renewal.certificate)
        self.assertEqual(self.issuer(renewal), renewal.fingerprint)
        authorities = self.loaded()
        self.successResultOf(authorities.finish(renewal))
        self.assertEqual(self.loaded().trust(None).signing, renewal.fingerprint)

    def test_lost_key(self) -> None:
        """Without the new CA's key nothing is signed that must be by it."""
        renewal = self.prepared()
        self.assertTrue(self.loaded().has_key(renewal))
        self.paths.next_ca_key.unlink()
        self.assertFalse(self.loaded().has_key(renewal))
        later = replace(renewal, step="certificates")
        self.assertRaises(StateFault, self.loaded().signing, later)
        self.assertEqual(self.issuer(renewal), self.old.fingerprint)
