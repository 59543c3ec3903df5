"""``gnt-cluster modify``, ``rename``, ``redist-conf`` and ``version``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganetix.cli.cluster_options import add_cluster_options, cluster_fields, flag
from ganetix.cli.errors import Failure, checked
from ganetix.cli.options import add_job_options, add_json_option
from ganetix.cli.parser import Options, Parser, Program, completes

if TYPE_CHECKING:
    from ganetix.cli.asking import Asking
    from ganetix.cli.session import Session
    from ganetix.opcodes import OpClusterModify


def add_modify(made: Program) -> None:
    """``modify``."""
    modify = made.command(
        "modify",
        modify_cluster,
        "change parameters of the cluster",
        "What is not named stays as it is. Prints what changed. 'gnt-cluster info'"
        " shows all parameters with their values.",
        examples=[
            "modify --default-group rack2 --candidate-pool-size 5",
            "modify -B memory=512M,vcpus=2 -H kvm:accel=tcg",
            "modify -H kvm:accel=default",
            "modify --max-inst-spec memory=4G,disk=50G,vcpus=2 --max-cpu-ratio 6",
            "modify --master-ip 192.0.2.9 --master-netdev eth0",
        ],
    )
    completes(
        modify.add_argument(
            "--default-group",
            metavar="GROUP",
            help="takes nodes and instances that name no group",
        ),
        "group",
    )
    modify.add_argument(
        "--default-iallocator",
        metavar="NAME",
        help="what places instances: builtin, or an external program's name",
    )
    modify.add_argument(
        "--ipv6-secondary",
        metavar="yes|no",
        help="whether nodes may have IPv6 secondary addresses",
    )
    add_cluster_options(modify)
    add_serial_option(modify)
    add_job_options(modify)


def add_serial_option(parser: Parser) -> None:
    """``--expect-serial``: for those who decide on what they have read."""
    parser.add_argument(
        "--expect-serial",
        dest="expected_serial",
        metavar="N",
        type=int,
        help="change nothing if the serial number is not this one, as 'info' showed"
        " it: somebody else made a change since",
    )


def add_rename(made: Program) -> None:
    """``rename``."""
    rename = made.command(
        "rename",
        rename_cluster,
        "give the cluster another name",
        "All nodes are told. Instances go on undisturbed.",
        examples=["rename cluster2.example.org"],
    )
    rename.add_argument("name", metavar="NAME", help="the new name")
    add_job_options(rename)


def add_redist_conf(made: Program) -> None:
    """``redist-conf``."""
    redist = made.command(
        "redist-conf",
        redistribute,
        "write the configuration files on all nodes now",
        "Each node compares the files that it has with the master's, and gets them"
        " where they differ. Nodes that are offline are left out. The exit status is 1"
        " if a node did not take them; it is named, and tried again later.",
        examples=["redist-conf"],
    )
    add_job_options(redist)


def add_version(made: Program) -> None:
    """``version``."""
    version = made.look(
        "version",
        show_version,
        "show the versions of this program and of the master",
        examples=["version", "version --json"],
    )
    add_json_option(version)


def modify_request(options: Options) -> OpClusterModify:
    """The opcode; ``ValueError`` names the option that is wrong."""
    from ganetix.opcodes import OpClusterModify

    return OpClusterModify(
        default_group=options.default_group,
        default_iallocator=options.default_iallocator,
        ipv6_secondary=flag("--ipv6-secondary", options.ipv6_secondary),
        expected_serial=options.expected_serial,
        **cluster_fields(options),
    )


async def modify_cluster(session: Session, options: Options) -> None:
    """Change the cluster."""
    from ganetix.cli.changes import print_changes

    job = await session.run_job(checked(modify_request, options), options)
    if job is not None:
        print_changes(session.streams, job, "the cluster")


async def rename_cluster(session: Session, options: Options) -> None:
    """Rename the cluster."""
    from ganetix.opcodes import OpClusterRename

    await session.run_job(checked(OpClusterRename, name=options.name), options)


async def redistribute(session: Session, options: Options) -> None:
    """Write ssconf everywhere."""
    from ganetix.opcodes import OpClusterRedistribute

    job = await session.run_job(OpClusterRedistribute(), options)
    if job is not None:
        result: Any = job.ops[0].result
        count = result["nodes"]
        nodes = "1 node has" if count == 1 else f"{count} nodes have"
        session.streams.out(f"{nodes} the current configuration files")


async def show_version(session: Asking, options: Options) -> None:
    """Show versions; the own one also where no master answers."""
    from ganetix import __version__
    from ganetix.api.words import PROTOCOL
    from ganetix.cli.output import print_json
    from ganetix.errors import GanetixError
    from ganetix.objects.upgrade import VERSION

    master: str | None = None
    fault: GanetixError | None = None
    try:
        master = (await (await session.client()).cluster_info()).version
    except GanetixError as error:
        fault = error
    if options.json:
        print_json(
            session.streams,
            {
                "version": __version__,
                "protocol": PROTOCOL,
                "configuration": VERSION,
                "master": master,
            },
        )
    else:
        session.streams.out(f"Software version: {__version__}")
        session.streams.out(f"Protocol version: {PROTOCOL}")
        session.streams.out(f"Configuration version: {VERSION}")
        session.streams.out(f"Master's version: {master or '?'}")
    if fault is not None:
        raise Failure(f"the master's version is not known: {fault}")
