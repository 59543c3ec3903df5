"""``gnt-cluster balance``: spread instances evenly over their groups' nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ganetix.cli.errors import Failure, UsageError, checked
from ganetix.cli.options import add_groups_option, add_job_options, add_list_options
from ganetix.cli.parser import Options, Program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganetix.cli.session import Session
    from ganetix.opcodes import OpInstanceMigrate


def add_balance(made: Program) -> None:
    """``balance``."""
    balance = made.command(
        "balance",
        balance_cluster,
        "plan the moves that spread instances evenly, and make them with --execute",
        "Each group is balanced for itself, by the same score that places new"
        " instances; lower is better. Moves of one step share no node. With --execute"
        " a step's moves are jobs side by side, and the next step begins when all have"
        " succeeded. It stops by itself where another move would gain little.",
        examples=["balance", "balance -g rack2 --max-moves 4", "balance --execute"],
    )
    add_groups_option(balance)
    balance.add_argument(
        "--max-moves", metavar="N", type=int, help="at most so many moves"
    )
    balance.add_argument(
        "--execute", action="store_true", help="make the moves, after showing them"
    )
    add_list_options(balance)
    add_job_options(balance)


async def balance_cluster(session: Session, options: Options) -> None:
    """Plan, show, and move if that is wanted."""
    from ganetix.cli.output import print_json
    from ganetix.opcodes import OpClusterBalance

    if options.submit:
        raise UsageError("--submit: the plan has to be waited for")
    op = checked(
        OpClusterBalance,
        groups=tuple(options.node_group),
        max_moves=options.max_moves,
    )
    job = await session.run_job(op, options)
    if job is None:
        return
    plan = cast("dict[str, Any]", job.ops[0].result)
    if options.json:
        print_json(session.streams, plan)
    else:
        _show(session, options, plan)
    if options.execute:
        for number, indices in enumerate(plan["job_sets"], 1):
            moves = [plan["moves"][index] for index in indices]
            session.streams.note(f"step {number} of {len(plan['job_sets'])}")
            await session.run_jobs([_opcode(move) for move in moves], options)


def _show(session: Session, options: Options, plan: dict[str, Any]) -> None:
    from ganetix.cli.output import print_table
    from ganetix.cli.quantities import show_mib

    step_of = {
        index: f"{step}"
        for step, indices in enumerate(plan["job_sets"], 1)
        for index in indices
    }
    unit = options.units or ("m" if options.separator is not None else "h")
    rows = [
        [
            step_of[index],
            move["instance"],
            _nodes(move["nodes_before"]),
            _nodes(move["nodes_after"]),
            show_mib(move["cost_mib"], unit),
            f"{move['score_before'] - move['score_after']:.4f}",
        ]
        for index, move in enumerate(plan["moves"])
    ]
    titles = ["Step", "Instance", "From", "To", "Copied", "Gain"]
    right = [True, False, False, False, True, True]
    if rows:
        print_table(session.streams, titles, rows, options, right)
    for group in plan["groups"]:
        session.streams.out(
            f"group {group['group']}: score {group['score_before']:.4f}, then"
            f" {group['score_after']:.4f}"
        )
    if not rows:
        session.streams.out("nothing to move: no move would gain enough")


def _nodes(names: Sequence[str]) -> str:
    return ":".join(names)


def _opcode(move: dict[str, Any]) -> OpInstanceMigrate:
    from ganetix.opcodes import OpInstanceMigrate

    steps = move["moves"]
    if len(steps) != 1 or steps[0]["kind"] != "migrate" or not steps[0]["node"]:
        raise Failure(
            f"{move['instance']}: this move takes steps that ganetix cannot make yet:"
            f" {', '.join(step['kind'] for step in steps)}"
        )
    return OpInstanceMigrate(
        name=move["instance"], node=steps[0]["node"], allow_failover=True
    )
