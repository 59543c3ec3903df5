"""``gnt-instance``: instances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from ganetix.cli.errors import UsageError, checked
from ganetix.cli.instance_move import add_move_commands
from ganetix.cli.listing import print_info, print_list
from ganetix.cli.parser import (
    Options,
    Parser,
    Program,
    add_allocator_option,
    add_group_option,
    add_job_options,
    add_json_option,
    add_list_options,
    completes,
    duration,
)
from ganetix.cli.tags import add_tag_commands

if TYPE_CHECKING:
    from ganetix.cli.asking import Asking
    from ganetix.cli.session import Session

STOP_TIMEOUT = 120.0


def program() -> Program:
    """The parser of ``gnt-instance``."""
    made = Program(
        "gnt-instance",
        "Manages instances.",
        "An instance is a virtual machine. Its disks and its guest live on its primary"
        " node.",
    )
    _add_add(made)
    _add_listings(made)
    _add_states(made)
    add_move_commands(made)
    _add_remove(made)
    _add_console(made)
    add_tag_commands(made, "instance")
    return made


def _add_add(made: Program) -> None:
    add = made.command(
        "add",
        add_instance,
        "create an instance",
        "Makes its disks, runs the OS definition on them and starts the guest. Without"
        " -n a node is chosen in the group given, or in the default group. What fails"
        " half-way is undone. Sizes are MiB, or carry a unit: 512M, 4G, 1T.",
        examples=[
            "add -t file --disk 0:size=1G -B memory=128M,vcpus=1 -o tiny web1",
            "add -t file --disk 0:size=10G,format=qcow2 -o tiny+debug -g rack2 web2",
            "add --dry-run -t file --disk 0:size=1G -o tiny web2",
            "add -t diskless -o noop -H kvm:accel=tcg,kernel_path=/boot/vmlinuz net1",
            "add -t file --disk 0:size=1G -o tiny -n node2 --net 0:mode=bridged,"
            "link=br0 --no-start db1",
        ],
    )
    add.add_argument("name", metavar="NAME", help="the instance's name")
    add.add_argument(
        "-t",
        "--disk-template",
        metavar="TEMPLATE",
        default="file",
        help="where its disks are: file or diskless (default: %(default)s)",
    )
    add.add_argument(
        "--disk",
        metavar="N:size=SIZE[,KEY=VALUE…]",
        action="append",
        default=[],
        help="disk N, counted from 0; other keys: mode=rw|ro, and those of the"
        " template, such as format=raw|qcow2",
    )
    add.add_argument(
        "-B",
        "--backend-parameters",
        metavar="KEY=VALUE,…",
        default="",
        help="memory=SIZE and vcpus=NUMBER (default: the cluster's)",
    )
    completes(
        add.add_argument(
            "-o",
            "--os-type",
            metavar="OS[+VARIANT]",
            required=True,
            help="the OS definition that fills its disks",
        ),
        "os",
    )
    add.add_argument(
        "-O",
        "--os-parameters",
        metavar="KEY=VALUE,…",
        default="",
        help="parameters of the OS definition",
    )
    place = add.add_argument_group("place")
    completes(
        place.add_argument("-n", "--node", metavar="NODE", help="its primary node"),
        "node",
    )
    add_group_option(place, "the node group in which a place is chosen")
    add_allocator_option(place, "the allocator that chooses the node")
    place.add_argument(
        "--dry-run",
        action="store_true",
        help="make nothing: tell the node that would be chosen, the next best ones with"
        " their scores (lower is better), and why not others",
    )
    net = add.add_mutually_exclusive_group()
    net.add_argument(
        "--net",
        metavar="N[:KEY=VALUE,…]",
        action="append",
        help="network card N, counted from 0; keys: mode=user|bridged|none, link, mac,"
        " ip (default: one card as the cluster says)",
    )
    net.add_argument("--no-nics", action="store_true", help="no network card")
    add.add_argument(
        "-H",
        "--hypervisor-parameters",
        metavar="HV[:KEY=VALUE,…]",
        help="the hypervisor, and parameters that differ from the cluster's",
    )
    add.add_argument("--no-start", action="store_true", help="do not start it")
    add.add_argument(
        "--no-install", action="store_true", help="do not run the OS definition"
    )
    add_json_option(add)
    add_job_options(add)


def _add_listings(made: Program) -> None:
    listing = made.look(
        "list",
        list_instances,
        "list instances",
        "States: running, ADMIN_down, USER_down (shut down from inside), ERROR_down"
        " (should run), ERROR_up (should not), ERROR_nodedown, ERROR_nodeoffline.",
        examples=[
            "list",
            "list -g rack2 -o +be/vcpus,disk.sizes",
            "list --json -o name,status",
        ],
    )
    _add_names(listing, "*", "default: all")
    add_group_option(listing, "only instances of this group")
    add_list_options(listing)
    info = made.look(
        "info", info_instances, "show instances in full", examples=["info web1"]
    )
    _add_names(info, "*", "default: all")
    add_group_option(info, "only instances of this group")
    add_json_option(info)


def _add_states(made: Program) -> None:
    start = made.command(
        "start",
        start_instances,
        "start instances",
        "Several are started in parallel, a job for each. One that runs is left alone.",
        examples=["start web1 web2", "start -g rack2", "start --all --submit"],
        aliases=["startup"],
    )
    _add_selection(start)
    add_job_options(start)
    stop = made.command(
        "stop",
        stop_instances,
        "stop instances",
        "Presses the guest's power button. A guest that has not ended after the"
        " time-out is ended without being asked again; 0 does so at once.",
        examples=["stop web1", "stop --timeout 10s web1 web2", "stop -f --all"],
        aliases=["shutdown"],
    )
    _add_selection(stop)
    _add_timeout(stop)
    _add_force(stop, "do not ask before stopping all that -g or --all selects")
    add_job_options(stop)
    reboot = made.command(
        "reboot",
        reboot_instances,
        "reboot instances",
        "soft stops and starts the guest, hard presses its reset button.",
        examples=["reboot web1", "reboot -t hard web1"],
    )
    _add_selection(reboot)
    reboot.add_argument(
        "-t",
        "--type",
        choices=("soft", "hard"),
        default="soft",
        help="how (default: %(default)s)",
    )
    _add_timeout(reboot)
    _add_force(reboot, "do not ask before rebooting all that -g or --all selects")
    add_job_options(reboot)


def _add_remove(made: Program) -> None:
    remove = made.command(
        "remove",
        remove_instances,
        "stop instances and remove them with their disks",
        "Asks first. Where nobody can answer, -f is needed.",
        examples=["remove web1", "remove -f --timeout 0 web1 web2"],
    )
    _add_names(remove, "+", "what to remove")
    _add_timeout(remove)
    _add_force(remove, "do not ask")
    remove.add_argument(
        "--ignore-failures",
        action="store_true",
        help="remove it from the configuration even if its node cannot clean up",
    )
    add_job_options(remove)


def _add_console(made: Program) -> None:
    console = made.command(
        "console",
        open_console,
        "use an instance's serial console",
        "Ctrl-] leaves it. --log shows what the guest has written so far.",
        examples=["console web1", "console --log -n 20 web1", "console --log -F web1"],
    )
    completes(
        console.add_argument("name", metavar="INSTANCE", help="which one"), "instance"
    )
    console.add_argument(
        "--log", action="store_true", help="print the end of its log and return"
    )
    console.add_argument(
        "-n", "--lines", type=int, default=50, help="how many lines (default: 50)"
    )
    console.add_argument(
        "-F", "--follow", action="store_true", help="with --log: go on until Ctrl-C"
    )


def _add_names(parser: Parser, how_many: str, help_text: str) -> None:
    completes(
        parser.add_argument(
            "names", metavar="INSTANCE", nargs=how_many, help=help_text
        ),
        "instance",
    )


def _add_selection(parser: Parser) -> None:
    _add_names(parser, "*", "which ones")
    add_group_option(parser, "all instances of this group")
    parser.add_argument("--all", action="store_true", help="all instances")


def _add_timeout(parser: Parser) -> None:
    parser.add_argument(
        "--timeout",
        metavar="DURATION",
        type=duration,
        default=STOP_TIMEOUT,
        help="how long the guest may take to power off (default: 2m)",
    )


def _add_force(parser: Parser, help_text: str) -> None:
    parser.add_argument("-f", "--force", action="store_true", help=help_text)


async def add_instance(session: Session, options: Options) -> None:
    """Create an instance."""
    from ganetix.cli.instance_request import create_request
    from ganetix.cli.output import print_json

    op = checked(create_request, options)
    job = await session.run_job(op, options)
    if job is None:
        return
    result = cast("dict[str, Any]", job.ops[0].result)
    if options.json:
        print_json(session.streams, {**result, "job": job.id})
    elif op.dry_run:
        for line in _would_be(result):
            session.streams.out(line)


def _would_be(result: dict[str, Any]) -> Iterator[str]:
    """What a dry run tells: the chosen node, the next best, and the refusals."""
    yield f"{result['name']} would be made on {_with_score(result)}"
    for other in result["runners_up"]:
        yield f"next best: {_with_score(other)}"
    for name, reason in result["refusals"].items():
        yield f"not on {name}: {reason}"


def _with_score(place: dict[str, Any]) -> str:
    node, score = place["node"], place["score"]
    return f"{node}" if score is None else f"{node} (score {score:.6f})"


async def list_instances(session: Asking, options: Options) -> None:
    """List instances."""
    await print_list(session, options, "instance", options.names, options.node_group)


async def info_instances(session: Asking, options: Options) -> None:
    """Show instances."""
    await print_info(session, options, "instance", options.names, options.node_group)


async def start_instances(session: Session, options: Options) -> None:
    """Start instances."""
    from ganetix.opcodes import OpInstanceStartup

    names = await _selected(session, options)
    await session.run_jobs([OpInstanceStartup(name=name) for name in names], options)


async def stop_instances(session: Session, options: Options) -> None:
    """Stop instances."""
    from ganetix.opcodes import OpInstanceShutdown

    names = await _selected(session, options, "Stop")
    ops = [
        checked(OpInstanceShutdown, name=name, timeout=options.timeout)
        for name in names
    ]
    await session.run_jobs(ops, options)


async def reboot_instances(session: Session, options: Options) -> None:
    """Reboot instances."""
    from ganetix.opcodes import OpInstanceReboot

    names = await _selected(session, options, "Reboot")
    ops = [
        checked(OpInstanceReboot, name=name, mode=options.type, timeout=options.timeout)
        for name in names
    ]
    await session.run_jobs(ops, options)


async def remove_instances(session: Session, options: Options) -> None:
    """Remove instances."""
    from ganetix.opcodes import OpInstanceRemove

    names = list(dict.fromkeys(options.names))
    ops = [
        checked(
            OpInstanceRemove,
            name=name,
            timeout=options.timeout,
            ignore_failures=options.ignore_failures,
        )
        for name in names
    ]
    if not options.force:
        session.confirm(f"Remove {', '.join(names)} with all disks?")
    await session.run_jobs(ops, options)


async def open_console(session: Session, options: Options) -> None:
    """Use or show a console."""
    from ganetix.cli.console import follow_log, print_log, use_console

    if options.follow and not options.log:
        raise UsageError("--follow goes with --log")
    if not options.log:
        await use_console(session, options.name)
        return
    await print_log(session, options.name, options.lines)
    if options.follow:
        await follow_log(session, options.name)


async def _selected(session: Session, options: Options, verb: str = "") -> list[str]:
    """The names given, or those that ``-g`` or ``--all`` selects.

    ``verb``: ask before so many are concerned.
    """
    from ganetix.api.types import QueryRequest
    from ganetix.objects.words import counted

    if options.names:
        if options.all:
            raise UsageError("give names or --all, not both")
        names = list(dict.fromkeys(options.names))
        if options.node_group is None:
            return names
    elif not options.all and options.node_group is None:
        raise UsageError("which instances? Give names, -g GROUP or --all")
    request = QueryRequest(
        kind="instance",
        fields=("name",),
        names=tuple(dict.fromkeys(options.names)),
        group=options.node_group,
    )
    rows = (await session.query(request)).rows
    names = [str(row.cells[0]) for row in rows]
    if not names:
        session.streams.note(f"{session.program}: there are no such instances")
    elif verb and not options.names and not options.force:
        session.confirm(
            f"{verb} {counted(len(names), 'instance')}: {', '.join(names)}?"
        )
    return names
