"""What a client says to, and of, the master's socket. Imports no Twisted."""

from __future__ import annotations

import errno
from pathlib import Path

from ganetix.errors import (
    BadParameter,
    GanetixError,
    NotAllowed,
    RemoteFailure,
    Unavailable,
)
from ganetix.paths import Paths

CONNECT_SECONDS = 10.0
MAX_SOCKET_PATH = 107
PROTOCOL = 4
"""Raised when a command changes so that old clients would not understand."""


def check_socket_path(path: Path) -> None:
    """``BadParameter`` if the system cannot connect to a path so long."""
    if len(str(path).encode()) > MAX_SOCKET_PATH:
        raise BadParameter(
            f"socket path {str(path)!r} is longer than {MAX_SOCKET_PATH} bytes:"
            " use a shorter root directory"
        )


def no_connection(path: Path, master_name: str, number: int | None) -> GanetixError:
    """Why nobody answers at the socket, from the system's error number.

    :param master_name: by ssconf; nothing on a host that is in no cluster
    """
    if number in (errno.EACCES, errno.EPERM):
        return NotAllowed(
            f"no permission to use ganetix-master's socket {path}: run this as"
            " root or as a member of the socket's group"
        )
    here = f"ganetix-master does not run here (socket {path})"
    if not master_name:
        return Unavailable(
            f"{here}: this host is in no cluster; 'gnt-cluster init' makes one,"
            " 'ganetix-node join' makes it a node of one"
        )
    start = "systemctl start" if path == Paths().master_socket else "twistd"
    return Unavailable(
        f"{here}; start it with '{start} ganetix-master', or run this on the master"
        f" node {master_name}"
    )


def no_answer(path: Path) -> GanetixError:
    """The socket is there, but whoever holds it says nothing."""
    return Unavailable(
        "ganetix-master took the connection but did not answer in"
        f" {CONNECT_SECONDS:g} s (socket {path})"
    )


def hung_up() -> GanetixError:
    """The master went away before it answered."""
    return Unavailable("the connection to ganetix-master was lost before it answered")


def not_known(command: str) -> GanetixError:
    """The master is of an older version."""
    return RemoteFailure(f"the master does not know the command {command}: it is older")
