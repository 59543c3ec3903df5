"""Certificates and the CA are renewed under a cluster of real daemons."""

from __future__ import annotations

import json
import signal
from typing import Any

from cryptography import x509
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from ganetix.bootstrap import pki
from ganetix.testing.cluster import Output, RealCluster

NETWORK = 47


class RenewTests(TestCase):
    """Three nodes, all of them master candidates."""

    timeout = 600

    async def setUp(self) -> None:  # type: ignore[override]
        """Start them, with an instance on the last."""
        self.cluster = RealCluster(reactor, NETWORK, 3)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.cluster.stop()))
        await self.cluster.start()
        await self.cluster.gnt(
            *("gnt-instance", "add", "-t", "diskless", "-o", "noop"),
            *("-n", "node3", "--no-install", "web1.example"),
        )

    def certificate(self, name: str) -> x509.Certificate:
        """A node's certificate."""
        path = self.cluster.paths(name).node_certificate
        return x509.load_pem_x509_certificate(path.read_bytes())

    def authorities(self, name: str) -> list[str]:
        """Fingerprints of the CAs that a node trusts."""
        path = self.cluster.paths(name).ca_certificate
        return [*map(pki.fingerprint, pki.load_bundle(path.read_bytes(), str(path)))]

    async def renew(self, *options: str) -> Output:
        """Renew; the cluster can be asked for its instances all along."""
        done: list[Output] = []
        renewing = Deferred.fromCoroutine(
            self.cluster.run("gnt-cluster", "renew-crypto", *options)
        )
        _ = renewing.addCallback(done.append)
        while not done:
            status = await self.cluster.column("instance", "status", "web1.example")
            self.assertEqual(status, ["running"])
            await deferLater(reactor, 0.05)
        return done[0]

    async def findings(self) -> list[dict[str, Any]]:
        """What verify finds, but for the disk space of the machine of the test."""
        verified = await self.cluster.run("gnt-cluster", "verify", "--json")
        found: list[dict[str, Any]] = json.loads(verified.out)["findings"]
        return [each for each in found if each["code"] != "ENODEDISK"]

    async def test_node_certificates(self) -> None:
        """All nodes get new keys and certificates; the daemons do not restart."""
        names = self.cluster.names
        before = {name: self.certificate(name) for name in names}
        keys = {name: self.cluster.paths(name).node_key.read_bytes() for name in names}
        pids = {name: running.pid for name, running in self.cluster.daemons.items()}
        done = await self.renew("--new-node-certificates")
        self.assertEqual(done.status, 0, done)
        for name in names:
            self.assertNotEqual(self.certificate(name), before[name])
            paths = self.cluster.paths(name)
            self.assertNotEqual(paths.node_key.read_bytes(), keys[name])
            self.assertFalse(paths.next_node_key.exists())
        after = {name: running.pid for name, running in self.cluster.daemons.items()}
        self.assertEqual(after, pids)
        self.assertEqual(await self.findings(), [])
        # What the files hold is what the daemons show, also to a master that is new.
        await self.cluster.end("master")
        await self.cluster.start_master()
        self.assertEqual(await self.findings(), [])
        await self.cluster.gnt("gnt-instance", "shutdown", "web1.example")

    async def test_ca(self) -> None:
        """The CA changes under the cluster; keys of the CA are with all candidates."""
        (old,) = self.authorities("node1")
        done = await self.renew("--new-ca")
        self.assertEqual(done.status, 0, done)
        (new,) = self.authorities("node1")
        self.assertNotEqual(new, old)
        key = self.cluster.paths("node1").ca_key.read_bytes()
        for name in self.cluster.names:
            self.assertEqual(self.authorities(name), [new])
            self.assertEqual(self.cluster.paths(name).ca_key.read_bytes(), key)
            self.assertFalse(self.cluster.paths(name).next_ca_key.exists())
        self.assertEqual(await self.findings(), [])
        # A new node joins by a token of the new CA.
        self.cluster.names.append("node4")
        (self.cluster.base / "node4").mkdir()
        await self.cluster.join("node4")
        self.assertEqual(self.authorities("node4"), [new])

    async def test_ca_with_a_node_down(self) -> None:
        """A node that is down is waited for, and is not locked out."""
        await self.cluster.end("node2", signal.SIGKILL)
        done = await self.renew("--new-ca")
        self.assertEqual(done.status, 1, done)
        self.assertIn("the new CA waits for node2", done.err)
        info = await self.cluster.gnt("gnt-cluster", "info")
        self.assertIn("renewal of the CA under way since", info.out)
        self.cluster.start_node("node2")

        async def goes_on() -> bool:
            again = await self.renew("--new-ca")
            return again.status == 0

        await self.cluster.until(goes_on, "the renewal goes on")
        (new,) = self.authorities("node1")
        self.assertEqual(self.authorities("node2"), [new])
        self.assertEqual(await self.findings(), [])
