"""Tests for the renewal of certificates and of the CA, whatever is cut short."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ganetix.bootstrap import pki
from ganetix.bootstrap.dirs import write_file, write_secret
from ganetix.config.snapshot import Edits, Snapshot
from ganetix.objects import Node
from ganetix.opcodes import AnyOpcode, OpClusterRenewCrypto
from ganetix.plan.crypto import accepted_certificates
from ganetix.rpc.methods import (
    CERTIFICATE_INSTALL,
    CERTIFICATE_REQUEST,
    CRYPTO_STATE,
    TRUST_WRITE,
)
from ganetix.rpc.server import Call, Handler
from ganetix.rpc.tls import load_credentials
from ganetix.testing.master import SimMaster
from ganetix.testing.pki import authority

NEW_CA = OpClusterRenewCrypto(new_ca=True)
NEW_CERTIFICATES = OpClusterRenewCrypto(new_node_certificates=True)
WORK = (CERTIFICATE_INSTALL, CERTIFICATE_REQUEST, CRYPTO_STATE, TRUST_WRITE)


class CryptoMaster(SimMaster):
    """A master whose nodes have real certificates; ``node1`` and ``node2`` candidates.

    ``calls_left``: after so many calls about certificates the master dies, with the
    work of the last one done.
    """

    def __init__(self, directory: Path) -> None:
        self.calls_left: int | None = None
        super().__init__(directory, 3)
        ca = authority()
        nodes = []
        for node in self.snapshot.nodes.values():
            paths, key = self.nodes[node.name].paths, pki.make_key()
            request = pki.signing_request(key, node.uuid)
            certificate = pki.sign_node(ca, request, node.uuid, self.clock.seconds())
            write_file(paths.ca_certificate, ca.certificate_pem)
            write_secret(paths.node_key, pki.key_pem(key))
            write_file(paths.node_certificate, pki.pem(certificate))
            is_candidate = node.name != "node3"
            fingerprint = pki.fingerprint(certificate)
            nodes.append(
                replace(node, certificate=fingerprint, master_candidate=is_candidate)
            )
        _ = self.config.commit(lambda _: Edits(put=tuple(nodes)))
        self.wait(0)
        self.rpc.handlers = {
            uuid: {name: self._counted(name, handle) for name, handle in each.items()}
            for uuid, each in self.rpc.handlers.items()
        }

    def renew(self, op: AnyOpcode) -> str:
        """Run an opcode to its end; the error's text, empty if it went well."""
        job_id = self.submit(op)
        self.wait(60)
        (job,) = (job for job in self.jobs() if job.id == job_id)
        if job.error is not None:
            return job.error.message
        return "" if job.status == "success" else job.status

    def node(self, name: str) -> Node:
        """A node as the configuration has it."""
        return self.snapshot.node(name)

    def certificate(self, name: str) -> x509.Certificate:
        """A node's certificate, as its daemon would show it after a start."""
        return load_credentials(self.nodes[name].paths).certificate

    def authorities_of(self, name: str) -> list[str]:
        """Fingerprints of the CAs that a node trusts."""
        path = self.nodes[name].paths.ca_certificate
        return [*map(pki.fingerprint, pki.load_bundle(path.read_bytes(), str(path)))]

    def locked_out(self) -> list[str]:
        """Who could not be talked with, by files and configuration as they are."""
        master = load_credentials(self.nodes["node1"].paths)
        wrong = []
        for name, sim in self.nodes.items():
            own = load_credentials(sim.paths)
            accepted = accepted_certificates(self.snapshot, sim.node.uuid)
            if pki.fingerprint(own.certificate) not in accepted:
                wrong.append(f"{name} shows what is not on record")
            if pki.issuer_of(own.certificate, master.authorities) is None:
                wrong.append(f"the master does not believe {name}")
            if pki.issuer_of(master.certificate, own.authorities) is None:
                wrong.append(f"{name} does not believe the master")
        return wrong

    def unsettled(self) -> list[str]:
        """What is left of a renewal."""
        snapshot: Snapshot = self.snapshot
        left = [n.name for n in snapshot.nodes.values() if n.next_certificate]
        return left + (["the CA"] if snapshot.cluster.ca_renewal else [])

    def _counted(self, name: str, handle: Handler) -> Handler:
        if name not in {method.name for method in WORK}:
            return handle

        async def counted(value: object, call: Call) -> object:
            answer: object = await handle(value, call)
            if self.calls_left is not None:
                self.calls_left -= 1
                if self.calls_left < 0:
                    self.life.commits_left = -1
            return answer

        return lambda value, call: Deferred.fromCoroutine(counted(value, call))


