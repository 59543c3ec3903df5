"""``ganetix-node join``: a host becomes a node, with a token and no other trust."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.interfaces import IReactorTCP

from ganetix.bootstrap import pki
from ganetix.bootstrap.dirs import make_directories, write_file, write_secret
from ganetix.bootstrap.ssconf import write_first_ssconf
from ganetix.bootstrap.token import Token, decode
from ganetix.errors import NotAllowed, RemoteFailure, StateFault, WrongState
from ganetix.flow.offload import inline_offload
from ganetix.interfaces import Offload
from ganetix.netutils.interfaces import is_own_address, own_addresses
from ganetix.objects import Node
from ganetix.objects.node import Enrolment
from ganetix.objects.node_calls import EnrolCall
from ganetix.paths import Paths
from ganetix.rpc.client import NodeRpc
from ganetix.rpc.methods import ENROL
from ganetix.rpc.tls import Credentials, PinnedCreator


async def join(
    reactor: IReactorTCP,
    paths: Paths,
    token_text: str,
    now: float,
    *,
    is_own: Callable[[str], bool] = is_own_address,
    offload: Offload = inline_offload,
) -> Enrolment:
    """Check the token here, then become a node by it.

    :param reactor: provides ``IReactorTCP`` and ``IReactorTime``
    :param offload: writes the files; at once in a process that does nothing else
    """
    token = usable_token(paths, token_text, now, is_own=is_own)
    return await join_with(reactor, paths, token, offload)


async def join_with(
    reactor: IReactorTCP,
    paths: Paths,
    token: Token,
    offload: Offload = inline_offload,
) -> Enrolment:
    """Make a key, have it certified by the token's cluster, and keep what came back.

    The node's certificate is written last: with it the host is a node.
    """
    key = pki.make_key()
    enrolment = await _ask(reactor, token, key)
    certificate = _checked(enrolment, token, key)

    def keep() -> None:
        make_directories(paths)
        write_file(paths.ca_certificate, enrolment.ca_certificate.encode())
        write_secret(paths.node_key, pki.key_pem(key))
        write_first_ssconf(paths, enrolment.ssconf, enrolment.ssconf_serial)
        write_file(paths.node_certificate, pki.pem(certificate))

    try:
        await offload(keep)
    except OSError as error:
        raise StateFault(f"cannot write {error.filename}: {error.strerror}") from None
    return enrolment


def usable_token(
    paths: Paths,
    token_text: str,
    now: float,
    *,
    is_own: Callable[[str], bool] = is_own_address,
) -> Token:
    """The token, if this host may use it; nobody else is asked.

    Fails with ``BadParameter`` for what is no token, ``NotAllowed`` for one that
    expired, ``WrongState`` if this host is a node already or not the one it is for.
    """
    token = decode(token_text)
    for path in (paths.node_certificate, paths.ca_key, paths.state_db):
        if path.exists():
            raise WrongState(
                f"this host belongs to a cluster already: {path} is there; if that"
                f" cluster is no more, or has removed it, move {paths.lib} away first"
            )
    if now >= token.expires:
        expired = datetime.fromtimestamp(token.expires, UTC)
        raise NotAllowed(
            f"the join token of node {token.node_name} expired at"
            f" {expired:%Y-%m-%d %H:%M} UTC: 'gnt-node add --replace' makes a new one"
        )
    if not is_own(token.bind_ip):
        raise WrongState(
            f"the token is for node {token.node_name} at {token.bind_ip}, which is not"
            f" an address of this host; it has {', '.join(own_addresses())}"
        )
    return token


async def _ask(
    reactor: IReactorTCP, token: Token, key: ec.EllipticCurvePrivateKey
) -> Enrolment:
    credentials = Credentials(token.join_key, token.join_certificate)
    creator = PinnedCreator(credentials, token.master_uuid, token.ca_fingerprint)
    rpc = NodeRpc(reactor, lambda _: creator)
    master = Node(
        uuid=token.master_uuid,
        name="master",
        group="",
        primary_ip=token.master_ip,
        secondary_ip=token.master_ip,
        port=token.master_port,
    )
    request = pki.signing_request(key, token.node_uuid).decode("ascii")
    try:
        return await rpc.call(master, ENROL, EnrolCall(signing_request=request))
    finally:
        await rpc.close()


def _checked(
    enrolment: Enrolment, token: Token, key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    """The certificate that came, if it is what was asked for."""
    try:
        certificate = x509.load_pem_x509_certificate(enrolment.certificate.encode())
        trusted = x509.load_pem_x509_certificates(enrolment.ca_certificate.encode())
    except ValueError:
        raise RemoteFailure("the master sent a certificate that is not good") from None
    if pki.issuer_of(certificate, trusted) is None:
        raise RemoteFailure("the master sent a certificate that is not good")
    if token.ca_fingerprint not in map(pki.fingerprint, trusted):
        raise RemoteFailure("the master sent another CA than the one in the token")
    identity = pki.peer_identity(certificate)
    if (
        identity is None
        or (identity.role, identity.uuid) != ("node", token.node_uuid)
        or certificate.public_key() != key.public_key()
    ):
        raise RemoteFailure("the master sent a certificate that is not this node's")
    return certificate
