"""``gnt-cluster``: the cluster as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.errors import Failure, UsageError
from ganetix.cli.parser import (
    Options,
    Program,
    add_group_option,
    add_job_options,
    add_json_option,
)
from ganetix.cli.streams import printable

if TYPE_CHECKING:
    from ganetix.cli.session import Session
    from ganetix.jobs.values import Drain

DEFAULT_PORT = 1811


def program() -> Program:
    """The parser of ``gnt-cluster``."""
    made = Program("gnt-cluster", "Makes, shows, checks and ends a cluster.", "")
    _add_init(made)
    info = made.command(
        "info", show_info, "show the cluster at a glance", examples=["info --json"]
    )
    add_json_option(info)
    made.command(
        "getmaster",
        show_master,
        "print the master node's name",
        "Works on every node, also when no daemon runs.",
        examples=["getmaster"],
    )
    queue = made.command(
        "queue",
        control_queue,
        "stop and start taking jobs, or show the job queue",
        "drain lets no new jobs in, until undrain; jobs that are there go on, and the"
        " master still cleans up after itself. It holds over restarts of the master.",
        examples=["queue info", "queue drain --reason upgrade", "queue undrain"],
    )
    queue.add_argument(
        "action",
        metavar="ACTION",
        choices=("drain", "undrain", "info"),
        help="drain, undrain or info",
    )
    queue.add_argument(
        "--reason", default="", help="with drain: what those hear whose jobs it refuses"
    )
    add_json_option(queue)
    verify = made.command(
        "verify",
        verify_cluster,
        "check that nodes and instances are as they should be",
        "Checks one group, the default one if none is named. Findings go to standard"
        " output. The exit status is 1 if one of them is an error.",
        examples=["verify", "verify -g rack2", "verify --all-groups --repair"],
    )
    choice = verify.add_mutually_exclusive_group()
    add_group_option(choice, "check this group")
    choice.add_argument(
        "--all-groups", action="store_true", help="check every group, a job for each"
    )
    verify.add_argument(
        "--repair", action="store_true", help="clean up what interrupted work left"
    )
    add_json_option(verify)
    add_job_options(verify)
    destroy = made.command(
        "destroy",
        destroy_cluster,
        "end a cluster that has no instances and no node but the master",
        examples=["destroy --yes-do-it"],
    )
    destroy.add_argument(
        "--yes-do-it", action="store_true", help="needed: there is no way back"
    )
    add_job_options(destroy)
    return made


def _add_init(made: Program) -> None:
    init = made.command(
        "init",
        init_cluster,
        "make a cluster with this host as its first node",
        "Needs no daemon; start ganetix-node and ganetix-master afterwards.",
        examples=[
            "init cluster.example.org",
            "init --primary-ip 192.0.2.11 --enabled-hypervisors kvm,fake demo",
            "init -H kvm:accel=tcg,tcg_tb_size=64 demo",
            "init --primary-ip-version 6 --secondary-ip 192.0.2.11 demo",
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
        "--enabled-hypervisors",
        metavar="LIST",
        default="kvm",
        help="hypervisors, with commas between; the first is the default"
        " (default: %(default)s)",
    )
    init.add_argument(
        "-H",
        "--hypervisor-parameters",
        metavar="HV:KEY=VALUE,…",
        action="append",
        default=[],
        help="parameters for all instances of a hypervisor; may be repeated",
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
        help="this node's address for disks and migration (default: the primary one)",
    )
    init.add_argument(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        help="the port of this node's daemon (default: %(default)s)",
    )


async def init_cluster(session: Session, options: Options) -> None:
    """Make a cluster."""
    from ganetix.cli.initialise import initialise_here

    await initialise_here(session, options)


async def show_info(session: Session, options: Options) -> None:
    """Show the cluster."""
    import msgspec

    from ganetix.cli.output import print_json, show_cell, show_time

    info = await (await session.client()).cluster_info()
    if options.json:
        print_json(session.streams, msgspec.to_builtins(info))
        return
    shown: dict[str, object] = {
        "Cluster": f"{info.name} ({info.uuid})",
        "Version": info.version,
        "Master": info.master_node,
        "Primary IP version": info.primary_ip_version,
        "Default group": info.default_group,
        "Nodes": f"{info.nodes} in {info.groups} groups",
        "Instances": info.instances,
        "Jobs": f"{info.jobs_running} running, {info.jobs_queued} queued",
        "Revision": info.revision,
        "Running since": show_time(info.started),
    }
    if info.drain is not None:
        shown["Queue"] = _drain_text(info.drain)
    for name, value in shown.items():
        session.streams.out(printable(f"{name}: {value}"))
    if info.parameters:
        session.streams.out("Parameters:")
    for name, cell in info.parameters.items():
        session.streams.out(f"  {name}: {show_cell(cell, 'other')}")
    for fault in info.faults:
        session.streams.out(f"Fault: {fault}")


async def control_queue(session: Session, options: Options) -> None:
    """Drain the queue, or show it."""
    import msgspec

    from ganetix.cli.output import print_json

    if options.reason and options.action != "drain":
        raise UsageError("--reason goes with drain only")
    client = await session.client()
    if options.action == "info":
        info = await client.queue_info()
    else:
        info = await client.drain(options.action == "drain", options.reason)
    if options.json:
        print_json(session.streams, msgspec.to_builtins(info))
        return
    state = "takes jobs" if info.drain is None else _drain_text(info.drain)
    session.streams.out(printable(f"Queue: {state}"))
    session.streams.out(
        f"Jobs: {info.running} running, {info.waiting} waiting for locks,"
        f" {info.queued} queued; {info.slots} slots"
    )


def _drain_text(drain: Drain) -> str:
    from ganetix.cli.output import show_time

    reason = f": {drain.reason}" if drain.reason else ""
    return f"drained since {show_time(drain.since)}{reason}"


async def show_master(session: Session, options: Options) -> None:
    """Print the master's name."""
    name = session.ssconf("master_node")
    if not name:
        path = session.paths.ssconf("master_node")
        raise Failure(f"this host is in no cluster: {path} is missing or empty")
    session.streams.out(name)


async def verify_cluster(session: Session, options: Options) -> int:
    """Check the cluster."""
    from ganetix.api.types import QueryRequest
    from ganetix.cli.verify import medium_report, print_report, report_of
    from ganetix.errors import StateFault
    from ganetix.opcodes import OpClusterVerify

    groups: list[str | None] = [options.node_group]
    if options.all_groups:
        rows = (await session.query(QueryRequest(kind="group", fields=("name",)))).rows
        groups = [str(row.cells[0]) for row in rows]
    ops = [OpClusterVerify(group=group, repair=options.repair) for group in groups]
    try:
        jobs = await session.run_jobs(ops, options)
    except StateFault as error:
        # No job can say so: none was taken.
        report = medium_report(session.ssconf("cluster_name"), error)
        return print_report(session.streams, report, options)
    if options.submit:
        return 0
    return print_report(session.streams, report_of(jobs), options)


async def destroy_cluster(session: Session, options: Options) -> None:
    """End the cluster."""
    from ganetix.opcodes import OpClusterDestroy

    if not options.yes_do_it:
        raise UsageError("destroying a cluster is final: give --yes-do-it")
    job = await session.run_job(OpClusterDestroy(), options)
    if job is not None:
        session.streams.note("the cluster is no more; stop its daemons")