class RenewTests(SynchronousTestCase):
    """Three nodes, two of them master candidates."""

    def setUp(self) -> None:
        """Make them."""
        self.sim = self.new()
        self.before = {n: self.sim.certificate(n) for n in self.sim.nodes}
        (self.old_ca,) = self.sim.authorities_of("node1")

    def new(self) -> CryptoMaster:
        """A cluster."""
        sim = CryptoMaster(Path(self.mktemp()))
        self.addCleanup(sim.recovery.stop)
        return sim

    def renewed(self) -> list[str]:
        """Names of nodes with other certificates than at first."""
        return [n for n in self.before if self.sim.certificate(n) != self.before[n]]

    def test_certificates(self) -> None:
        """All nodes get new certificates, which are on record."""
        self.assertEqual(self.sim.renew(NEW_CERTIFICATES), "")
        self.assertEqual(len(self.renewed()), 3)
        self.assertEqual(self.sim.locked_out(), [])
        self.assertEqual(self.sim.unsettled(), [])

    def test_one_node(self) -> None:
        """Only the nodes that are named get new ones."""
        op = replace(NEW_CERTIFICATES, nodes=("node3",))
        self.assertEqual(self.sim.renew(op), "")
        self.assertEqual(self.renewed(), ["node3"])

    def test_node_down(self) -> None:
        """One that is down is named, the others are renewed, and it is done later."""
        self.sim.rpc.set_down(self.sim.node("node3").uuid)
        error = self.sim.renew(NEW_CERTIFICATES)
        self.assertRegex(error, "without a new certificate: node3")
        self.assertEqual(self.renewed(), ["node1", "node2"])
        self.sim.rpc.set_down(self.sim.node("node3").uuid, False)
        op = replace(NEW_CERTIFICATES, nodes=("node3",))
        self.assertEqual(self.sim.renew(op), "")
        self.assertEqual(len(self.renewed()), 3)

    def test_candidates_wait_for_ssconf(self) -> None:
        """Candidates keep theirs while a node has not heard of the new ones."""
        self.sim.distribution.behind = ("node3",)
        error = self.sim.renew(NEW_CERTIFICATES)
        self.assertRegex(error, "node3 did not hear of the master candidate's")
        self.assertEqual(self.renewed(), ["node3"])
        self.assertEqual(self.sim.locked_out(), [])
        self.sim.distribution.behind = ()
        self.assertEqual(self.sim.renew(NEW_CERTIFICATES), "")
        self.assertEqual(len(self.renewed()), 3)
        self.assertEqual(self.sim.unsettled(), [])

    def test_offline_node(self) -> None:
        """An offline node that is named is refused, and nothing is changed."""
        self.sim.edit_node("node3", offline=True)
        self.sim.wait(0)
        op = replace(NEW_CERTIFICATES, nodes=("node3",))
        self.assertIn("node3 is offline", self.sim.renew(op))
        self.assertEqual(self.renewed(), [])

    def test_ca(self) -> None:
        """A new CA is the only one at the end, and its key is where the old one was."""
        self.assertEqual(self.sim.renew(NEW_CA), "")
        self.assert_new_ca()

    def assert_new_ca(self) -> None:
        """All nodes trust one CA, a new one, and have certificates of it."""
        paths = self.sim.nodes["node1"].paths
        (new,) = self.sim.authorities_of("node1")
        self.assertNotEqual(new, self.old_ca)
        for name in self.sim.nodes:
            self.assertEqual(self.sim.authorities_of(name), [new])
        self.assertEqual(self.sim.locked_out(), [])
        self.assertEqual(self.sim.unsettled(), [])
        self.assertFalse(paths.next_ca_key.exists())
        self.assertEqual(self.sim.authorities().trust(None).signing, new)

    def test_ca_begins_with_all(self) -> None:
        """A new CA cannot begin with some nodes."""
        error = self.sim.renew(replace(NEW_CA, nodes=("node3",)))
        self.assertIn("it begins with all nodes", error)
        self.assertIsNone(self.sim.snapshot.cluster.ca_renewal)

    def test_ca_waits(self) -> None:
        """A node that is down is waited for; with its name the renewal goes on."""
        self.sim.rpc.set_down(self.sim.node("node2").uuid)
        error = self.sim.renew(NEW_CA)
        self.assertIn("the new CA waits for node2", error)
        self.assertEqual(self.sim.locked_out(), [])
        self.assertIn(self.old_ca, self.sim.authorities_of("node2"))
        self.sim.rpc.set_down(self.sim.node("node2").uuid, False)
        self.assertIn(
            "node1 (was not named)", self.sim.renew(replace(NEW_CA, nodes=("node2",)))
        )
        self.assertEqual(self.sim.renew(NEW_CA), "")
        self.assert_new_ca()

    def test_ca_forced(self) -> None:
        """With force a node is left behind, and the rest has the new CA alone."""
        self.sim.rpc.set_down(self.sim.node("node3").uuid)
        self.assertEqual(self.sim.renew(replace(NEW_CA, force=True)), "")
        self.assertEqual(self.sim.authorities_of("node3"), [self.old_ca])
        (new,) = self.sim.authorities_of("node1")
        self.assertEqual(self.sim.authorities_of("node2"), [new])
        self.assertIsNone(self.sim.snapshot.cluster.ca_renewal)

    def test_key_lost(self) -> None:
        """A renewal whose key is lost begins again with another CA."""
        self.sim.rpc.set_down(self.sim.node("node3").uuid)
        self.sim.renew(NEW_CA)
        lost = self.sim.snapshot.cluster.ca_renewal
        assert lost is not None
        self.sim.kill()
        self.sim.nodes["node1"].paths.next_ca_key.unlink()
        self.sim.boot()
        self.sim.rpc.set_down(self.sim.node("node3").uuid, False)
        self.assertEqual(self.sim.renew(NEW_CA), "")
        self.assert_new_ca()
        self.assertNotEqual(self.sim.authorities_of("node1"), [lost.fingerprint])

    def die_and_go_on(self, op: AnyOpcode, die: Callable[[CryptoMaster], None]) -> bool:
        """Let the master die, look, run it again; whether it died at all."""
        self.sim = sim = self.new()
        self.before = {n: sim.certificate(n) for n in sim.nodes}
        die(sim)
        sim.submit(op)
        sim.wait(60)
        died = sim.life.is_dead
        sim.calls_left = None
        sim.kill()
        self.assertEqual(sim.locked_out(), [])
        self.assertEqual(sim.renew(op) if died else "", "")
        self.assertEqual(len(self.renewed()), 3)
        self.assertEqual(sim.locked_out(), [])
        self.assertEqual(sim.unsettled(), [])
        return died

    def test_killed_at_every_commit(self) -> None:
        """Nobody is locked out wherever the master dies, and the next run ends it."""

        def after(commits: int) -> Callable[[CryptoMaster], None]:
            return lambda sim: setattr(sim.life, "commits_left", commits)

        for op, least in ((NEW_CERTIFICATES, 3), (NEW_CA, 7)):
            deaths = 0
            while self.die_and_go_on(op, after(deaths)):
                deaths += 1
            self.assertGreater(deaths, least)

    def test_killed_at_every_call(self) -> None:
        """The same when a node has done its work and the master does not hear."""

        def after(calls: int) -> Callable[[CryptoMaster], None]:
            return lambda sim: setattr(sim, "calls_left", calls)

        for op, least in ((NEW_CERTIFICATES, 6), (NEW_CA, 18)):
            deaths = 0
            while self.die_and_go_on(op, after(deaths)):
                deaths += 1
            self.assertGreater(deaths, least)
