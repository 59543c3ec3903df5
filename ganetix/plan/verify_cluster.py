"""What is wrong with the cluster and one of its groups, by the configuration. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from msgspec.structs import replace

from ganetix.config.snapshot import Snapshot
from ganetix.errors import BadParameter
from ganetix.hypervisor.params import effective_hvparams
from ganetix.netutils import address
from ganetix.objects import HvParams
from ganetix.objects.finding import Finding, FindingLevel
from ganetix.objects.replica import Position
from ganetix.objects.replica_calls import ReplicaStatus
from ganetix.objects.words import some
from ganetix.opcodes.parameters import BACKEND, NODE, check_given
from ganetix.plan.candidates import balance
from ganetix.plan.group import candidates_missing

EXPIRY_WARNING_SECONDS = 30 * 86400.0
DAY_SECONDS = 86400.0


def expiry_problem(seconds_left: float) -> tuple[str, FindingLevel] | None:
    """What to say of a certificate that ends then; None if there is time."""
    if seconds_left <= 0:
        return "has expired", "error"
    if seconds_left < EXPIRY_WARNING_SECONDS:
        return f"expires in {int(seconds_left / DAY_SECONDS)} days", "warning"
    return None


def cluster_findings(
    snapshot: Snapshot, now: float, ca_expires: float
) -> Iterator[Finding]:
    """What is the same whichever group is looked at."""
    cluster = snapshot.cluster

    def finding(code: str, message: str, level: FindingLevel = "warning") -> Finding:
        return Finding(
            level=level, code=code, kind="cluster", name=cluster.name, message=message
        )

    if problem := expiry_problem(ca_expires - now):
        text, level = problem
        hint = "'gnt-cluster renew-crypto --new-ca' makes a new one"
        yield finding("ECLUSTERCA", f"its CA {text}; {hint}", level)
    nodes = snapshot.nodes.values()
    present = sum(
        node.master_candidate or node.uuid == cluster.master_node for node in nodes
    )
    healthy = {n.uuid: replace(n, offline=False, drained=False) for n in nodes}
    wanted = present + len(balance(replace(snapshot, nodes=healthy)))
    if present < wanted:
        yield finding(
            "ECLUSTERPOOL", f"it has {present} master candidates and wants {wanted}"
        )
    families = Counter(address.family(node.secondary_ip) for node in nodes)
    if len(families) > 1:
        fewer = min(families, key=lambda version: (families[version], -version))
        names = [n.name for n in nodes if address.family(n.secondary_ip) == fewer]
        yield finding(
            "ECLUSTERADDRESS",
            "secondary addresses are partly IPv4, partly IPv6;"
            f" IPv{fewer}: {some(names)}",
        )
    for problem_text in _parameter_problems(
        lambda: check_given("beparams", BACKEND, _fields(cluster.beparams)),
        lambda: check_given("ndparams", NODE, _fields(cluster.ndparams)),
        *(
            _checks_hypervisor(name, given)
            for name, given in sorted(cluster.hvparams.items())
        ),
    ):
        yield finding("ECLUSTERPARAMS", problem_text, "error")


def group_findings(snapshot: Snapshot, group_uuid: str) -> Iterator[Finding]:
    """What is wrong with the group itself."""
    group = snapshot.groups[group_uuid]

    def finding(code: str, message: str, level: FindingLevel = "error") -> Finding:
        return Finding(
            level=level, code=code, kind="group", name=group.name, message=message
        )

    nodes = snapshot.nodes_of(group_uuid)
    if not nodes and group_uuid == snapshot.cluster.default_group:
        yield finding("EGROUPEMPTY", "it is the default group and has no nodes")
    if missing := candidates_missing(snapshot, group_uuid):
        yield finding(
            "EGROUPCANDIDATES",
            f"it should have {group.min_candidates} master candidates at least, and"
            f" lacks {missing}",
            "warning",
        )
    inherited = snapshot.cluster.hvparams
    for problem in _parameter_problems(
        lambda: check_given("beparams", BACKEND, group.beparams),
        lambda: check_given("ndparams", NODE, group.ndparams),
        *(
            _checks_hypervisor(name, inherited.get(name, {}), given)
            for name, given in sorted(group.hvparams.items())
        ),
    ):
        yield finding("EGROUPPARAMS", problem)


def replica_findings(
    snapshot: Snapshot,
    replicas: Mapping[str, ReplicaStatus | str],
    secrets: str,
) -> Iterator[Finding]:
    """What candidates lack of the state and secrets that the master has.

    :param replicas: what each said, by UUID, or why it did not
    :param secrets: the digest of the master's own
    """
    own = Position(epoch=snapshot.cluster.epoch, revision=snapshot.revision)
    for uuid, status in replicas.items():
        if uuid not in snapshot.nodes:
            continue
        name = snapshot.nodes[uuid].name

        def finding(message: str, level: FindingLevel, name: str = name) -> Finding:
            return Finding(
                level=level,
                code="ECLUSTERREPLICA",
                kind="node",
                name=name,
                message=message,
            )

        if isinstance(status, str):
            yield finding(f"its replica cannot be looked at: {status}", "error")
            continue
        position = status.position
        if status.promise.number > own.epoch:
            master = snapshot.nodes.get(status.promise.master)
            yield finding(
                f"it obeys the master of epoch {status.promise.number},"
                f" {master.name if master else status.promise.master};"
                f" this one's is {own.epoch}",
                "error",
            )
        elif not position.revision:
            yield finding("it holds no replica of the state", "error")
        elif position.epoch != own.epoch:
            yield finding(
                f"its replica is of epoch {position.epoch}, not {own.epoch}", "error"
            )
        elif position < own:
            yield finding(
                f"its replica is at revision {position.revision}, the master was at"
                f" {own.revision} before",
                "warning",
            )
        if status.secrets != secrets:
            yield finding("its copies of the master's keys are others", "error")


def when(seconds: float) -> str:
    """A time for messages."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _fields(params: object) -> Mapping[str, object]:
    return {name: getattr(params, name) for name in params.__struct_fields__}  # type: ignore[attr-defined]


def _checks_hypervisor(name: str, *layers: HvParams) -> Callable[[], object]:
    return lambda: effective_hvparams(name, *layers)


def _parameter_problems(*checks: Callable[[], object]) -> Iterator[str]:
    for check in checks:
        try:
            check()
        except (ValueError, BadParameter) as error:
            yield str(error)
