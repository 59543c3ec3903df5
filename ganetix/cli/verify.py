"""The report of ``gnt-cluster verify``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from ganetix.cli.output import print_json
from ganetix.cli.parser import Options
from ganetix.cli.streams import Streams
from ganetix.errors import StateFault
from ganetix.jobs.model import Job

KINDS = ("cluster", "group", "node", "instance")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it should be."""

    level: Literal["error", "warning"]
    code: str
    kind: str
    name: str
    message: str


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one or more verify jobs found."""

    findings: tuple[Finding, ...] = ()
    repaired: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    checked_nodes: int = 0
    checked_instances: int = 0

    def plus(self, other: VerifyReport) -> VerifyReport:
        """Both reports as one; what both found stands once."""
        return VerifyReport(
            findings=tuple(dict.fromkeys((*self.findings, *other.findings))),
            repaired=(*self.repaired, *other.repaired),
            groups=(*self.groups, *other.groups),
            checked_nodes=self.checked_nodes + other.checked_nodes,
            checked_instances=self.checked_instances + other.checked_instances,
        )


def report_of(jobs: Sequence[Job]) -> VerifyReport:
    """The results of verify jobs, put together."""
    whole = VerifyReport()
    for job in jobs:
        for run in job.ops:
            if run.result is not None:
                whole = whole.plus(msgspec.convert(run.result, VerifyReport))
    return whole


def medium_report(cluster_name: str, fault: StateFault) -> VerifyReport:
    """That nothing could be checked: the state medium takes no job."""
    finding = Finding(
        level="error",
        code="ECLUSTERSTATE",
        kind="cluster",
        name=cluster_name or "cluster",
        message=f"the master cannot write, and takes no jobs: {fault}",
    )
    return VerifyReport(findings=(finding,))


def print_report(streams: Streams, report: VerifyReport, options: Options) -> int:
    """Print findings by kind and name; 1 if one is an error."""
    errors = sum(finding.level == "error" for finding in report.findings)
    if options.json:
        print_json(streams, msgspec.to_builtins(report))
        return int(errors > 0)
    for kind in dict.fromkeys((*KINDS, *(f.kind for f in report.findings))):
        found = [finding for finding in report.findings if finding.kind == kind]
        if found:
            streams.out(f"{kind}:")
        for finding in sorted(found, key=lambda f: (f.name, f.level, f.code)):
            streams.out(
                f"  {finding.level.upper()} {finding.name}: {finding.message}"
                f" [{finding.code}]"
            )
    for line in report.repaired:
        streams.out(f"repaired: {line}")
    warnings = len(report.findings) - errors
    streams.out(
        f"checked {count(report.checked_nodes, 'node')} and"
        f" {count(report.checked_instances, 'instance')} in"
        f" {', '.join(report.groups) or 'no group'}:"
        f" {count(errors, 'error')}, {count(warnings, 'warning')}"
    )
    return int(errors > 0)


def count(number: int, noun: str) -> str:
    """``1 node``, ``2 nodes``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
