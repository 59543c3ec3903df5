"""Nodes, and the tokens by which they join."""

from __future__ import annotations

from ganetix.objects.base import ConfigObject, Value
from ganetix.objects.params import NodeParamValue

DEFAULT_PORT = 1811


class Node(ConfigObject, frozen=True, kw_only=True):
    """A host. ``group`` is a UUID; addresses are canonical text.

    ``certificate`` is the SHA-256 fingerprint of its certificate (hex, lower case),
    ``next_certificate`` that of one that takes its place any moment.
    ``ndparams`` hold only what differs from the group's and the cluster's.
    """

    group: str
    primary_ip: str
    secondary_ip: str
    port: int = DEFAULT_PORT
    certificate: str = ""
    next_certificate: str = ""
    master_candidate: bool = False
    offline: bool = False
    drained: bool = False
    master_capable: bool = True
    vm_capable: bool = True
    ndparams: dict[str, NodeParamValue] = {}


LEAST_TOKEN_SECONDS = 10.0
MOST_TOKEN_SECONDS = 30 * 86400.0


class JoinToken(Value, frozen=True, kw_only=True):
    """A node's reservation: what was promised to the administrator who adds it.

    ``token`` is the SHA-256 fingerprint of the one-time join certificate, empty
    until one was issued; a used token is never honoured again.
    """

    node: Node
    token: str = ""
    expires: float = 0.0
    used: bool = False


class IssuedToken(Value, frozen=True, kw_only=True):
    """A join token, and until when it is good (seconds since the epoch)."""

    token: str
    node_name: str
    expires: float


class EnrolRequest(Value, frozen=True, kw_only=True):
    """A joining node's request, as the node daemon that took it passes it on.

    ``token_fingerprint`` is that of the client certificate the peer proved to hold.
    """

    node_uuid: str
    token_fingerprint: str
    signing_request: str


class Enrolment(Value, frozen=True, kw_only=True):
    """What a new node gets: PEM texts, ssconf files, the job that admits it."""

    node_uuid: str
    node_name: str
    certificate: str
    ca_certificate: str
    ssconf: dict[str, str]
    ssconf_serial: int
    job_id: int
