"""Tests for the steps of a renewal of certificates."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Snapshot
from ganetix.errors import NotFound, WrongState
from ganetix.objects import JoinToken
from ganetix.objects.crypto import CaRenewal, CryptoState
from ganetix.opcodes import OpClusterRenewCrypto
from ganetix.plan.crypto import (
    accepted_certificates,
    announced,
    begun,
    has_done,
    selected,
    stepped,
    switched,
    trust_in,
)
from ganetix.testing.config import apply, make_node, make_snapshot

NODES = tuple(make_node(f"node{n}", last=10 + n) for n in (1, 2, 3))
ALL = [node.uuid for node in NODES]
RENEWAL = CaRenewal(since=0.0, certificate="", fingerprint="new", old="old")
STATE = CryptoState(certificate="c", issuer="old", expires=0.0, authorities=("old",))


def renewing(renewal: CaRenewal | None = RENEWAL) -> Snapshot:
    """Three nodes with a renewal under way."""
    snapshot = make_snapshot(*NODES)
    return replace(snapshot, cluster=replace(snapshot.cluster, ca_renewal=renewal))


class CertificateTests(SynchronousTestCase):
    """Certificates of nodes on record."""

    def test_announced_and_switched(self) -> None:
        """Old and new are accepted in between; what the node has then counts."""
        uuid, old = NODES[0].uuid, NODES[0].certificate
        snapshot = make_snapshot(*NODES)
        between = apply(snapshot, announced(snapshot, {uuid: "next"}))
        self.assertEqual(accepted_certificates(between, uuid), {old, "next"})
        for has, left in ((old, {old, "next"}), ("strange", {old, "next"})):
            same = apply(between, switched(between, {uuid: has}))
            self.assertEqual(accepted_certificates(same, uuid), left)
        after = apply(between, switched(between, {uuid: "next"}))
        self.assertEqual(accepted_certificates(after, uuid), {"next"})

    def test_joining(self) -> None:
        """A member that joins again is known by its old and its new certificate."""
        node = NODES[0]
        token = JoinToken(node=replace(node, certificate="fresh"), used=True)
        both = accepted_certificates(make_snapshot(*NODES, tokens=(token,)), node.uuid)
        self.assertEqual(both, {node.certificate, "fresh"})
        self.assertEqual(accepted_certificates(make_snapshot(*NODES), "x"), frozenset())

    def test_selected(self) -> None:
        """Without names all nodes but offline ones; unknown names are refused."""
        offline = replace(NODES[2], offline=True)
        snapshot = make_snapshot(*NODES[:2], offline)
        op = OpClusterRenewCrypto(new_node_certificates=True)
        self.assertEqual([n.name for n in selected(op, snapshot)], ["node1", "node2"])
        named = replace(op, nodes=("node9",))
        self.assertRaises(NotFound, selected, named, snapshot)
        named = replace(op, nodes=("node3",))
        self.assertRaises(WrongState, selected, named, snapshot)

    def test_wrong_requests(self) -> None:
        """Nothing to renew, or a node twice, is no request."""
        self.assertRaises(ValueError, OpClusterRenewCrypto)
        self.assertRaises(
            ValueError, OpClusterRenewCrypto, new_ca=True, nodes=("a", "a")
        )


class CaTests(SynchronousTestCase):
    """The steps to a new CA."""

    def test_trust(self) -> None:
        """At each step a CA that signs is one that all nodes must trust."""
        for step in ("trust", "certificates", "drop"):
            trust = trust_in(replace(RENEWAL, step=step), "")
            self.assertIn(trust.signing, trust.required)
            self.assertLessEqual(trust.required, trust.allowed)
        self.assertEqual(trust_in(None, "only").allowed, {"only"})

    def test_has_done(self) -> None:
        """What a node has tells how far it has come."""
        trusting = replace(STATE, authorities=("old", "new"))
        certified = replace(trusting, issuer="new")
        done = replace(certified, authorities=("new",))
        for step, before, after in (
            ("trust", STATE, trusting),
            ("certificates", trusting, certified),
            ("drop", certified, done),
        ):
            renewal = replace(RENEWAL, step=step)
            self.assertFalse(has_done(renewal, before), step)
            self.assertTrue(has_done(renewal, after), step)

    def test_steps(self) -> None:
        """One step follows the other; after the last there is no renewal."""
        seen = []
        snapshot = renewing()
        while (at := snapshot.cluster.ca_renewal) is not None:
            seen.append(at.step)
            snapshot = apply(snapshot, stepped(snapshot, at, ALL, force=False))
        self.assertEqual(seen, ["trust", "certificates", "drop"])

    def test_not_ready(self) -> None:
        """A node that is not ready holds the step up, unless forced."""
        with self.assertRaisesRegex(WrongState, "not ready yet: node3"):
            stepped(renewing(), RENEWAL, ALL[:2], force=False)
        self.assertTrue(stepped(renewing(), RENEWAL, ALL[:2], force=True).put)

    def test_joining_node(self) -> None:
        """So does a node that has its certificate and is not yet a member."""
        token = JoinToken(node=make_node("node4", last=14), used=True)
        snapshot = replace(renewing(), tokens={token.node.uuid: token})
        with self.assertRaisesRegex(WrongState, "node4"):
            stepped(snapshot, RENEWAL, ALL, force=False)
        waiting = replace(token, used=False)
        snapshot = replace(renewing(), tokens={token.node.uuid: waiting})
        self.assertTrue(stepped(snapshot, RENEWAL, ALL, force=False).put)

    def test_two_at_once(self) -> None:
        """Who comes second is told, and changes nothing."""
        later = renewing(replace(RENEWAL, step="certificates"))
        self.assertRaises(WrongState, stepped, later, RENEWAL, ALL, force=False)
        self.assertRaises(WrongState, begun, later, RENEWAL, None)
