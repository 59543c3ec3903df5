"""Random clusters and options for which hspace and gnt-capacity must say the same."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

WIDE = "0,0,0,0,0,0;1048576,1024,1073741824,16,8,1024"
NARROW = "512,1,2048,1,1,0;4096,4,51200,4,4,3;128,1,1024,1,1,0;2048,8,102400,8,4,4"
TEMPLATES = "plain,diskless,file,sharedfile,drbd,rbd,ext,gluster,blockdev"
STATUSES = ("running",) * 5 + (
    *("ADMIN_down", "ADMIN_offline", "ERROR_down", "ERROR_up", "ERROR_nodedown"),
    "USER_down",
)


def file_case(rng: Random) -> tuple[str, list[str]]:
    """A file in htools' text format, and what is asked of it."""
    return cluster_text(rng), options(rng)


def cluster_text(rng: Random) -> str:
    """A small cluster in htools' text format."""
    exclusive = rng.random() < 0.15
    groups = rng.choice((1, 1, 2, 3))
    policies = ("preferred",) * 6 + ("last_resort", "unallocable")
    lines = [
        f"g{number}|uuid-{number}|{rng.choice(policies)}||" for number in range(groups)
    ]
    sections = [lines]
    names: list[list[str]] = [[] for _ in range(groups)]
    nodes = []
    kinds = [_node_kind(rng) for _ in range(rng.choice((1, 2, 9)))]
    for number in range(rng.randint(groups, 7)):
        group = number % groups
        name = f"n{number}.example"
        names[group].append(name)
        nodes.append(_node(rng, name, group, rng.choice(kinds), exclusive))
    sections.append(nodes)
    sections.append(
        [
            _instance(rng, f"i{number}", rng.choice(names))
            for number in range(rng.choice((0, 0, 4, 12)))
        ]
    )
    sections.append([])
    sections.append(
        [
            f"{owner}|{rng.choice(('512,1,2048,1,1,1', '1000,2,9000,1,1,2'))}|"
            f"{rng.choice((WIDE, WIDE, NARROW))}|{TEMPLATES}|"
            f"{rng.choice((1.0, 2.5, 4.0, 64.0))}|{rng.choice((1.0, 32.0))}"
            for owner in ("", *(f"g{number}" for number in range(groups)))
            if rng.random() < 0.9
        ]
    )
    return "\n".join("".join(f"{line}\n" for line in section) for section in sections)


def options(rng: Random) -> list[str]:
    """What is asked of it; small enough for hspace to answer soon."""
    template = rng.choice(("drbd", "drbd", "plain", "rbd", "file", "diskless", "ext"))
    given = ["--disk-template", template]
    if rng.random() < 0.7:
        given += ["--tiered-alloc", _spec(rng)]
    given += ["--standard-alloc", _spec(rng)]
    if template != "drbd" and rng.random() < 0.6:
        given.append("--no-capacity-checks")
    for chance, words in (
        (0.5, ("--spindle-use", str(rng.choice((0, 1, 3))))),
        (0.2, ("--min-disk", str(rng.choice((0.1, 0.05, 0.3, 1))))),
        (0.2, ("--max-cpu", str(rng.choice((1, 3.5, 100))))),
        (0.2, ("-O", "n0")),
        (0.15, ("-l", str(rng.randint(0, 9)))),
        (0.2, ("--independent-groups",)),
        (0.2, ("--accept-existing-errors",)),
    ):
        if rng.random() < chance:
            given += words
    return given


def simulated_options(rng: Random) -> list[str]:
    """Clusters that are described on the command line."""
    given: list[str] = []
    for _ in range(rng.choice((1, 1, 2))):
        words = [
            rng.choice(("p", "p", "a", "u", "preferred")),
            str(rng.randint(0, 5)),
            rng.choice(("200g", "100G", "300000")),
            rng.choice(("16g", "20G", "10000")),
            str(rng.choice((4, 8))),
        ]
        if rng.random() < 0.3:
            words.append(str(rng.randint(1, 3)))
            if rng.random() < 0.5:
                words.append(rng.choice(("True", "False")))
        given += ["--simulate", ",".join(words)]
    template = rng.choice(("drbd", "plain", "diskless"))
    return [*given, "--disk-template", template, "--standard-alloc", _spec(rng)]


def _spec(rng: Random) -> str:
    words: Sequence[str] = (
        rng.choice(("10g", "20G", "51200", "100g")),
        rng.choice(("1g", "2G", "4096m", "3000", "900")),
        rng.choice(("1", "2", "4")),
    )
    spindles = (str(rng.randint(1, 3)),) if rng.random() < 0.15 else ()
    return ",".join((*words, *spindles))


def _node_kind(rng: Random) -> tuple[int, int, int]:
    memory = rng.choice((8192, 12345, 16384, 24000))
    return memory, rng.choice((200000, 409600, 733333)), rng.choice((4, 8, 16))


def _node(
    rng: Random, name: str, group: int, kind: tuple[int, int, int], exclusive: bool
) -> str:
    memory, disk, cpus = kind
    own = rng.choice((0, 512, 1024))
    free = max(0, memory - own - rng.choice((0, 0, 100, 900, memory // 3)))
    if rng.random() < 0.1:
        free += 700
    cells = [
        name,
        *(memory, own, free, disk, disk - rng.choice((0, 5000, disk // 2)), cpus),
        rng.choice("NNNNNNNNMY"),
        f"uuid-{group}",
        rng.choice((1, 1, 4)),
        "",
        "Y" if exclusive else "N",
        rng.randint(0, 3) if exclusive else 0,
        rng.choice((0, 0, 1, 2)),
        rng.choice(("1.0", "1.0", "1.5")),
    ]
    if rng.random() < 0.05:
        cells[3] = "?"
    return "|".join(map(str, cells))


def _instance(rng: Random, name: str, nodes: list[str]) -> str:
    template = rng.choice(("drbd", "drbd", "plain", "rbd", "diskless"))
    if len(nodes) < 2:
        template = "plain"
    primary, secondary = (*rng.sample(nodes, min(2, len(nodes))), "")[:2]
    cells = [
        name,
        rng.choice((128, 512, 1111, 2048)),
        rng.choice((2048, 5120, 20480)),
        rng.choice((1, 2, 4)),
        rng.choice(STATUSES),
        rng.choice("YYYYN"),
        primary,
        secondary if template == "drbd" else "",
        template,
        "",
        rng.choice((0, 1, 2)),
        rng.choice(("-", 1)),
        "N",
    ]
    return "|".join(map(str, cells))
