"""Random requests given to Debian's hail and to ganetix: do they answer the same?

Prints a line for each seed that differs and a summary; exit status 1 if any answer is
worse than hail's. ``--seed N --show`` prints one request with both answers. Nodes that
differ are compared by the score of the cluster with either choice.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from clusters import ClusterCase, roomy_cluster
from msgspec.structs import replace

from ganetix.allocators.protocol import (
    read_answer,
    read_document,
    request_document,
)
from ganetix.errors import GanetixError
from ganetix.plan.allocate import answer
from ganetix.plan.allocate.attempt import guest_of
from ganetix.plan.allocate.outlook import score_of
from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.model import (
    TWO_NODES,
    CapCluster,
    Policy,
    Spec,
    SpecRange,
)
from ganetix.plan.capacity.requests import (
    Allocate,
    AllocateSecondary,
    Answer,
    AnyRequest,
    ChangeGroup,
    Moves,
    MultiAllocate,
    Newcomer,
    NodeEvacuate,
    Nodes,
    Placements,
    Relocate,
)
from ganetix.plan.capacity.state import ClusterState
from ganetix.plan.capacity.tags import Tagging

HAILS = (
    Path("/usr/lib/ganeti/iallocators/hail"),
    Path("/usr/lib/ganeti/3.0/usr/lib/ganeti/iallocators/hail"),
)
KINDS = (
    *("allocate",) * 4,
    *("relocate", "evacuate", "evacuate", "change-group", "change-group"),
    *("multi", "secondary"),
)
TAGS = (
    "htools:iextags:service",
    "htools:nlocation:power",
    "htools:desiredlocation:power",
    "htools:migration:kernel",
    "htools:allowmigration:kernel:1::kernel:2",
)
HYPERVISORS = ("xen-pvm",)
"""For kvm, hail takes 4096 MiB of each node for itself, whatever the node says."""


class Case:
    """A random cluster and request, of one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        pick = self.random
        self.kind = pick.choice(KINDS)
        self.with_tags = pick.random() < 0.2
        self.cluster = self._cluster(seed)
        while not self.cluster.instances and self.kind not in ("allocate", "multi"):
            seed += 100003
            self.cluster = self._cluster(seed)
        self.request = self._request()
        # Both are to read the same: what the protocol does not carry is left out.
        document = request_document(
            self.cluster, self.request, enabled_hypervisors=HYPERVISORS
        )
        self.document = document
        self.cluster, self.request = read_document(document)

    def _cluster(self, seed: int) -> CapCluster:
        """A cluster without exclusive storage, where hail counts something else."""
        pick = self.random
        made = ClusterCase(seed)
        while made.exclusive:
            seed += 1000003
            made = ClusterCase(seed)
        cluster = made.cluster if pick.random() < 0.4 else roomy_cluster(pick)
        groups = [
            replace(group, policy=_countable(group.policy)) for group in cluster.groups
        ]
        if all(group.alloc_policy == "unallocable" for group in groups):
            groups[0] = replace(groups[0], alloc_policy="preferred")
        nodes = list(cluster.nodes)
        if pick.random() < 0.8:
            # Most random clusters are not redundant: have fewer nodes offline.
            nodes = [
                replace(
                    node,
                    offline=not node.total_memory
                    or (node.offline and pick.random() < 0.1),
                )
                for node in nodes
            ]
        # Allocators are not told of speeds, nor of instances that are not balanced.
        nodes = [replace(node, cpu_speed=1.0) for node in nodes]
        instances = [replace(one, auto_balance=True) for one in cluster.instances]
        tags: tuple[str, ...] = ()
        if self.with_tags:
            tags = tuple(tag for tag in TAGS if pick.random() < 0.7)
            nodes = [
                replace(
                    node,
                    tags=(
                        f"power:{pick.choice('ab')}",
                        *(
                            (f"kernel:{pick.choice('12')}",)
                            if pick.random() < 0.8
                            else ()
                        ),
                    ),
                )
                for node in nodes
            ]
            instances = [replace(one, tags=self._tags()) for one in instances]
        if pick.random() < 0.5:
            instances = [
                replace(one, template="sharedfile") if one.template == "plain" else one
                for one in instances
            ]
        return replace(
            cluster,
            groups=tuple(groups),
            nodes=tuple(nodes),
            instances=tuple(instances),
            tags=tags,
            policy=_countable(cluster.policy),
        )

    def _tags(self) -> tuple[str, ...]:
        pick = self.random
        found = []
        if pick.random() < 0.4:
            found.append(f"service:{pick.choice('abcd')}")
        if pick.random() < 0.3:
            found.append(f"power:{pick.choice('ab')}")
        return tuple(found)

    def _newcomer(self, number: int = 0) -> Newcomer:
        pick = self.random
        disk = pick.choice((1024, 10240, 51200))
        template = pick.choice(
            ("drbd", "drbd", "drbd", "plain", "plain", "sharedfile", "rbd", "file")
        )
        names = [node.name for node in self.cluster.nodes]
        chosen: tuple[str, ...] = ()
        if self.kind == "allocate" and pick.random() < 0.1:
            # In a request for several, hail does not look at this.
            chosen = tuple(pick.sample(names, max(1, len(names) // 2)))
        return Newcomer(
            name=f"new{number}",
            memory=pick.choice((256, 1024, 4096, 9000)),
            vcpus=pick.choice((1, 2, 4)),
            disk=disk,
            disks=(disk,),
            template=template,  # type: ignore[arg-type]
            spindle_use=pick.choice((0, 1)),
            tags=self._tags() if self.with_tags else (),
            restrict_to_nodes=chosen,
        )

    def _request(self) -> AnyRequest:
        pick, cluster = self.random, self.cluster
        instances = [one.name for one in cluster.instances]
        group = ""
        if pick.random() < 0.25:
            group = pick.choice(cluster.groups).name
        match self.kind:
            case "allocate":
                return Allocate(instance=self._newcomer(), group=group)
            case "multi":
                return MultiAllocate(
                    instances=tuple(
                        self._newcomer(n) for n in range(pick.randint(1, 4))
                    ),
                    group=group,
                )
            case "relocate":
                one = pick.choice(cluster.instances)
                old = one.secondary if one.template in TWO_NODES else one.primary
                return Relocate(instance=one.name, relocate_from=(old,))
            case "secondary":
                return AllocateSecondary(instance=pick.choice(instances))
            case "evacuate":
                node = pick.choice(cluster.nodes).name
                mode = pick.choice(("primary-only", "secondary-only", "all"))
                chosen = [
                    one.name
                    for one in cluster.instances
                    if node == (one.secondary if mode[0] == "s" else one.primary)
                ]
                return NodeEvacuate(
                    instances=tuple(chosen or pick.sample(instances, 1)),
                    mode=mode,  # type: ignore[arg-type]
                )
            case _:
                count = min(len(instances), pick.randint(1, 4))
                return ChangeGroup(
                    instances=tuple(pick.sample(instances, count)),
                    target_groups=tuple(
                        one.uuid for one in cluster.groups if pick.random() < 0.5
                    ),
                )


def _countable(policy: Policy) -> Policy:
    """A policy whose smallest instance is not nothing: hail may count them."""
    least = Spec(memory=1, vcpus=1)
    return replace(
        policy,
        std=least,
        ranges=tuple(SpecRange(min=least, max=one.max) for one in policy.ranges[:1]),
    )


def hail() -> Path | None:
    """Where hail is, if it is installed."""
    return next((path for path in HAILS if path.exists()), None)


def ask_hail(program: Path, case: Case, seconds: float) -> tuple[Answer | str, float]:
    """What hail says, or why it says nothing; its CPU time."""
    with tempfile.NamedTemporaryFile("wb", suffix=".json") as file:
        file.write(case.document)
        file.flush()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            done = subprocess.run(
                [program, file.name],
                capture_output=True,
                timeout=seconds,
                check=False,
                preexec_fn=_limit_memory,
            )
        except subprocess.TimeoutExpired:
            return "slow", seconds
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode:
        return f"exit {done.returncode}: {done.stderr.decode().strip()[-300:]}", cpu
    try:
        return read_answer("hail", done.stdout, case.cluster, case.request), cpu
    except GanetixError as error:
        return str(error), cpu


def _limit_memory() -> None:
    limit = 2 << 30
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


class Verdict(NamedTuple):
    """``same``, ``same-refusal``, ``tie``, ``better``, ``WORSE``, ``DIFFERENT``."""

    word: str
    detail: str = ""


def judged(case: Case, theirs: Answer, ours: Answer) -> Verdict:
    """How our answer compares to hail's."""
    if theirs.result is None or ours.result is None:
        if theirs.result is ours.result:
            return Verdict("same-refusal")
        return Verdict("DIFFERENT", "only one finds a place")
    if isinstance(theirs.result, Nodes) and isinstance(ours.result, Nodes):
        if theirs.result.nodes == ours.result.nodes:
            return Verdict("same")
        return _by_score(
            case, [], _named(case, theirs.result), _named(case, ours.result)
        )
    their, our = _list(theirs), _list(ours)
    before: list[Placed] = []
    for (name, their_nodes), (_name, our_nodes) in zip(their, our, strict=True):
        if their_nodes != our_nodes:
            if not their_nodes or not our_nodes:
                return Verdict("DIFFERENT", f"{name}: only one finds a place")
            return _by_score(case, before, (name, their_nodes), (name, our_nodes))
        if their_nodes:
            before.append((name, their_nodes))
    return Verdict("same" if before else "same-refusal")


Placed = tuple[str, tuple[str, ...]]


def _list(found: Answer) -> list[Placed]:
    result = found.result
    if isinstance(result, Placements):
        entries = [(one.instance, one.nodes) for one in result.placed]
    elif isinstance(result, Moves):
        entries = [(one.instance, one.nodes) for one in result.moved]
    else:
        return []
    return sorted(entries + [(one.instance, ()) for one in result.failed])


def _named(case: Case, result: Nodes) -> Placed:
    """The nodes that the instance of a request for one has in the end."""
    request = case.request
    if isinstance(request, Allocate):
        return request.instance.name, result.nodes
    name = getattr(request, "instance")  # noqa: B009
    one = next(one for one in case.cluster.instances if one.name == name)
    if isinstance(request, Relocate) and one.template not in TWO_NODES:
        return name, result.nodes
    return name, (one.primary, *result.nodes)


def _by_score(
    case: Case, before: list[Placed], theirs: Placed, ours: Placed
) -> Verdict:
    """Which choice is better, after what was the same."""
    state = ClusterState.of(case.cluster)
    numbers = {guest.name: at for at, guest in enumerate(state.guests)}
    order = _asked(case.request)
    before.sort(key=lambda placed: order.index(placed[0]))
    scores = []
    for placed in (theirs, ours):
        mark = state.mark()
        for name, nodes in [*before, placed]:
            homes = [state.hardware.index[node] for node in nodes]
            if name in numbers:
                state.lift(numbers[name])
                state.put(numbers[name], *homes)
            else:
                state.add(_guest(case.request, name), *homes)
        group = int(state.hardware.group[state.hardware.index[placed[1][0]]])
        members = state.hardware.members[group]
        if isinstance(case.request, (Allocate, MultiAllocate, AllocateSecondary)):
            members = state.hardware.online
        scores.append(score_of(state, members, Tagging(state)))
        state.rollback(mark)
    detail = f"{theirs} {scores[0]:.12f} / {ours} {scores[1]:.12f}"
    gain = scores[0] - scores[1]
    if abs(gain) <= 1e-9 * max(1.0, abs(scores[0])):
        return Verdict("tie", detail)
    return Verdict("better" if gain > 0 else "WORSE", detail)


def _asked(request: AnyRequest) -> list[str]:
    if isinstance(request, MultiAllocate):
        return [one.name for one in request.instances]
    if isinstance(request, (NodeEvacuate, ChangeGroup)):
        return list(request.instances)
    return []


def _guest(request: AnyRequest, name: str) -> Guest:
    if isinstance(request, Allocate):
        return guest_of(request.instance)
    assert isinstance(request, MultiAllocate)
    return guest_of(next(one for one in request.instances if one.name == name))


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1, help="how many requests")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seconds", type=float, default=10, help="limit of each run")
    parser.add_argument("--show", action="store_true", help="print both answers")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    options = parser.parse_args()
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
    if options.json:
        print(json.dumps(summary))
    else:
        for name, value in summary.items():
            print(f"{name}: {value}")
    return 1 if verdicts["DIFFERENT"] or verdicts["WORSE"] else 0


if __name__ == "__main__":
    sys.exit(main())
