"""``ganetix-node``: a node's own side of joining a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.errors import UsageError
from ganetix.cli.parser import Options, Program, completes

if TYPE_CHECKING:
    from ganetix.cli.session import Session

STDIN = "-"


def program() -> Program:
    """The parser of ``ganetix-node``."""
    made = Program(
        "ganetix-node",
        "Makes this host a node of a cluster.",
        "The node's daemon itself is 'twistd ganetix-node'.",
    )
    join = made.command(
        "join",
        join_cluster,
        "join a cluster with a token of 'gnt-node add'",
        "Makes a key that never leaves this host, checks the cluster by the token's"
        " fingerprint, and gets a certificate. A token works once. It is a secret"
        " until then: '-' and --token-file keep it out of the process list.",
        examples=[
            "join TOKEN",
            "join - < token",
            "join --token-file /root/token --no-start",
        ],
    )
    join.set_defaults(dials_nodes=True)
    source = join.add_mutually_exclusive_group()
    source.add_argument(
        "token", metavar="TOKEN", nargs="?", help="the token; - reads it from stdin"
    )
    completes(
        source.add_argument("--token-file", metavar="FILE", help="read it from there"),
        "file",
    )
    start = join.add_mutually_exclusive_group()
    start.add_argument(
        "--start",
        dest="start",
        action="store_true",
        default=True,
        help="start the node daemon afterwards (the default)",
    )
    start.add_argument(
        "--no-start", dest="start", action="store_false", help="do not start it"
    )
    return made


async def join_cluster(session: Session, options: Options) -> None:
    """Join."""
    from ganetix.cli.joining import join_here

    await join_here(session, _token(session, options), options.start)


def _token(session: Session, options: Options) -> str:
    given: str | None = options.token
    if options.token_file:
        try:
            with open(options.token_file, encoding="utf-8") as file:
                text = file.read()
        except OSError as error:
            reason = f"{options.token_file}: {error.strerror}"
            raise UsageError(f"--token-file: {reason}") from error
    elif given == STDIN:
        text = session.streams.stdin.readline()
    elif given:
        text = given
    else:
        raise UsageError("no token: give TOKEN, - or --token-file")
    token = "".join(text.split())
    if not token:
        raise UsageError("the token is empty")
    return token
