"""``gnt-node modify`` and ``gnt-node powercycle``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganetix.cli.cluster_modify import add_serial_option
from ganetix.cli.errors import checked
from ganetix.cli.options import add_group_option, add_job_options
from ganetix.cli.parser import Options, Parser, Program, completes

if TYPE_CHECKING:
    from ganetix.cli.session import Session
    from ganetix.opcodes import OpNodeModify

FLAGS = {
    "master_candidate": "whether it keeps a copy of the state",
    "offline": "whether it counts as dead: it is never contacted",
    "drained": "whether it gets no new instances",
    "master_capable": "whether it may become a master candidate",
    "vm_capable": "whether it may run instances",
}


def add_modify_commands(made: Program) -> None:
    """Add both commands."""
    modify = made.command(
        "modify",
        modify_node,
        "change a node's role, flags, addresses, group or parameters",
        "What is not named stays. A candidate that goes offline, is drained or no"
        " longer master capable is replaced by another node at once. A node is asked"
        " at its new address before it moves there, and must answer to come back"
        " online. One that answers and runs guests does not go offline.",
        examples=[
            "modify --offline yes node3",
            "modify --master-candidate no --auto-promote node2",
            "modify --primary-ip 192.0.2.22 node2",
            "modify -g rack2 node4",
            "modify --node-parameters cpu_speed=1.2,reserved_cpus=default node4",
        ],
    )
    _add_name(modify)
    for flag, meaning in FLAGS.items():
        option = flag.replace("_", "-")
        modify.add_argument(
            f"--{option}", choices=("yes", "no"), metavar="yes|no", help=meaning
        )
    modify.add_argument(
        "--auto-promote",
        action="store_true",
        help="with --master-candidate no: promote another node in its place",
    )
    modify.add_argument("--primary-ip", metavar="ADDRESS", help="where its daemon is")
    modify.add_argument(
        "--secondary-ip", metavar="ADDRESS", help="its address for disks and migration"
    )
    modify.add_argument("--port", type=int, help="the port of its daemon")
    add_group_option(modify, "the node group that it moves to, instances included")
    modify.add_argument(
        "--node-parameters",
        dest="ndparams",
        metavar="KEY=VALUE,…",
        default="",
        help="reserved_memory=SIZE, reserved_cpus=N, spindle_count=N,"
        " exclusive_storage=yes|no, cpu_speed=NUMBER; 'default' takes one back",
    )
    modify.add_argument(
        "--force",
        action="store_true",
        help="although the node does not answer, runs guests, or mirrored instances"
        " would be split over two groups",
    )
    add_serial_option(modify)
    add_job_options(modify)
    powercycle = made.command(
        "powercycle",
        powercycle_node,
        "turn a node's power off and on",
        "Needs an out-of-band helper, of which this version has none: it refuses.",
        examples=["powercycle node3"],
    )
    _add_name(powercycle)
    powercycle.add_argument(
        "--force", action="store_true", help="although guests run on it"
    )
    add_job_options(powercycle)


def _add_name(parser: Parser) -> None:
    completes(parser.add_argument("name", metavar="NODE", help="which one"), "node")


async def modify_node(session: Session, options: Options) -> None:
    """Change a node."""
    await session.run_job(checked(_request, options), options)


async def powercycle_node(session: Session, options: Options) -> None:
    """Turn a node's power off and on."""
    from ganetix.opcodes import OpNodePowercycle

    op = checked(OpNodePowercycle, name=options.name, force=options.force)
    await session.run_job(op, options)


def _request(options: Options) -> OpNodeModify:
    from ganetix.cli.settings import given_pairs
    from ganetix.opcodes import OpNodeModify
    from ganetix.opcodes.parameters import NODE

    flags: dict[str, Any] = {
        flag: None
        if getattr(options, flag) is None
        else getattr(options, flag) == "yes"
        for flag in FLAGS
    }
    return OpNodeModify(
        name=options.name,
        primary_ip=options.primary_ip,
        secondary_ip=options.secondary_ip,
        port=options.port,
        group=options.node_group,
        ndparams=given_pairs("--node-parameters", options.ndparams, NODE),
        auto_promote=options.auto_promote,
        force=options.force,
        expected_serial=options.expected_serial,
        **flags,
    )
