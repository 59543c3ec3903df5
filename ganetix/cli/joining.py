"""``ganetix-node join`` at work."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from twisted.internet.interfaces import IReactorTCP
from twisted.internet.utils import getProcessOutputAndValue

from ganetix.bootstrap.join import join_with, usable_token
from ganetix.bootstrap.token import Token
from ganetix.cli.errors import Failure
from ganetix.cli.session import Session
from ganetix.cli.streams import one_line
from ganetix.netutils.address import join_host_port
from ganetix.paths import Paths

SYSTEMD = Path("/run/systemd/system")
UNIT = "ganetix-node.service"


async def join_here(session: Session, text: str, start: bool) -> None:
    """Join a cluster, and start the node's daemon if that is wanted."""
    token = usable_token(session.paths, text, time.time())
    master = join_host_port(token.master_ip, token.master_port)
    session.streams.note(f"asking the master node at {master} for a certificate …")
    enrolment = await join_with(IReactorTCP(session.reactor), session.paths, token)
    command = start_command(session.paths, token)
    if not start:
        session.streams.note(
            f"this host has its certificate as {enrolment.node_name}; job"
            f" {enrolment.job_id} on the master admits it once its daemon runs. Start"
            f" it: {' '.join(command)}"
        )
        return
    session.paths.run.mkdir(parents=True, exist_ok=True)
    out, err, status = await getProcessOutputAndValue(
        command[0], command[1:], env=dict(os.environ), reactor=session.reactor
    )
    if status:
        said = one_line((err or out).decode(errors="replace"))[-500:]
        raise Failure(
            f"this host has its certificate, but its daemon did not start: {said}."
            f" Start it: {' '.join(command)}"
        )
    session.streams.note(
        f"ganetix-node runs; job {enrolment.job_id} on the master admits"
        f" {enrolment.node_name}"
    )


def start_command(paths: Paths, token: Token) -> list[str]:
    """What starts the node daemon: its unit on a host of its own, else twistd.

    Beside other nodes on one host it must have the address of its own that the token
    names.
    """
    if paths.root == Path("/") and SYSTEMD.exists() and _has_unit():
        return ["/usr/bin/systemctl", "start", UNIT]
    twistd = Path(sys.argv[0]).absolute().with_name("twistd")
    return [
        str(twistd),
        f"--pidfile={paths.run / 'ganetix-node.pid'}",
        "ganetix-node",
        f"--root={paths.root}",
        f"--bind={token.bind_ip}",
        f"--port={token.bind_port}",
        f"--log-file={paths.log / 'node.log'}",
    ]


def _has_unit() -> bool:
    places = ("/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system")
    return any((Path(place) / UNIT).exists() for place in places)
