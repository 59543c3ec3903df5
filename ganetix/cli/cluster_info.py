"""``gnt-cluster info`` and ``getmaster``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.cluster_queue import drain_text
from ganetix.cli.errors import Failure
from ganetix.cli.options import add_json_option
from ganetix.cli.parser import Options, Program
from ganetix.cli.quantities import size_text
from ganetix.cli.streams import printable

if TYPE_CHECKING:
    from ganetix.api.types import Cell, ClusterInfo
    from ganetix.cli.asking import Asking


def add_info(made: Program) -> None:
    """``info``."""
    info = made.look(
        "info",
        show_info,
        "show the cluster at a glance, and all its parameters",
        "Sizes among the parameters are in MiB, times in seconds.",
        examples=["info", "info --json"],
    )
    add_json_option(info)


def add_getmaster(made: Program) -> None:
    """``getmaster``."""
    made.look(
        "getmaster",
        show_master,
        "print the master node's name",
        "Works on every node, also when no daemon runs.",
        examples=["getmaster"],
    )


async def show_info(session: Asking, options: Options) -> None:
    """Show the cluster."""
    import msgspec

    from ganetix.cli.output import print_json, show_time
    from ganetix.objects.words import counted

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
        "Nodes": f"{info.nodes} in {counted(info.groups, 'group')}",
        "Instances": info.instances,
        "Jobs": f"{info.jobs_running} running, {info.jobs_queued} queued",
        "Epoch": info.epoch,
        "Revision": info.revision,
        "Serial number": info.serial_no,
        "Created": show_time(info.ctime),
        "Modified": show_time(info.mtime),
        "Tags": ",".join(info.tags) or "-",
        "Running since": show_time(info.started),
    }
    if info.ca_expires:
        shown["CA expires"] = show_time(info.ca_expires)
    if info.ca_renewal:
        shown["CA"] = info.ca_renewal
    if info.drain is not None:
        shown["Queue"] = drain_text(info.drain)
    for name, value in shown.items():
        session.streams.out(printable(f"{name}: {value}"))
    _show_candidates(session, info)
    if info.parameters:
        session.streams.out("Parameters:")
    for name, cell in info.parameters.items():
        origin = info.origins.get(name)
        where = f" ({origin})" if origin else ""
        session.streams.out(f"  {name}: {_parameter(cell)}{where}")
    for fault in info.faults:
        session.streams.out(f"Fault: {fault}")


def _show_candidates(session: Asking, info: ClusterInfo) -> None:
    """Print how far each master candidate has come."""
    if info.candidates:
        session.streams.out("Master candidates:")
    for each in info.candidates:
        role = "master" if each.is_master else "in step"
        state = role if each.in_step else "OUT OF STEP"
        problem = f" ({each.problem})" if each.problem else ""
        line = f"  {each.name}: revision {each.revision}, {state}{problem}"
        session.streams.out(printable(line))


def _parameter(cell: Cell) -> str:
    from ganetix.cli.output import show_cell

    if isinstance(cell, dict):
        return size_text(cell, ", ")
    return show_cell(cell, "other")


async def show_master(session: Asking, options: Options) -> None:
    """Print the master's name."""
    path = session.paths.ssconf("master_node")
    try:
        name = path.read_text("utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        name = ""
    if not name:
        raise Failure(f"this host is in no cluster: {path} is missing or empty")
    session.streams.out(name)
