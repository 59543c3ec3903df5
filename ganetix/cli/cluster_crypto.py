"""``gnt-cluster renew-crypto``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.options import add_job_options
from ganetix.cli.parser import Options, Program, completes

if TYPE_CHECKING:
    from ganetix.cli.session import Session


def add_renew_crypto(made: Program) -> None:
    """``renew-crypto``."""
    renew = made.command(
        "renew-crypto",
        renew_crypto,
        "renew the certificates of nodes, or the cluster's CA",
        "Nodes make new keys, which never leave them, and take new certificates"
        " without a restart: guests and what is under way go on. Old and new are"
        " accepted side by side meanwhile.\n\n"
        "A new CA is trusted beside the old one first; once all nodes trust it they"
        " get certificates of it, and then the old one is forgotten. What was cut"
        " short, or waits for a node that is down, goes on when the command is run"
        " again; 'gnt-cluster info' tells that it is under way. Join tokens that were"
        " given out before a new CA are void afterwards.",
        examples=[
            "renew-crypto --new-node-certificates",
            "renew-crypto --new-node-certificates --node node7",
            "renew-crypto --new-ca",
        ],
    )
    renew.add_argument(
        "--new-node-certificates",
        action="store_true",
        help="give nodes new keys and certificates",
    )
    renew.add_argument(
        "--new-ca",
        action="store_true",
        help="make a new CA, and with it new certificates for all nodes; or go on",
    )
    completes(
        renew.add_argument(
            "--node",
            metavar="NODE",
            action="append",
            default=[],
            help="work on this node only; may be repeated. A new CA begins with all",
        ),
        "node",
    )
    renew.add_argument(
        "--force",
        action="store_true",
        help="leave nodes behind that do not answer; 'gnt-node add --readd' brings"
        " them back",
    )
    add_job_options(renew)


async def renew_crypto(session: Session, options: Options) -> int:
    """Renew certificates."""
    from ganetix.cli.errors import checked
    from ganetix.opcodes import OpClusterRenewCrypto

    op = checked(
        OpClusterRenewCrypto,
        new_node_certificates=options.new_node_certificates,
        new_ca=options.new_ca,
        nodes=tuple(options.node),
        force=options.force,
    )
    await session.run_jobs([op], options)
    return 0
