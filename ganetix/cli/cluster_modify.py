"""``gnt-cluster modify``, ``rename``, ``redist-conf`` and ``version``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganetix.cli.errors import Failure, checked
from ganetix.cli.parser import (
    Options,
    Parser,
    Program,
    add_job_options,
    add_json_option,
    completes,
    duration,
)
from ganetix.cli.settings import add_setting_options, settings_of, yes_no

if TYPE_CHECKING:
    from ganetix.cli.asking import Asking
    from ganetix.cli.session import Session
    from ganetix.opcodes import OpClusterModify

NONE = "none"


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
        "--candidate-pool-size",
        metavar="N",
        type=int,
        help="how many nodes are master candidates",
    )
    modify.add_argument(
        "--enabled-hypervisors",
        metavar="LIST",
        help="with commas between; the first is the default",
    )
    modify.add_argument(
        "--enabled-disk-templates",
        metavar="LIST",
        help="with commas between",
    )
    modify.add_argument(
        "--mac-prefix", metavar="PREFIX", help="of MAC addresses, as aa:00:00"
    )
    add_setting_options(modify, "all instances")
    _add_behaviour(modify)
    add_serial_option(modify)
    add_job_options(modify)


def _add_behaviour(modify: Parser) -> None:
    group = modify.add_argument_group("behaviour")
    group.add_argument(
        "--default-iallocator",
        metavar="NAME",
        help="what places instances: builtin, or an external program's name",
    )
    group.add_argument(
        "--master-ip",
        metavar="ADDRESS",
        help=f"an address that moves with the master's role; '{NONE}' for none",
    )
    group.add_argument(
        "--master-netdev",
        metavar="INTERFACE",
        help=f"where that address is put; '{NONE}' for none",
    )
    group.add_argument(
        "--master-netmask",
        metavar="LENGTH",
        help=f"the prefix length of its network; '{NONE}' for the address alone",
    )
    group.add_argument(
        "--ipv6-secondary",
        metavar="yes|no",
        help="whether nodes may have IPv6 secondary addresses",
    )
    group.add_argument(
        "--remote-commands",
        metavar="yes|no",
        help="whether 'gnt-cluster command' and 'copyfile' work",
    )
    group.add_argument(
        "--cache-time",
        dest="cache_seconds",
        metavar="DURATION",
        type=duration,
        help="the longest life of cached state, 1s to 1d",
    )
    group.add_argument(
        "--watcher-interval",
        dest="watcher_seconds",
        metavar="DURATION",
        type=duration,
        help="the pause between two rounds of repair, 10s to 5m",
    )
    group.add_argument(
        "--max-running-jobs",
        metavar="N",
        type=int,
        help="how many jobs are done at once, 1 to 1000",
    )


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

    given: dict[str, Any] = {
        "default_group": options.default_group,
        "candidate_pool_size": options.candidate_pool_size,
        "enabled_hypervisors": _names(options.enabled_hypervisors),
        "enabled_disk_templates": _names(options.enabled_disk_templates),
        "mac_prefix": options.mac_prefix,
        "default_iallocator": options.default_iallocator,
        "master_ip": _or_none(options.master_ip),
        "master_netdev": _or_none(options.master_netdev),
        "master_netmask": _netmask(options.master_netmask),
        "ipv6_secondary": _flag("--ipv6-secondary", options.ipv6_secondary),
        "remote_commands": _flag("--remote-commands", options.remote_commands),
        "cache_seconds": _seconds("--cache-time", options.cache_seconds),
        "watcher_seconds": _seconds("--watcher-interval", options.watcher_seconds),
        "max_running_jobs": options.max_running_jobs,
        "expected_serial": options.expected_serial,
    }
    return OpClusterModify(**given, **settings_of(options))


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


def _names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _or_none(text: str | None) -> str | None:
    return "" if text == NONE else text


def _netmask(text: str | None) -> int | None:
    if text is None or text == NONE:
        return None if text is None else 0
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= 128):
        raise ValueError(f"--master-netmask: {text!r} is not between 1 and 128")
    return int(text)


def _flag(option: str, text: str | None) -> bool | None:
    return None if text is None else yes_no(option, text)


def _seconds(option: str, seconds: float | None) -> int | None:
    if seconds is not None and seconds != int(seconds):
        raise ValueError(f"{option}: {seconds:g} s is not a whole number of seconds")
    return None if seconds is None else int(seconds)
