"""The master's side of joining: tokens are issued, and honoured once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from msgspec.structs import replace
from twisted.internet.defer import Deferred

from ganetix.bootstrap import pki, token
from ganetix.config.snapshot import Change, Edits, Snapshot
from ganetix.config.ssconf import ssconf_files, ssconf_serial
from ganetix.errors import BadParameter, NotAllowed, NotFound
from ganetix.objects import JoinToken
from ganetix.objects.node import (
    LEAST_TOKEN_SECONDS,
    MOST_TOKEN_SECONDS,
    Enrolment,
    EnrolRequest,
    IssuedToken,
)
from ganetix.opcodes import OpNodeEnrol
from ganetix.state.rows import Row

DEFAULT_LIFETIME_SECONDS = 3600.0

Submit = Callable[[OpNodeEnrol], "Deferred[int]"]


class Config(Protocol):
    """What joining needs of the configuration."""

    def snapshot(self) -> Snapshot:
        """The configuration as it is durable."""

    def commit(self, change: Change, extra: Sequence[Row] = ()) -> Deferred[Snapshot]:
        """Apply a change; fires when it is durable."""


def issue_token(
    config: Config,
    ca: pki.Authority,
    node_name: str,
    now: float,
    lifetime_seconds: float = DEFAULT_LIFETIME_SECONDS,
    ca_fingerprint: str | None = None,
) -> Deferred[IssuedToken]:
    """A token for a node that has a reservation; it makes older ones void.

    Fails with ``NotFound`` or ``BadParameter``. The token itself is kept nowhere: only
    the fingerprint of its certificate.

    :param ca_fingerprint: of the CA of the master node's certificate, if not of ``ca``
    """
    return Deferred.fromCoroutine(
        _issue(config, ca, node_name, now, lifetime_seconds, ca_fingerprint)
    )


def enrol(
    config: Config,
    ca: pki.Authority,
    request: EnrolRequest,
    submit: Submit,
    now: float,
    trusted: str | None = None,
) -> Deferred[Enrolment]:
    """Sign the certificate of a node that shows its token, once.

    One commit marks the token used and keeps the certificate's fingerprint; then the
    job is submitted that admits the node. Fails with ``NotAllowed`` for a token that is
    unknown, used, expired, superseded or another node's.

    :param trusted: the CAs that the node is to trust (PEM), if more than ``ca``
    """
    return Deferred.fromCoroutine(_enrol(config, ca, request, submit, now, trusted))


async def _issue(
    config: Config,
    ca: pki.Authority,
    node_name: str,
    now: float,
    lifetime: float,
    ca_fingerprint: str | None,
) -> IssuedToken:
    if not LEAST_TOKEN_SECONDS <= lifetime <= MOST_TOKEN_SECONDS:
        raise BadParameter(
            f"lifetime: {lifetime:.0f} s is not between {LEAST_TOKEN_SECONDS:.0f} and"
            f" {MOST_TOKEN_SECONDS:.0f} s"
        )
    node_uuid = _reserved(config.snapshot(), node_name).node.uuid
    key, certificate = pki.make_join_certificate(ca, node_uuid, now, lifetime)
    expires = pki.expiry(certificate)

    def change(snapshot: Snapshot) -> Edits:
        known = _reserved(snapshot, node_uuid)
        issued = JoinToken(
            node=replace(known.node, certificate="", next_certificate=""),
            token=pki.fingerprint(certificate),
            expires=expires,
        )
        return Edits(put_tokens=(issued,))

    snapshot = await config.commit(change)
    node = snapshot.tokens[node_uuid].node
    master = snapshot.nodes[snapshot.cluster.master_node]
    text = token.encode(
        token.Token(
            master_ip=master.primary_ip,
            master_port=master.port,
            master_uuid=master.uuid,
            ca_fingerprint=ca_fingerprint or ca.fingerprint,
            node_uuid=node_uuid,
            node_name=node.name,
            bind_ip=node.primary_ip,
            bind_port=node.port,
            expires=expires,
            secret=token.secret_of(key),
            certificate=token.der(certificate),
        )
    )
    return IssuedToken(token=text, node_name=node.name, expires=expires)


async def _enrol(
    config: Config,
    ca: pki.Authority,
    request: EnrolRequest,
    submit: Submit,
    now: float,
    trusted: str | None,
) -> Enrolment:
    _honoured(config.snapshot(), request, now)
    certificate = pki.sign_node(
        ca, request.signing_request.encode(), request.node_uuid, now
    )
    fingerprint = pki.fingerprint(certificate)

    def change(snapshot: Snapshot) -> Edits:
        # Again: of two that come at once with one token, the second must find it used.
        known = _honoured(snapshot, request, now)
        node = replace(known.node, certificate=fingerprint)
        return Edits(put_tokens=(replace(known, used=True, node=node),))

    snapshot = await config.commit(change)
    node = snapshot.tokens[request.node_uuid].node
    job_id = await submit(OpNodeEnrol(node_uuid=node.uuid, name=node.name))
    return Enrolment(
        node_uuid=node.uuid,
        node_name=node.name,
        certificate=pki.pem(certificate).decode("ascii"),
        ca_certificate=trusted or ca.certificate_pem.decode("ascii"),
        ssconf=ssconf_files(snapshot),
        ssconf_serial=ssconf_serial(snapshot),
        job_id=job_id,
    )


def _reserved(snapshot: Snapshot, name: str) -> JoinToken:
    for known in snapshot.tokens.values():
        if name in (known.node.name, known.node.uuid):
            return known
    raise NotFound(f"node {name!r} has no reservation: 'gnt-node add' makes one")


def _honoured(snapshot: Snapshot, request: EnrolRequest, now: float) -> JoinToken:
    """The reservation that the request's token is for, if it is good."""
    known = snapshot.tokens.get(request.node_uuid)
    if known is None:
        member = snapshot.nodes.get(request.node_uuid)
        if member is not None:
            raise NotAllowed(
                f"the join token of node {member.name} was used already: it is a member"
            )
        raise NotAllowed("the join token is not known here: its reservation is gone")
    name = known.node.name
    if known.token != request.token_fingerprint:
        raise NotAllowed(
            f"the join token is not the one that node {name} was given last"
        )
    if known.used:
        raise NotAllowed(
            f"the join token of node {name} was used already; if the node has not"
            " become a member, 'gnt-node add --replace' makes a new one"
        )
    if now >= known.expires:
        raise NotAllowed(f"the join token of node {name} expired {_when(known)}")
    return known


def _when(known: JoinToken) -> str:
    return datetime.fromtimestamp(known.expires, UTC).strftime("at %Y-%m-%d %H:%M UTC")
