"""The report of ``gnt-cluster verify``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ganetix.cli.output import print_json
from ganetix.cli.parser import Options
from ganetix.cli.streams import Streams, printable
from ganetix.errors import StateFault
from ganetix.jobs.model import Job
from ganetix.objects.finding import ERROR_CODES, FINDING_KINDS, Finding
from ganetix.objects.words import counted


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
    elif options.error_codes:
        _print_lines(streams, report)
    else:
        _print_text(streams, report, errors)
    return int(errors > 0)


def print_codes(streams: Streams) -> None:
    """All codes with what they mean."""
    width = max(map(len, ERROR_CODES))
    for code, meaning in ERROR_CODES.items():
        streams.out(f"{code:{width}}  {meaning}")


def _sorted(report: VerifyReport) -> list[Finding]:
    def order(finding: Finding) -> tuple[int, str, str, str]:
        kind = FINDING_KINDS.index(finding.kind)
        return kind, finding.name, finding.level, finding.code

    return sorted(report.findings, key=order)


def _print_lines(streams: Streams, report: VerifyReport) -> None:
    """``LEVEL:CODE:KIND:NAME:MESSAGE``; only the message may have colons in it."""
    for each in _sorted(report):
        where = f"{each.kind}:{each.name}"
        line = f"{each.level.upper()}:{each.code}:{where}:{each.message}"
        streams.out(printable(line))


def _print_text(streams: Streams, report: VerifyReport, errors: int) -> None:
    kind = ""
    for finding in _sorted(report):
        if finding.kind != kind:
            kind = finding.kind
            streams.out(f"{kind}:")
        streams.out(
            printable(
                f"  {finding.level.upper()} {finding.name}: {finding.message}"
                f" [{finding.code}]"
            )
        )
    for line in report.repaired:
        streams.out(f"repaired: {line}")
    warnings = len(report.findings) - errors
    streams.out(
        f"checked {counted(report.checked_nodes, 'node')} and"
        f" {counted(report.checked_instances, 'instance')} in"
        f" {', '.join(report.groups) or 'no group'}:"
        f" {counted(errors, 'error')}, {counted(warnings, 'warning')}"
    )
