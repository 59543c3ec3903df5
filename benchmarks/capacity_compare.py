"""Random clusters given to Debian's hspace and to ganetix: do they answer the same?

Prints a line for each seed that differs and a summary; exit status 1 if any does.
``--seed N --show`` prints one cluster in the text format with both answers.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter

from clusters import ClusterCase
from htools import comparison_options, print_summary, run_on

from ganetix.allocators.htools_text import write_text
from ganetix.plan.capacity.model import Spec, TieredRequest, TieredResult
from ganetix.plan.capacity.tiered import tiered_steps

HSPACE = "hspace"


def hspace_options(request: TieredRequest, spec: Spec | None) -> list[str]:
    """How hspace is asked for the same."""
    options = ["--disk-template", request.template]
    if request.specs and spec is not None:
        tier = f"{spec.disk}m,{spec.memory}m,{spec.vcpus}"
        if request.disk_spindles is not None:
            tier += f",{request.disk_spindles}"
        options += ["--tiered-alloc", tier]
    if request.spindle_use is not None:
        options += ["--spindle-use", str(request.spindle_use)]
    if request.max_disk_usage != 1.0:
        options += ["--min-disk", repr(1 - request.max_disk_usage)]
    if request.cpu_ratio is not None:
        options += ["--max-cpu", repr(request.cpu_ratio)]
    for wanted, option in (
        (not request.capacity_checks, "--no-capacity-checks"),
        (request.independent_groups, "--independent-groups"),
        (request.accept_existing_errors, "--accept-existing-errors"),
    ):
        if wanted:
            options.append(option)
    # Nothing of this size fits anywhere: the second half of hspace's work is short.
    return [*options, "--standard-alloc", "1000000g,1000g,1"]


def ask_hspace(case: ClusterCase, seconds: float) -> tuple[str | None, str, float]:
    """What hspace says fits (None: it did not end), its complaint, and its CPU time."""
    spec = case.request.specs[0] if case.request.specs else None
    command = [HSPACE, "--machine-readable", *hspace_options(case.request, spec), "-t"]
    done = run_on(write_text(case.cluster), command, seconds)
    if done is None:
        return None, "", seconds
    found = re.search(r"^HTS_TSPEC='?(.*?)'?$", done.stdout, re.MULTILINE)
    if done.status or found is None:
        return "", done.stderr.strip() or done.stdout.strip(), done.cpu_seconds
    return found[1], "", done.cpu_seconds


def ask_ganetix(case: ClusterCase, seconds: float) -> tuple[TieredResult | None, float]:
    """What ganetix says (None: it did not end), and its CPU time."""
    began = time.process_time()
    steps = tiered_steps(case.cluster, case.request)
    while time.process_time() - began < seconds:
        try:
            next(steps)
        except StopIteration as stop:
            result: TieredResult = stop.value
            return result, time.process_time() - began
    return None, time.process_time() - began


def as_tspec(result: TieredResult) -> str:
    """A result in hspace's words."""
    return " ".join(
        f"{t.memory},{t.disk},{t.vcpus},{t.spindles}={t.count}" for t in result.tspecs
    )


def compare(seed: int, seconds: float, show: bool) -> tuple[str, str, float, float]:
    """A verdict, what kind of case it was, and both CPU times."""
    case = ClusterCase(seed)
    expected, complaint, their_time = ask_hspace(case, seconds)
    request = case.request
    kind = f"{case.template} {'checked' if request.capacity_checks else 'unchecked'}"
    if show:
        print(write_text(case.cluster), request, expected, complaint, sep="\n")
    if expected is None:
        return "hspace-slow", kind, their_time, 0.0
    result, our_time = ask_ganetix(case, seconds)
    if result is None:
        return "ganetix-slow", kind, their_time, our_time
    if show:
        print(as_tspec(result), result.reason)
    if complaint:
        same = bool(result.reason) and result.reason in complaint
        verdict = "refused" if same else "DIFFERENT"
    else:
        same = as_tspec(result) == expected and not result.reason
        verdict = ("same" if expected else "same-empty") if same else "DIFFERENT"
    if not same:
        print(f"seed {seed}: {kind}: {request}", file=sys.stderr)
        print(f"  hspace : {expected} {complaint}", file=sys.stderr)
        print(f"  ganetix: {as_tspec(result)} {result.reason}", file=sys.stderr)
    return verdict, kind, their_time, our_time


def main() -> int:
    """Compare ``--count`` seeds from ``--seed`` on."""
    options = comparison_options(__doc__, "clusters", "cluster and answers", 10)
    verdicts: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    slow: list[tuple[int, str, float, float]] = []
    theirs = ours = 0.0
    for seed in range(options.seed, options.seed + options.count):
        verdict, kind, their_time, our_time = compare(
            seed, options.seconds, options.show
        )
        verdicts[verdict] += 1
        if verdict == "same":
            kinds[kind] += 1
        if verdict.startswith(("same", "refused")):
            theirs += their_time
            ours += our_time
        if our_time > max(1.0, their_time):
            slow.append((seed, kind, round(their_time, 2), round(our_time, 2)))
    summary = {
        "seeds": [options.seed, options.seed + options.count - 1],
        "verdicts": dict(verdicts),
        "same_by_kind": dict(sorted(kinds.items())),
        "hspace_cpu_s": round(theirs, 2),
        "ganetix_cpu_s": round(ours, 2),
        "slower_than_hspace": slow,
    }
    print_summary(summary, options.json)
    return 1 if verdicts["DIFFERENT"] else 0


if __name__ == "__main__":
    sys.exit(main())
