"""``gnt-cluster init``: a cluster of one node, from nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from ganetix.bootstrap import pki
from ganetix.bootstrap.dirs import make_directories, write_file, write_secret
from ganetix.bootstrap.ssconf import write_first_ssconf
from ganetix.config.snapshot import Snapshot
from ganetix.config.ssconf import ssconf_files
from ganetix.config.store import initial_rows
from ganetix.errors import BadParameter, StateFault, WrongState
from ganetix.interfaces import IStateEngine
from ganetix.netutils.interfaces import (
    is_own_address,
    own_addresses,
    own_interface_names,
)
from ganetix.objects import Cluster, IpVersion, Node, NodeGroup, Value, new_uuid
from ganetix.objects.node import DEFAULT_PORT
from ganetix.opcodes import OpClusterModify, checks
from ganetix.paths import Paths
from ganetix.plan.addresses import suitable_addresses
from ganetix.plan.cluster_modify import changed_cluster, check_interface
from ganetix.state.rows import Batch

FIRST_GROUP = "default"


class InitRequest(Value, frozen=True, kw_only=True):
    """What the first administrator decides; addresses are of this host.

    ``ipv6_secondary`` permits IPv6 secondary addresses, here and for nodes to come.
    ``parameters`` are put over the built-in ones.
    """

    name: str
    node_name: str
    primary_ip: str
    secondary_ip: str | None = None
    port: int = DEFAULT_PORT
    primary_ip_version: IpVersion = 4
    ipv6_secondary: bool = False
    parameters: OpClusterModify


async def initialise(
    paths: Paths,
    request: InitRequest,
    now: float,
    engine: IStateEngine,
    *,
    is_own: Callable[[str], bool] = is_own_address,
) -> Snapshot:
    """Make the cluster; its first configuration.

    The state rows are written last and decide: what was cut short before may be run
    again. Blocking file writes: for a process that does nothing else.

    :param engine: not open yet; it is closed at the end
    """
    request = checked(request)
    _check_no_node(paths)
    _check_own("primary_ip", request.primary_ip, is_own)
    if request.secondary_ip:
        _check_own("secondary_ip", request.secondary_ip, is_own)
    check_interface(request.parameters.master_netdev, own_interface_names())
    with _as_state_fault():
        make_directories(paths)
    revision = await _opened(paths, engine)
    try:
        await _check_no_cluster(paths, engine)
        with _as_state_fault():
            snapshot = _prepare(paths, request, now, revision + 1)
        (node,) = snapshot.nodes.values()
        (group,) = snapshot.groups.values()
        rows = initial_rows(snapshot.cluster, group, node)
        await engine.commit([Batch(rows=rows)])
        return snapshot
    finally:
        await engine.close()


async def check_vacant(paths: Paths, engine: IStateEngine) -> None:
    """Refuse a host that is in a cluster already; nothing is made.

    :param engine: not open yet; it is closed at the end
    """
    _check_no_node(paths)
    if not paths.state_db.exists():
        return
    await _opened(paths, engine)
    try:
        await _check_no_cluster(paths, engine)
    finally:
        await engine.close()


def _check_no_node(paths: Paths) -> None:
    if paths.node_certificate.exists() and not paths.ca_key.exists():
        raise WrongState(
            "this host is a node of a cluster already:"
            f" {paths.node_certificate} is there"
        )


async def _opened(paths: Paths, engine: IStateEngine) -> int:
    """The revision of the state; a master that has it open is a cluster's."""
    try:
        return await engine.open()
    except StateFault as error:
        if paths.ssconf("cluster_name").exists():
            raise WrongState(f"there is a cluster here already: {error}") from error
        raise


async def _check_no_cluster(paths: Paths, engine: IStateEngine) -> None:
    if await engine.load(["cluster"]):
        raise WrongState(f"there is a cluster here already, in {paths.state_db}")


def checked(request: InitRequest) -> InitRequest:
    """The request with canonical addresses; ``Refused`` if it cannot be. Pure."""
    try:
        checks.host_name("cluster name", request.name)
        checks.host_name("node name", request.node_name)
        checks.in_range("port", request.port, 1, 65535)
    except ValueError as error:
        raise BadParameter(str(error)) from None
    addresses = suitable_addresses(
        request.primary_ip_version,
        request.primary_ip,
        request.secondary_ip,
        ipv6_secondary=request.ipv6_secondary,
    )
    request = replace(
        request, primary_ip=addresses.primary_ip, secondary_ip=addresses.secondary_ip
    )
    # Whether all parameters go together is found out where they are put.
    first_snapshot(request, (new_uuid(), new_uuid(), new_uuid()), "", 0.0, 0)
    return request


def _check_own(field: str, address: str, is_own: Callable[[str], bool]) -> None:
    if not is_own(address):
        raise BadParameter(
            f"{field}: {address} is not an address of this host, which has"
            f" {', '.join(own_addresses())}"
        )


def first_snapshot(
    request: InitRequest,
    uuids: tuple[str, str, str],
    certificate: str,
    now: float,
    revision: int,
) -> Snapshot:
    """The first configuration; ``Refused`` if its parameters cannot be. Pure.

    :param uuids: of the cluster, of its group, of the master node
    :param certificate: the fingerprint of the master node's certificate
    """
    cluster_uuid, group_uuid, node_uuid = uuids
    cluster = Cluster(
        uuid=cluster_uuid,
        name=request.name,
        ctime=now,
        mtime=now,
        primary_ip_version=request.primary_ip_version,
        ipv6_secondary=request.ipv6_secondary,
        master_node=node_uuid,
        default_group=group_uuid,
    )
    group = NodeGroup(uuid=group_uuid, name=FIRST_GROUP, ctime=now, mtime=now)
    node = Node(
        uuid=node_uuid,
        name=request.node_name,
        ctime=now,
        mtime=now,
        group=group_uuid,
        primary_ip=request.primary_ip,
        secondary_ip=request.secondary_ip or request.primary_ip,
        port=request.port,
        certificate=certificate,
        master_candidate=True,
    )
    plain = Snapshot(
        revision=revision,
        cluster=cluster,
        groups={group_uuid: group},
        nodes={node_uuid: node},
        instances={},
        tokens={},
        intents={},
    )
    return plain.changed(cluster=changed_cluster(request.parameters, plain).after)


def _prepare(paths: Paths, request: InitRequest, now: float, revision: int) -> Snapshot:
    """Write all but the state rows: keys, certificates, ssconf."""
    uuids = (new_uuid(), new_uuid(), new_uuid())
    ca = pki.make_ca(uuids[0], now)
    key = pki.make_key()
    signing_request = pki.signing_request(key, uuids[2])
    certificate = pki.sign_node(ca, signing_request, uuids[2], now)
    fingerprint = pki.fingerprint(certificate)
    snapshot = first_snapshot(request, uuids, fingerprint, now, revision)
    # The CA's key comes first: with it alone this host is not taken for a member.
    write_secret(paths.ca_key, pki.key_pem(ca.key))
    write_file(paths.ca_certificate, ca.certificate_pem)
    write_secret(paths.node_key, pki.key_pem(key))
    write_file(paths.node_certificate, pki.pem(certificate))
    write_first_ssconf(paths, ssconf_files(snapshot), revision)
    return snapshot


@contextlib.contextmanager
def _as_state_fault() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateFault(f"cannot write {error.filename}: {error.strerror}") from None
