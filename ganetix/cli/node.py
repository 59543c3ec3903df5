"""``gnt-node``: nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.errors import Failure, UsageError, checked
from ganetix.cli.evacuate import add_node_moves
from ganetix.cli.group import add_group_commands
from ganetix.cli.node_look import add_look_commands
from ganetix.cli.node_modify import add_modify_commands
from ganetix.cli.options import add_group_option, add_job_options, duration
from ganetix.cli.parser import Options, Program, completes
from ganetix.cli.tags import add_tag_commands

if TYPE_CHECKING:
    from ganetix.cli.session import Session
    from ganetix.objects import IpVersion

POLL_SECONDS = 1.0
DEFAULT_PORT = 1811


def program() -> Program:
    """The parser of ``gnt-node``."""
    made = Program(
        "gnt-node",
        "Manages nodes.",
        "A node is a host that runs instances. 'gnt-node add' on the master prints a"
        " token with which 'ganetix-node join' on the new host makes it a node.",
    )
    _add_add(made)
    add_modify_commands(made)
    add_look_commands(made)
    add_node_moves(made)
    remove = made.command(
        "remove",
        remove_node,
        "remove a node from the cluster",
        "The node must hold no instances. It forgets its certificate. Of one that has"
        " never joined the reservation is removed; 'withdraw' takes that of a member.",
        examples=["remove node3"],
    )
    completes(remove.add_argument("name", metavar="NODE", help="its name"), "node")
    add_job_options(remove)
    withdraw = made.command(
        "withdraw",
        withdraw_node,
        "take back what 'gnt-node add' promised",
        "The node's join token is void from then on. A member that was to join again,"
        " by --readd, stays the member that it is. 'gnt-node list --reserved' shows who"
        " has not joined yet.",
        examples=["withdraw node3"],
    )
    name = withdraw.add_argument("name", metavar="NODE", help="its name")
    completes(name, "reservation")
    add_job_options(withdraw)
    add_tag_commands(made, "node")
    add_group_commands(made, "group-")
    return made


def _add_add(made: Program) -> None:
    add = made.command(
        "add",
        add_node,
        "reserve a place for a node and print its join token",
        "The token alone is printed on standard output. It is good for one join of"
        " this node until it expires. Give it to 'ganetix-node join' on the new"
        " host. --readd is for a member whose host was installed anew: it keeps its"
        " UUID, group, role and instances, and gets a new certificate. 'gnt-node"
        " withdraw' takes back what was promised.",
        examples=[
            "add --primary-ip 192.0.2.12 node2.example.org",
            "add -g rack2 --wait node2.example.org",
            "add node2 | ssh node2 ganetix-node join -",
            "add --readd node2",
        ],
    )
    add.add_argument("name", metavar="NAME", help="the node's name")
    add.add_argument(
        "--primary-ip",
        metavar="ADDRESS",
        help="where its daemon listens (default: what the name resolves to)",
    )
    add.add_argument(
        "--secondary-ip",
        metavar="ADDRESS",
        help="its address for disks and migration (default: the primary one)",
    )
    add_group_option(add, "its node group (default: the default group)")
    add.add_argument(
        "--port",
        type=int,
        help=f"the port of its daemon (default: {DEFAULT_PORT})",
    )
    add.add_argument(
        "--token-lifetime",
        metavar="DURATION",
        type=duration,
        default=3600.0,
        help="how long the token is good, 10s to 30d (default: 1h)",
    )
    add.add_argument(
        "--readd",
        action="store_true",
        help="have a member join again; what is not named stays as it was",
    )
    add.add_argument(
        "--replace",
        action="store_true",
        help="take the place of an earlier reservation of this name",
    )
    add.add_argument(
        "--wait", action="store_true", help="wait until the node has joined"
    )
    add_job_options(add)


async def add_node(session: Session, options: Options) -> None:
    """Reserve a node, print its token."""
    from ganetix.cli.addresses import address_of
    from ganetix.cli.output import show_time
    from ganetix.objects.node import LEAST_TOKEN_SECONDS, MOST_TOKEN_SECONDS
    from ganetix.opcodes import OpNodeAdd

    if not LEAST_TOKEN_SECONDS <= options.token_lifetime <= MOST_TOKEN_SECONDS:
        raise UsageError(
            f"--token-lifetime: {options.token_lifetime:.0f} s is not between"
            f" {LEAST_TOKEN_SECONDS:.0f} s and {MOST_TOKEN_SECONDS / 86400:.0f} days"
        )
    client = await session.client()
    address = options.primary_ip
    if options.readd and options.node_group is not None:
        raise UsageError("-g: a node that is added again stays in its group")
    if address is None and not options.readd:
        await _check_new(session, options.name)
        info = await client.cluster_info()
        version: IpVersion = 6 if info.primary_ip_version == 6 else 4
        address = await address_of(session, options.name, version)
    op = checked(
        OpNodeAdd,
        name=options.name,
        primary_ip=address,
        secondary_ip=options.secondary_ip,
        port=options.port,
        group=options.node_group,
        replace=options.replace,
        readd=options.readd,
    )
    job = await session.run_job(op, options)
    if job is None:
        session.streams.note(
            "no token yet: give the same with --replace when the job has ended"
            if not options.readd
            else "no token yet: give the same again when the job has ended"
        )
        return
    issued = await client.issue_token(options.name, options.token_lifetime)
    at = f" ({address})" if address else ""
    session.streams.note(
        f"{options.name}{at} may join until {show_time(issued.expires)}. On that host,"
        " as root, run: ganetix-node join TOKEN"
    )
    session.streams.out(issued.token)
    session.streams.stdout.flush()
    if options.wait:
        await _wait_for_node(session, options.name, job.id, issued.expires)


async def _check_new(session: Session, name: str) -> None:
    """Refuse a node that there is, before its name is looked up."""
    from ganetix.api.types import QueryRequest
    from ganetix.errors import NotFound

    request = QueryRequest(kind="node", fields=("name",), names=(name,))
    try:
        await session.query(request)
    except NotFound:
        return
    raise Failure(
        f"node {name} is a member of this cluster already; --readd is for one that was"
        " installed anew"
    )


async def _wait_for_node(
    session: Session, name: str, after_job: int, expires: float
) -> None:
    """Wait for the join, then follow the job that admits the node."""
    import time

    from twisted.internet.task import deferLater

    from ganetix.api.types import QueryRequest

    session.streams.note(f"waiting for {name} to join …")
    request = QueryRequest(kind="job", fields=("id", "summary"), limit=50)
    wanted = f"NODE_ENROL({name})"
    while True:
        rows = (await session.query(request)).rows
        for row in rows:
            job_id, summary = row.cells
            if isinstance(job_id, int) and job_id > after_job and summary == wanted:
                session.require_success(await session.follow([job_id]))
                session.streams.note(f"{name} is a member of the cluster")
                return
        if time.time() > expires:
            raise Failure(f"{name} did not join before its token expired")
        await deferLater(session.clock, POLL_SECONDS)


async def remove_node(session: Session, options: Options) -> None:
    """Remove a node."""
    from ganetix.opcodes import OpNodeRemove

    await session.run_job(checked(OpNodeRemove, name=options.name), options)


async def withdraw_node(session: Session, options: Options) -> None:
    """Take a reservation back."""
    from ganetix.opcodes import OpNodeRemove

    op = checked(OpNodeRemove, name=options.name, reservation=True)
    await session.run_job(op, options)
