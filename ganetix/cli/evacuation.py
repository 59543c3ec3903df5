"""Planning where many instances go, and moving them: a job for each, and a summary."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, convert, to_builtins

from ganetix.cli.errors import Failure, checked
from ganetix.cli.parser import Options

if TYPE_CHECKING:
    from ganetix.cli.session import Session
    from ganetix.jobs.model import Job
    from ganetix.opcodes import AnyOpcode


class PlannedMove(Struct, frozen=True):
    """An instance, and the nodes that it leaves and goes to.

    With a ``warning`` it goes there against the allocator's rules.
    """

    instance: str
    source: str
    target: str
    warning: str = ""

    @property
    def where(self) -> str:
        """Where it goes, and what speaks against that."""
        return f"{self.target} ({self.warning})" if self.warning else self.target


class Stay(Struct, frozen=True):
    """An instance that does not move, and why."""

    instance: str
    reason: str


class Planned(Struct, frozen=True):
    """Who goes where, and who stays."""

    moves: tuple[PlannedMove, ...] = ()
    stays: tuple[Stay, ...] = ()


def named_target(homes: Mapping[str, str], target: str) -> Planned:
    """All to one node, from where they are."""
    return Planned(
        moves=tuple(PlannedMove(name, home, target) for name, home in homes.items())
    )


async def would_be(session: Session, plan: Planned, target: str) -> Planned:
    """What of a plan to one node a dry run knows to fail, as the moves would say."""
    from ganetix.api.types import QueryRequest
    from ganetix.objects.instance import MOVABLE_TEMPLATES

    names = tuple(move.instance for move in plan.moves)
    if not names:
        return plan
    fields = ("name", "offline", "drained", "vm_capable")
    request = QueryRequest(kind="node", fields=fields, names=(target,))
    (row,) = (await session.query(request)).rows
    name, offline, drained, vm_capable = row.cells
    closed = (
        ("is offline" if offline else "")
        or ("is drained" if drained else "")
        or ("" if vm_capable else "is not vm_capable")
    )
    request = QueryRequest(
        kind="instance", fields=("name", "disk_template"), names=names
    )
    rows = (await session.query(request)).rows
    templates = {row.cells[0]: row.cells[1] for row in rows}
    moves: list[PlannedMove] = []
    stays = list(plan.stays)
    for move in plan.moves:
        template = templates.get(move.instance)
        if template not in MOVABLE_TEMPLATES:
            reason = f"its disks (template {template}) are on {move.source} only"
            stays.append(Stay(move.instance, reason))
        elif closed:
            stays.append(Stay(move.instance, f"node {name} {closed}"))
        else:
            moves.append(move)
    return Planned(moves=tuple(moves), stays=tuple(stays))


async def planned(
    session: Session,
    options: Options,
    names: Sequence[str],
    group: str | None,
    left_nodes: Sequence[str] = (),
) -> Planned:
    """What an allocator says to all of them at once.

    :param left_nodes: nodes to which none is to go
    """
    from ganetix.opcodes import OpEvacuationPlan

    if not names:
        return Planned()
    op = checked(
        OpEvacuationPlan,
        instances=tuple(names),
        left_nodes=tuple(left_nodes),
        group=group,
        iallocator=options.iallocator,
    )
    # The jobs of the moves come after it: this one has to be waited for.
    waiting = argparse.Namespace(**{**vars(options), "submit": False})
    job = await session.run_job(op, waiting)
    return convert(job.ops[0].result, Planned) if job else Planned()


async def carry_out(
    session: Session, options: Options, plan: Planned, ops: Sequence[AnyOpcode]
) -> int:
    """Submit the moves in one call, follow them, say what became of each.

    :param ops: one for each of the plan's moves
    """
    from ganetix.cli.output import print_json
    from ganetix.objects.words import SHOWN, counted

    if options.dry_run:
        if options.json:
            print_json(session.streams, to_builtins(plan))
        else:
            _show(session, plan)
        return 1 if plan.stays else 0
    if not plan.moves and not plan.stays:
        session.streams.note(f"{session.program}: there are no instances to move")
    if plan.moves and not options.force:
        named = [f"{move.instance} to {move.where}" for move in plan.moves[:SHOWN]]
        if rest := len(plan.moves) - len(named):
            named.append(f"and {rest} more, which --dry-run names")
        text = f"Move {counted(len(plan.moves), 'instance')}: {', '.join(named)}?"
        session.confirm(text)
    jobs = await session.end_jobs(ops, options) if ops else []
    if options.submit:
        for stay in plan.stays:
            session.streams.note(f"{stay.instance}: {stay.reason}")
        return 1 if plan.stays else 0
    failed = sum(job.status != "success" for job in jobs) + len(plan.stays)
    if options.json:
        print_json(session.streams, _as_json(plan, jobs))
    elif jobs or plan.stays:
        for move, job in zip(plan.moves, jobs, strict=True):
            session.streams.out(f"{move.instance}: {_outcome(job)}")
        for stay in plan.stays:
            session.streams.out(f"{stay.instance}: {stay.reason}")
        moved = len(jobs) + len(plan.stays) - failed
        session.streams.out(f"{counted(moved, 'instance')} moved, {failed} not")
    if failed:
        raise Failure("")
    return 0


def _show(session: Session, plan: Planned) -> None:
    for move in plan.moves:
        session.streams.out(f"{move.instance}: {move.source} -> {move.where}")
    for stay in plan.stays:
        session.streams.out(f"{stay.instance}: stays: {stay.reason}")
    if not plan.moves and not plan.stays:
        session.streams.note(f"{session.program}: there are no instances to move")


def _as_json(plan: Planned, jobs: Sequence[Job]) -> dict[str, object]:
    moved: list[object] = []
    failed: list[object] = [to_builtins(stay) for stay in plan.stays]
    for move, job in zip(plan.moves, jobs, strict=True):
        if job.status == "success":
            moved.append({"instance": move.instance, **_result(job), "job": job.id})
        else:
            failed.append(
                {"instance": move.instance, "reason": _outcome(job), "job": job.id}
            )
    return {"moved": moved, "failed": failed}


def _outcome(job: Job) -> str:
    if job.status != "success":
        return job.error.message if job.error else f"the job was {job.status}"
    result = _result(job)
    if not result:
        return "moved"
    return f"{result.get('from')} -> {result.get('to')} ({result.get('how')})"


def _result(job: Job) -> dict[str, object]:
    result = job.ops[-1].result
    return result if isinstance(result, dict) else {}
