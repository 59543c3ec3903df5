"""Random clusters balanced by Debian's hbal and by ganetix: whose score is better?

Prints a line for each cluster where hbal's is and a summary; exit status 1 if there is
any. ``--seed N --show`` prints the moves for one cluster.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter

from allocator_cases import Case
from htools import comparison_options, print_summary, run_on

from ganetix.allocators.htools_text import write_text
from ganetix.plan.allocate.balance import balance
from ganetix.plan.allocate.balance_plan import BalancePlan
from ganetix.plan.capacity.model import CapCluster
from ganetix.plan.capacity.part import of_group

SAME = 1e-6
"""hbal prints eight digits."""


def ask_hbal(cluster: CapCluster, seconds: float) -> tuple[float | None, int, float]:
    """The final score (None: it did not end or failed), its moves and CPU time."""
    done = run_on(write_text(cluster), ["hbal", "-t"], seconds)
    if done is None:
        return None, 0, seconds
    cpu = done.cpu_seconds
    improved = re.search(r"improved from (\S+) to (\S+)", done.stdout)
    if improved:
        moves = re.search(r"Solution length=(\d+)", done.stdout)
        return float(improved[2]), int(moves[1]) if moves else 0, cpu
    found = re.search(
        r"Initial (?:score|coefficients: overall):? ([0-9.]+)", done.stdout
    )
    if found is None:
        return None, 0, cpu
    return float(found[1]), 0, cpu


def ours(cluster: CapCluster) -> tuple[BalancePlan, float]:
    """Our plan and the CPU time that it took."""
    began = time.process_time()
    plan = balance(cluster)
    return plan, time.process_time() - began


def main() -> int:
    """Compare groups of random clusters until ``--count`` have been balanced."""
    options = comparison_options(__doc__, "groups", "our moves", 20)
    verdicts: Counter[str] = Counter()
    gained = {"hbal": 0.0, "ganetix": 0.0}
    moved = {"hbal": 0, "ganetix": 0}
    cpu = {"hbal": 0.0, "ganetix": 0.0}
    seed = options.seed - 1
    while verdicts.total() < options.count:
        seed += 1
        cluster = Case(seed).cluster
        for group in cluster.groups:
            part = of_group(cluster, group.uuid)
            online = sum(not node.offline for node in part.nodes)
            if online < 2 or len(part.instances) < 2:
                continue
            their_score, their_moves, their_time = ask_hbal(part, options.seconds)
            if their_score is None:
                verdicts["hbal-failed"] += 1
                continue
            plan, our_time = ours(part)
            gain = their_score - plan.score_after
            word = "same" if abs(gain) <= SAME else "better" if gain > 0 else "WORSE"
            verdicts[word] += 1
            cpu["hbal"] += their_time
            cpu["ganetix"] += our_time
            moved["hbal"] += their_moves
            moved["ganetix"] += len(plan.moves)
            gained["hbal"] += plan.score_before - their_score
            gained["ganetix"] += plan.score_before - plan.score_after
            if word != "same" or options.show:
                print(
                    f"seed {seed} {group.name}: {word}: {plan.score_before:.8f} to"
                    f" {their_score:.8f} in {their_moves} moves (hbal),"
                    f" {plan.score_after:.8f} in {len(plan.moves)} (ganetix)"
                )
            for move in plan.moves if options.show else ():
                print(
                    f"  {move.instance} {move.kind}: {'/'.join(move.nodes_before)} ->"
                    f" {'/'.join(move.nodes_after)}: {move.score_after:.8f},"
                    f" {move.cost_mib} MiB"
                )
    summary = {
        "seeds": [options.seed, seed],
        "verdicts": dict(verdicts),
        "gained": {name: round(value, 4) for name, value in gained.items()},
        "moves": moved,
        "cpu_s": {name: round(value, 2) for name, value in cpu.items()},
    }
    print_summary(summary, options.json)
    return 1 if verdicts["WORSE"] else 0


if __name__ == "__main__":
    sys.exit(main())
