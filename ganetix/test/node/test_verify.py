"""Tests of what a node finds out about itself."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.serialization import Encoding

from ganetix.bootstrap.dirs import write_file, write_secret
from ganetix.bootstrap.pki import (
    expiry,
    key_pem,
    make_ca,
    make_key,
    sign_node,
    signing_request,
)
from ganetix.bootstrap.ssconf import write_ssconf
from ganetix.objects.node_calls import (
    Neighbour,
    NodeVerify,
    StateRequest,
    VerifyRequest,
)
from ganetix.rpc.methods import NODE_VERIFY
from ganetix.test.node.support import HOST, NODE_UUID, NodeCase, guest

NOW = 1_800_000_000.0


class VerifyTests(NodeCase):
    """The method ``node_verify``."""

    def setUp(self) -> None:
        """Make the node a member."""
        super().setUp()
        self.ca = make_ca("c1", NOW)
        key = make_key()
        request = signing_request(key, NODE_UUID)
        self.certificate = sign_node(self.ca, request, NODE_UUID, NOW)
        write_secret(self.paths.node_key, key_pem(key))
        write_file(
            self.paths.node_certificate, self.certificate.public_bytes(Encoding.PEM)
        )
        write_file(self.paths.ca_certificate, self.ca.certificate_pem)

    def found(self, *addresses: str) -> NodeVerify:
        """What the node finds."""
        return self.ask(
            NODE_VERIFY,
            VerifyRequest(
                hypervisors=("stub",), disk_templates=("file",), addresses=addresses
            ),
        )

    def test_all_well(self) -> None:
        """A healthy node has no problems, and says which certificates it has."""
        self.reactor.advance(7.0)
        found = self.found()
        self.assertEqual(
            (found.problems, found.loose_secrets, found.missing_addresses),
            ((), (), ()),
        )
        self.assertEqual(found.authorities, (self.ca.fingerprint,))
        self.assertEqual(found.certificate_expires, expiry(self.certificate))
        self.assertEqual(len(found.certificate_fingerprint), 64)
        self.assertEqual(found.time, 7.0)

    def test_ssconf(self) -> None:
        """ssconf files are told by the digests of their contents."""
        write_ssconf(self.paths, {"cluster_name": "c1\n"}, 1)
        digest = hashlib.sha256(b"c1\n").hexdigest()
        self.assertEqual(self.found().ssconf, {"cluster_name": digest})

    def test_loose_secret(self) -> None:
        """A key that others may read is named."""
        self.paths.node_key.chmod(0o640)
        self.assertEqual(self.found().loose_secrets, (str(self.paths.node_key),))

    def test_master_files(self) -> None:
        """What only masters and candidates should have is named."""
        self.assertEqual(self.found().master_files, ())
        for path in (self.paths.state_db, self.paths.ca_key):
            path.touch(0o600)
        self.assertEqual(
            self.found().master_files,
            (str(self.paths.state_db), str(self.paths.ca_key)),
        )

    def test_missing_address(self) -> None:
        """An address that the host has not is named."""
        found = self.found("127.0.0.11", "192.0.2.1")
        self.assertEqual(found.missing_addresses, ("192.0.2.1",))

    def test_missing_files(self) -> None:
        """Missing and damaged files are problems, not failures."""
        self.paths.node_key.unlink()
        self.paths.node_certificate.write_text("nonsense")
        self.paths.ca_certificate.unlink()
        found = self.found()
        text = "\n".join(found.problems)
        self.assertRegex(text, "node.key is missing")
        self.assertRegex(text, "node.pem holds no certificate")
        self.assertRegex(text, "ca.pem cannot be read: No such file")
        self.assertEqual((found.certificate_fingerprint, found.authorities), ("", ()))

    def test_providers(self) -> None:
        """What hypervisors and storages say is passed on under their names."""
        self.hypervisor.problems = ("no qemu",)
        self.storage.problems = ["read-only"]
        self.assertEqual(
            self.found().problems,
            ("hypervisor stub: no qemu", "disk template file: read-only"),
        )

    def test_state(self) -> None:
        """Resources, guests, disks and OS names come with it, if they are wanted."""
        self.assertIsNone(self.found().info)
        state = StateRequest(
            hypervisors=("stub",), disk_templates=("file",), os_names=True
        )
        self.hypervisor.add(guest())
        told = self.ask(NODE_VERIFY, VerifyRequest(state=state))
        assert told.info is not None
        self.assertEqual(told.info.memory_total_mib, HOST.memory_total_mib)
        self.assertEqual(len(told.info.guests), 1)
        self.assertEqual((told.disks, told.os_names), ((), ("tiny",)))

    def test_state_that_cannot_be_told(self) -> None:
        """What cannot be found out is a problem, and is not told."""
        state = StateRequest(hypervisors=("xen",))
        told = self.ask(NODE_VERIFY, VerifyRequest(state=state))
        self.assertIsNone(told.info)
        self.assertEqual(told.disks, ())
        self.assertRegex("; ".join(told.problems), "no hypervisor 'xen'")

    def test_interfaces(self) -> None:
        """Network interfaces are named, if they are wanted."""
        self.assertIsNone(self.found().interfaces)
        told = self.ask(NODE_VERIFY, VerifyRequest(interfaces=True))
        self.assertIn("lo", told.interfaces or ())

    def test_neighbours(self) -> None:
        """Neighbours that do not answer are named by their addresses."""
        self.deaf.add("192.0.2.7")
        ring = tuple(
            Neighbour(address=address, port=1811)
            for address in ("192.0.2.7", "192.0.2.8")
        )
        told = self.ask(NODE_VERIFY, VerifyRequest(neighbours=ring))
        self.assertEqual(told.silent_addresses, ("192.0.2.7",))
