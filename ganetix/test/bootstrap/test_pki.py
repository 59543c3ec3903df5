"""The cluster CA and what it signs."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from ganetix.bootstrap import pki
from ganetix.errors import BadParameter, StateFault
from ganetix.testing.pki import authority, join_identity, node_identity, node_uuid

DAY = 86400.0


class AuthorityTests(SynchronousTestCase):
    """The CA."""

    def test_signs(self) -> None:
        """It is a CA that may sign certificates, and none below it is one."""
        extensions = authority().certificate.extensions
        constraints = extensions.get_extension_for_class(x509.BasicConstraints)
        self.assertTrue(constraints.critical)
        self.assertEqual(
            (constraints.value.ca, constraints.value.path_length), (True, 0)
        )
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        self.assertTrue(usage.key_cert_sign)

    def test_subject(self) -> None:
        """Its subject begins with the cluster's UUID, and no two have the same."""
        names = {
            pki.make_ca(node_uuid(5), 0.0).certificate.subject.rfc4514_string()
            for _ in range(2)
        }
        self.assertEqual(len(names), 2)
        for name in names:
            self.assertTrue(name.startswith(f"CN={node_uuid(5)} "), name)

    def test_outlives_nodes(self) -> None:
        """It outlives a node's certificate made years later."""
        ca = pki.make_ca(node_uuid(5), 0.0)
        self.assertGreater(pki.expiry(ca.certificate), 14 * 365 * DAY)


class BundleTests(SynchronousTestCase):
    """Files with more than one CA."""

    def test_issuer(self) -> None:
        """The CA that issued a certificate is found among several."""
        others = [authority("first").certificate, authority("second").certificate]
        bundle = pki.load_bundle(pki.bundle_pem(others), "ca.pem")
        mine = node_identity(1, "second").certificate
        self.assertEqual(pki.issuer_of(mine, bundle), others[1])
        self.assertIsNone(pki.issuer_of(mine, others[:1]))

    def test_no_bundle(self) -> None:
        """A file without certificates is named."""
        error = self.assertRaises(StateFault, pki.load_bundle, b"nonsense", "ca.pem")
        self.assertIn("ca.pem holds no certificate", str(error))


class NodeCertificateTests(SynchronousTestCase):
    """What the CA signs for nodes."""

    def setUp(self) -> None:
        self.key = pki.make_key()
        self.now = float(int(time.time()))

    def _sign(self, request: bytes) -> x509.Certificate:
        return pki.sign_node(authority(), request, node_uuid(4), self.now)

    def test_names_the_node(self) -> None:
        """The certificate is for the requester's key and the node's UUID."""
        signed = self._sign(pki.signing_request(self.key, node_uuid(4)))
        names = signed.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value.get_values_for_type(x509.DNSName)
        self.assertEqual(names, [f"{node_uuid(4)}.node.ganetix"])
        self.assertEqual(signed.public_key(), self.key.public_key())
        signed.verify_directly_issued_by(authority().certificate)

    def test_usages(self) -> None:
        """A node is server and client, and no CA."""
        extensions = node_identity(1).certificate.extensions
        usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        self.assertEqual(
            set(usages),
            {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH},
        )
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
        self.assertFalse(constraints.ca)

    def test_validity(self) -> None:
        """It is good an hour before it was made, for clocks, and for five years."""
        signed = self._sign(pki.signing_request(self.key, node_uuid(4)))
        start = signed.not_valid_before_utc.timestamp()
        self.assertEqual(start, self.now - 3600)
        self.assertEqual(pki.expiry(signed), self.now + 5 * 365.25 * DAY)

    def test_another_node(self) -> None:
        """A request that names another node is refused."""
        request = pki.signing_request(self.key, node_uuid(5))
        error = self.assertRaises(BadParameter, self._sign, request)
        self.assertIn(node_uuid(4), str(error))

    def test_other_keys(self) -> None:
        """Keys on other curves are refused."""
        key = ec.generate_private_key(ec.SECP384R1())
        request = pki.signing_request(key, node_uuid(4))
        self.assertRaises(BadParameter, self._sign, request)

    def test_not_its_own_key(self) -> None:
        """A request that its own key did not sign is refused."""
        request = bytearray(
            x509.load_pem_x509_csr(
                pki.signing_request(self.key, node_uuid(4))
            ).public_bytes(Encoding.DER)
        )
        request[-1] ^= 1
        text = x509.load_der_x509_csr(bytes(request)).public_bytes(Encoding.PEM)
        self.assertRaises(BadParameter, self._sign, text)

    def test_nonsense(self) -> None:
        """What is no request is refused in one line."""
        error = self.assertRaises(BadParameter, self._sign, b"nonsense")
        self.assertNotIn("\n", str(error))

    def test_extensions_are_not_taken(self) -> None:
        """Nothing that a request asks for finds its way into the certificate."""
        plain = x509.load_pem_x509_csr(pki.signing_request(self.key, node_uuid(4)))
        asked = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(plain.subject)
            .add_extension(x509.BasicConstraints(ca=True, path_length=9), True)
        )
        signed = self._sign(asked.sign(self.key, SHA256()).public_bytes(Encoding.PEM))
        constraints = signed.extensions.get_extension_for_class(x509.BasicConstraints)
        self.assertFalse(constraints.value.ca)

    def test_join_certificate(self) -> None:
        """A join certificate is a client's only, and ends with its token."""
        key, signed = pki.make_join_certificate(
            authority(), node_uuid(4), self.now, 3600
        )
        usages = signed.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        self.assertEqual(list(usages), [ExtendedKeyUsageOID.CLIENT_AUTH])
        self.assertEqual(pki.expiry(signed), self.now + 3600)
        self.assertEqual(signed.public_key(), key.public_key())

    def test_another_ca(self) -> None:
        """A CA of another cluster did not sign it."""
        self.assertRaises(
            (InvalidSignature, ValueError),
            join_identity(7).certificate.verify_directly_issued_by,
            authority("second").certificate,
        )


class OpensslTests(SynchronousTestCase):
    """The openssl command agrees."""

    def test_verifies(self) -> None:
        """A node's certificate stands for servers and clients in strict mode."""
        openssl = shutil.which("openssl")
        if openssl is None:
            raise SkipTest("openssl is not installed")
        directory = Path(self.mktemp())
        directory.mkdir()
        ca, node = directory / "ca.pem", directory / "node.pem"
        ca.write_bytes(authority().certificate_pem)
        node.write_bytes(pki.pem(node_identity(1).certificate))
        for purpose in ("sslserver", "sslclient"):
            done = subprocess.run(  # noqa: S603
                [openssl, "verify", "-purpose", purpose, "-CAfile", ca, node],
                capture_output=True,
                check=False,
            )
            self.assertEqual(done.returncode, 0, done.stderr)
