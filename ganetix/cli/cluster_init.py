"""``gnt-cluster init``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.cluster_options import add_cluster_options
from ganetix.cli.parser import Options, Program

if TYPE_CHECKING:
    from ganetix.cli.session import Session

DEFAULT_PORT = 1811
DEFAULT_HYPERVISOR = "kvm"


def add_init(made: Program) -> None:
    """``init``."""
    init = made.command(
        "init",
        init_cluster,
        "make a cluster with this host as its first node",
        "Needs no daemon; start ganetix-node and ganetix-master afterwards. Without"
        f" --enabled-hypervisors it is {DEFAULT_HYPERVISOR} alone. 'gnt-cluster modify'"
        " changes all parameters later.",
        examples=[
            "init cluster.example.org",
            "init --primary-ip 192.0.2.11 --enabled-hypervisors kvm,fake demo",
            "init -H kvm:accel=tcg,tcg_tb_size=64 demo",
            "init -B memory=1G,vcpus=2 -N mode=bridged,link=br0 demo",
            "init --master-ip 192.0.2.9 --master-netdev eth0 demo",
            "init --primary-ip-version 6 --secondary-ip 192.0.2.11 demo",
            "init --primary-ip-version 6 --allow-ipv6-secondary demo",
        ],
    )
    init.add_argument("name", metavar="NAME", help="the cluster's name")
    init.add_argument(
        "--primary-ip-version",
        type=int,
        choices=(4, 6),
        default=4,
        help="4, or 6: primary IPv6 and secondary IPv4 addresses; fixed for ever",
    )
    init.add_argument(
        "--node-name",
        metavar="NAME",
        help="this node's name (default: the host's full name)",
    )
    init.add_argument(
        "--primary-ip",
        metavar="ADDRESS",
        help="where this node's daemon listens (default: what its name resolves to)",
    )
    init.add_argument(
        "--secondary-ip",
        metavar="ADDRESS",
        help="this node's address for disks and migration; needed with IPv6 (default:"
        " the primary one)",
    )
    init.add_argument(
        "--allow-ipv6-secondary",
        action="store_true",
        help="let secondary addresses be IPv6 ones; they may be left out then",
    )
    init.add_argument(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        help="the port of this node's daemon (default: %(default)s)",
    )
    add_cluster_options(init)
    init.set_defaults(enabled_hypervisors=DEFAULT_HYPERVISOR)


async def init_cluster(session: Session, options: Options) -> None:
    """Make a cluster."""
    from ganetix.cli.initialise import initialise_here

    await initialise_here(session, options)
