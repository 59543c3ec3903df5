"""The renewal of certificates: who is next, and when a step is complete. Pure.

Nothing of it is remembered beside the configuration: what a node has is asked of it
each time, so that a renewal that was cut short goes on wherever it stopped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from msgspec.structs import replace

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.errors import WrongState
from ganetix.objects import Cluster, Node
from ganetix.objects.base import Value
from ganetix.objects.crypto import CaRenewal, CaStep, CryptoState
from ganetix.objects.finding import Finding
from ganetix.objects.words import some
from ganetix.opcodes.crypto import OpClusterRenewCrypto
from ganetix.plan.verify_cluster import when

STEP_WORDS: Mapping[CaStep, str] = {
    "trust": "all nodes are to trust it beside the old one",
    "certificates": "all nodes are to get certificates of it",
    "drop": "all nodes are to forget the old one",
}


class Trust(Value, frozen=True, kw_only=True):
    """Fingerprints of the CAs that nodes must, and may, trust; ``signing`` signs."""

    required: frozenset[str]
    allowed: frozenset[str]
    signing: str


def trust_in(renewal: CaRenewal | None, only: str) -> Trust:
    """Whom nodes are to trust at this step of a renewal.

    :param only: the fingerprint of the CA if none is being renewed
    """
    if renewal is None:
        one = frozenset({only})
        return Trust(required=one, allowed=one, signing=only)
    old, new = renewal.old, renewal.fingerprint
    both = frozenset({old, new})
    match renewal.step:
        case "trust":
            return Trust(required=frozenset({old}), allowed=both, signing=old)
        case "certificates":
            return Trust(required=both, allowed=both, signing=new)
        case "drop":
            return Trust(required=frozenset({new}), allowed=both, signing=new)


def next_step(step: CaStep) -> CaStep | None:
    """What follows; None after the last."""
    order: Mapping[CaStep, CaStep] = {"trust": "certificates", "certificates": "drop"}
    return order.get(step)


def has_done(renewal: CaRenewal, state: CryptoState) -> bool:
    """Whether a node has taken the step that the renewal is at."""
    match renewal.step:
        case "trust":
            return renewal.fingerprint in state.authorities
        case "certificates":
            return state.issuer == renewal.fingerprint
        case "drop":
            return state.authorities == (renewal.fingerprint,)


def selected(op: OpClusterRenewCrypto, snapshot: Snapshot) -> tuple[Node, ...]:
    """The nodes to work on, by name; ``WrongState`` for an offline one."""
    if not op.nodes:
        members = (node for node in snapshot.nodes.values() if not node.offline)
        return tuple(sorted(members, key=lambda node: node.name))
    named = {node.uuid: node for node in map(snapshot.node, op.nodes)}
    for node in named.values():
        if node.offline:
            raise WrongState(
                f"node {node.name} is offline: 'gnt-node modify --offline no"
                f" {node.name}' brings it back first",
                node=node.name,
            )
    if op.new_ca and snapshot.cluster.ca_renewal is None:
        raise WrongState("no renewal of the CA is under way: it begins with all nodes")
    return tuple(named.values())


def begun(snapshot: Snapshot, renewal: CaRenewal, before: CaRenewal | None) -> Edits:
    """The renewal recorded, in place of one whose key was lost, if any."""
    if snapshot.cluster.ca_renewal != before:
        raise WrongState("somebody else began a renewal of the CA")
    return Edits(put=(replace(snapshot.cluster, ca_renewal=renewal),))


def stepped(
    snapshot: Snapshot, at: CaRenewal, ready: Collection[str], *, force: bool
) -> Edits:
    """The step after this one, or the renewal's end.

    ``WrongState`` names members, and nodes that are just joining, that are not ready;
    one that came in the meantime may be among them.
    """
    cluster = snapshot.cluster
    if cluster.ca_renewal != at:
        raise WrongState("somebody else goes on with the renewal of the CA")
    if not force and (missing := list(_unready(snapshot, at, ready))):
        raise WrongState(f"not ready yet: {some(missing)}")
    following = next_step(at.step)
    changed = replace(at, step=following) if following else None
    return Edits(put=(replace(cluster, ca_renewal=changed),))


def _unready(
    snapshot: Snapshot, at: CaRenewal, ready: Collection[str]
) -> Iterator[str]:
    for node in snapshot.nodes.values():
        if node.uuid not in ready:
            yield node.name
    for uuid, token in snapshot.tokens.items():
        if token.used and uuid not in snapshot.nodes:
            yield token.node.name


def announced(snapshot: Snapshot, certificates: Mapping[str, str]) -> Edits:
    """New certificates (fingerprints by UUID) accepted beside the old ones."""
    return Edits(
        put=tuple(
            replace(node, next_certificate=certificates[node.uuid])
            for node in _known(snapshot, certificates)
            if node.next_certificate != certificates[node.uuid]
        )
    )


def switched(snapshot: Snapshot, certificates: Mapping[str, str]) -> Edits:
    """The certificates that nodes have now, and no others, on record.

    One that is neither the one on record nor the one announced changes nothing.
    """
    put = []
    for node in _known(snapshot, certificates):
        has = certificates[node.uuid]
        if node.next_certificate and has == node.next_certificate:
            put.append(replace(node, certificate=has, next_certificate=""))
    return Edits(put=tuple(put))


def accepted_certificates(snapshot: Snapshot, node_uuid: str) -> frozenset[str]:
    """Fingerprints by which the master knows a node; none if nothing is on record.

    A member that joins again has that of its new certificate, too.
    """
    token = snapshot.tokens.get(node_uuid)
    records = (snapshot.nodes.get(node_uuid), token.node if token else None)
    return frozenset(
        fingerprint
        for node in records
        if node is not None
        for fingerprint in (node.certificate, node.next_certificate)
        if fingerprint
    )


def renewal_text(renewal: CaRenewal) -> str:
    """One line: since when, and what is to be done."""
    return (
        f"renewal of the CA under way since {when(renewal.since)}:"
        f" {STEP_WORDS[renewal.step]}"
    )


def renewal_findings(cluster: Cluster) -> Iterator[Finding]:
    """That a renewal is under way."""
    if cluster.ca_renewal is not None:
        yield Finding(
            level="warning",
            code="ECLUSTERCA",
            kind="cluster",
            name=cluster.name,
            message=f"{renewal_text(cluster.ca_renewal)};"
            " 'gnt-cluster renew-crypto --new-ca' goes on",
        )


def _known(snapshot: Snapshot, by_uuid: Mapping[str, object]) -> Iterator[Node]:
    for uuid in by_uuid:
        if uuid in snapshot.nodes:
            yield snapshot.nodes[uuid]
