"""Random requests given to Debian's hail and to ganetix: do they answer the same?

Prints a line for each seed that differs and a summary; exit status 1 if any answer is
worse than hail's. ``--seed N --show`` prints one request with both answers. Nodes that
differ are compared by the score of the cluster with either choice.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

from allocator_cases import Case
from allocator_verdicts import Verdict, judged
from htools import comparison_options, print_summary, run_on

from ganetix.allocators.protocol import read_answer
from ganetix.errors import GanetixError
from ganetix.plan.allocate import answer
from ganetix.plan.capacity.requests import Answer

HAILS = (
    Path("/usr/lib/ganeti/iallocators/hail"),
    Path("/usr/lib/ganeti/3.0/usr/lib/ganeti/iallocators/hail"),
)
HAIL_MEMORY = 2 << 30


def hail() -> Path | None:
    """Where hail is, if it is installed."""
    return next((path for path in HAILS if path.exists()), None)


def ask_hail(program: Path, case: Case, seconds: float) -> tuple[Answer | str, float]:
    """What hail says, or why it says nothing; its CPU time."""
    done = run_on(case.document.decode(), [str(program)], seconds, HAIL_MEMORY)
    if done is None:
        return "slow", seconds
    cpu = done.cpu_seconds
    if done.status:
        return f"exit {done.status}: {done.stderr.strip()[-300:]}", cpu
    try:
        said = done.stdout.encode()
        return read_answer("hail", said, case.cluster, case.request), cpu
    except GanetixError as error:
        return str(error), cpu


def compare(
    program: Path, seed: int, seconds: float, show: bool = False
) -> tuple[str, Verdict, float, float]:
    """What was asked for, the verdict and both CPU times."""
    case = Case(seed)
    kind = str(getattr(case.request.__struct_config__, "tag", "")) + (
        " tags" if case.with_tags else ""
    )
    theirs, their_time = ask_hail(program, case, seconds)
    began = time.process_time()
    ours = answer(case.cluster, case.request)
    our_time = time.process_time() - began
    if show:
        print(case.document.decode())
        print("hail   :", theirs)
        print("ganetix:", ours)
    if isinstance(theirs, str):
        word = "hail-slow" if theirs == "slow" else "hail-failed"
        return kind, Verdict(word, theirs), their_time, our_time
    return kind, judged(case, theirs, ours), their_time, our_time


def main() -> int:
    """Compare ``--count`` seeds from ``--seed`` on."""
    options = comparison_options(__doc__, "requests", "both answers", 10)
    program = hail()
    if program is None:
        print("hail is not installed: install ganeti-htools", file=sys.stderr)
        return 2
    verdicts: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = {}
    theirs = ours = 0.0
    for seed in range(options.seed, options.seed + options.count):
        kind, verdict, their_time, our_time = compare(
            program, seed, options.seconds, options.show
        )
        verdicts[verdict.word] += 1
        kinds.setdefault(kind, Counter())[verdict.word] += 1
        theirs += their_time
        ours += our_time
        if not verdict.word.startswith("same"):
            print(f"seed {seed}: {kind}: {verdict.word} {verdict.detail}")
    summary = {
        "seeds": [options.seed, options.seed + options.count - 1],
        "verdicts": dict(verdicts),
        "by_kind": {kind: dict(found) for kind, found in sorted(kinds.items())},
        "hail_cpu_s": round(theirs, 2),
        "ganetix_cpu_s": round(ours, 2),
    }
    print_summary(summary, options.json)
    return 1 if verdicts["DIFFERENT"] or verdicts["WORSE"] else 0


if __name__ == "__main__":
    sys.exit(main())
