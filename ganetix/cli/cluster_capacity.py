"""``gnt-cluster capacity``: how many more instances fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganetix.cli.errors import UsageError, checked
from ganetix.cli.options import (
    add_allocator_option,
    add_groups_option,
    add_job_options,
    add_list_options,
)
from ganetix.cli.parser import Options, Program

if TYPE_CHECKING:
    from ganetix.cli.session import Session
    from ganetix.objects import InstanceSize
    from ganetix.plan.capacity.report import CapacityReport, GroupReport, Row

CLUSTER = "(cluster)"


def add_capacity(made: Program) -> None:
    """``capacity``."""
    capacity = made.command(
        "capacity",
        show_capacity,
        "show how many more instances fit, group by group",
        "Fills each group, as far as it goes, with instances of the largest size; then"
        " with smaller ones. A line tells how many of a size fit, and how many of that"
        " size or larger fit in all. An earlier answer is told again as long as nothing"
        " has shrunk; --no-cached asks the nodes and computes anew."
        "\n\nDisk space counts for the templates that take it from nodes as hspace"
        " sees it: plain, drbd, mirror. Groups that are unallocable are shown, and"
        " count nothing in the cluster's lines.",
        examples=[
            "capacity",
            "capacity -g rack2 --no-cached",
            "capacity --fits memory=4G,disk=50G,vcpus=2",
            "capacity --explain --what-if more=node3 --what-if cpu-ratio=6",
            "capacity --max-inst-spec memory=16G,disk=100G,vcpus=8 --max-cpu-ratio 2",
        ],
    )
    add_groups_option(capacity)
    capacity.add_argument(
        "--fits",
        metavar="KEY=VALUE,…",
        action="append",
        default=[],
        help="how many instances of this size fit: memory=SIZE,disk=SIZE,vcpus=N; may"
        " be repeated",
    )
    given = capacity.add_argument_group(
        "parameters", "They take the place of every group's own, for this answer only."
    )
    given.add_argument(
        "--max-inst-spec",
        metavar="KEY=VALUE,…",
        help="the largest instance: memory=SIZE,disk=SIZE,vcpus=N",
    )
    given.add_argument("--default-template", metavar="TEMPLATE", help="disk template")
    given.add_argument(
        "--max-cpu-ratio", metavar="NUMBER", help="virtual CPUs to one of the host's"
    )
    given.add_argument(
        "--max-disk-usage",
        metavar="NUMBER",
        help="share of the disk space that may be used, at most 1",
    )
    capacity.add_argument(
        "--explain",
        action="store_true",
        help="tell what runs out first, which nodes are tightest, and what one node"
        " more or less would change",
    )
    capacity.add_argument(
        "--what-if",
        metavar="CHANGE",
        action="append",
        default=[],
        help="more=NODE (one more like it), without=NODE or cpu-ratio=NUMBER: how many"
        " of the largest size would fit then; may be repeated",
    )
    cached = capacity.add_mutually_exclusive_group()
    cached.add_argument(
        "--cached",
        action="store_true",
        default=True,
        help="an earlier answer will do while nothing has shrunk (the default)",
    )
    cached.add_argument(
        "--no-cached", dest="cached", action="store_false", help="compute anew"
    )
    add_allocator_option(capacity, "the allocator that computes it")
    add_list_options(capacity)
    add_job_options(capacity)


async def show_capacity(session: Session, options: Options) -> None:
    """Have it computed, and print it."""
    from msgspec import convert, to_builtins

    from ganetix.cli.output import print_json
    from ganetix.opcodes import OpComputeCapacity
    from ganetix.plan.capacity.report import CapacityReport

    sizes = tuple(_size("--fits", text) for text in options.fits)
    op = checked(
        OpComputeCapacity,
        iallocator=options.iallocator,
        cached=options.cached,
        groups=tuple(options.node_group),
        fits=sizes,
        explain=options.explain,
        what_if=tuple(options.what_if),
        **_parameters(options),
    )
    job = await session.run_job(op, options)
    if job is None:
        return
    report = convert(job.ops[0].result, CapacityReport)
    if options.json:
        print_json(session.streams, to_builtins(report))
        return
    _print_table(session, options, report)
    for size, count in zip(sizes, report.fits, strict=True):
        session.streams.out(_fits_line(size, count))
    for group in report.node_groups.values():
        for line in group.explanation:
            session.streams.out(f"{group.name}: {line}")
        for note in _notes(group):
            session.streams.note(f"group {group.name}: {note}")


def _parameters(options: Options) -> dict[str, Any]:
    from ganetix.cli.settings import parsed
    from ganetix.opcodes.parameters import CAPACITY

    given: dict[str, Any] = {}
    for field in ("default_template", "max_cpu_ratio", "max_disk_usage"):
        text = getattr(options, field)
        if text is not None:
            option = f"--{field.replace('_', '-')}"
            given[field] = checked(parsed, option, CAPACITY[field], text)
    if options.max_inst_spec is not None:
        given["max_inst_spec"] = _size("--max-inst-spec", options.max_inst_spec)
    return given


def _size(option: str, text: str) -> InstanceSize:
    from ganetix.cli.settings import given_pairs
    from ganetix.objects import InstanceSize
    from ganetix.opcodes.parameters import SIZE

    given = checked(given_pairs, option, text, SIZE)
    if given.keys() != SIZE.keys() or None in given.values():
        raise UsageError(
            f"{option}: {text!r} is not memory=SIZE,disk=SIZE,vcpus=N; all three are"
            " needed"
        )
    return InstanceSize(**given)


def _print_table(session: Session, options: Options, report: CapacityReport) -> None:
    from ganetix.cli.output import print_table
    from ganetix.cli.quantities import show_mib

    unit = options.units or ("m" if options.separator is not None else "h")
    lists: dict[str, tuple[Row, ...]] = {
        group.name: group.tspecs for group in report.node_groups.values()
    }
    if len(lists) > 1:
        lists[CLUSTER] = report.cluster
    rows: list[list[str]] = []
    for name, tspecs in lists.items():
        total = 0
        for memory, disk, vcpus, count in tspecs:
            total += count
            sizes = [show_mib(memory, unit), show_mib(disk, unit), f"{vcpus}"]
            rows.append([name, *sizes, f"{count}", f"{total}"])
        if not tspecs:
            rows.append([name, "-", "-", "-", "0", "0"])
    titles = ["Group", "Memory", "Disk", "VCPUs", "Fit", "InAll"]
    right = [False, *(True,) * 5]
    print_table(session.streams, titles, rows, options, right)


def _fits_line(size: InstanceSize, count: int) -> str:
    from ganetix.cli.quantities import show_mib

    return (
        f"{count} fit of {show_mib(size.memory_mib)} memory,"
        f" {show_mib(size.disk_mib)} disk, {size.vcpus} vcpus"
    )


def _notes(group: GroupReport) -> list[str]:
    from ganetix.cli.output import show_time

    notes = []
    if group.reason:
        notes.append(group.reason)
    if group.alloc_policy != "preferred":
        counts = "counts nothing" if group.alloc_policy == "unallocable" else "counts"
        notes.append(f"{group.alloc_policy}: {counts} in the cluster's lines")
    if group.cached:
        notes.append(f"as computed at {show_time(group.ctime)}")
    return notes
