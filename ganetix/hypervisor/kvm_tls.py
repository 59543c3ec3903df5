"""How QEMU proves itself to the QEMU of another node: the nodes' own certificates."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ganetix.hypervisor.qmp import QmpClient, QmpRefused
from ganetix.paths import Paths

TLS_ID = "move-tls"
PEER_ID = "move-peer"
ORGANISATION = "ganetix"


def peer_name(node_uuid: str) -> str:
    """The name that is checked in the certificate of a node that receives."""
    return f"{node_uuid}.node.ganetix"


def peer_subject(node_uuid: str) -> str:
    """The subject of a node's certificate, as GnuTLS writes it."""
    return f"O={ORGANISATION},CN={node_uuid}"


def make_tls_directory(paths: Paths, directory: Path) -> Path:
    """The files by the names that QEMU wants, as links to the node's. Blocking."""
    links: Mapping[str, Path] = {
        "ca-cert.pem": paths.ca_certificate,
        "server-cert.pem": paths.node_certificate,
        "server-key.pem": paths.node_key,
        "client-cert.pem": paths.node_certificate,
        "client-key.pem": paths.node_key,
    }
    made = directory / "tls"
    made.mkdir(mode=0o700, exist_ok=True)
    for name, path in links.items():
        link = made / name
        if not link.is_symlink():
            link.symlink_to(path)
    return made


async def offer_tls(client: QmpClient, directory: Path, sender_uuid: str) -> None:
    """Have QEMU receive from one node only."""
    await _put(client, "tls-creds-x509", TLS_ID, _credentials("server", directory))
    await _put(client, "authz-simple", PEER_ID, {"identity": peer_subject(sender_uuid)})
    await client.execute(
        "migrate-set-parameters", {"tls-creds": TLS_ID, "tls-authz": PEER_ID}
    )


async def use_tls(client: QmpClient, directory: Path, receiver_uuid: str) -> None:
    """Have QEMU send to one node only."""
    await _put(client, "tls-creds-x509", TLS_ID, _credentials("client", directory))
    await client.execute(
        "migrate-set-parameters",
        {
            "tls-creds": TLS_ID,
            "tls-authz": "",
            "tls-hostname": peer_name(receiver_uuid),
        },
    )


def _credentials(endpoint: str, directory: Path) -> dict[str, object]:
    return {"endpoint": endpoint, "dir": str(directory), "verify-peer": True}


async def _put(
    client: QmpClient, kind: str, name: str, properties: Mapping[str, object]
) -> None:
    """Make an object of QEMU's, in place of one of that name from an earlier move."""
    with suppress(QmpRefused):
        await client.execute("object-del", {"id": name})
    await client.execute("object-add", {"qom-type": kind, "id": name, **properties})
