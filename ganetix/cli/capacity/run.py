"""The run of ``gnt-capacity``: tiered allocation, then standard allocation."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ganetix.allocators.htools_text import write_text
from ganetix.cli.capacity import report
from ganetix.cli.capacity.keys import (
    Key,
    cluster_keys,
    key_line,
    phase_keys,
    spec_keys,
    standard_keys,
    tiered_keys,
)
from ganetix.cli.capacity.load import (
    cluster_of,
    largest,
    standard_request,
    tiered_request,
)
from ganetix.cli.capacity.nodes import columns_named, node_table
from ganetix.cli.errors import Failure
from ganetix.cli.parser import Options
from ganetix.cli.streams import Streams
from ganetix.plan.capacity.driven import driven
from ganetix.plan.capacity.fill import Filling
from ganetix.plan.capacity.model import CapCluster, TieredRequest, TieredResult
from ganetix.plan.capacity.outcome import filled
from ganetix.plan.capacity.state import FAILING, ClusterState
from ganetix.plan.capacity.tiered import run_standard, run_tiered, state_for
from ganetix.plan.capacity.totals import Totals, totals


def run(streams: Streams, options: Options) -> int:
    """Compute and print; the exit status."""
    cluster = cluster_of(options)
    _Run(streams, options, cluster).run()
    return 0


class _Run:
    """One run: what is printed, and where."""

    def __init__(self, streams: Streams, options: Options, cluster: CapCluster) -> None:
        self._streams = streams
        self._options = options
        self._cluster = cluster
        self._is_machine = options.machine_readable == "yes"
        self._verbosity = 1 + options.verbose - options.quiet
        self._columns = columns_named(options.print_nodes)

    def run(self) -> None:
        tiered = tiered_request(self._cluster, self._options)
        standard = standard_request(self._cluster, self._options)
        state = state_for(self._cluster, tiered)
        before = totals(state)
        self._introduce(state, before)
        size = largest(self._cluster, tiered)
        result = TieredResult(tspecs=())
        if tiered.limit != 0:
            result = run_tiered(state, tiered)
        after = self._end("tiered", state, tiered, result)
        self._keys(spec_keys("TSPEC_INI", size, tiered.template))
        self._text(report.begins("Tiered", size, tiered.template))
        self._keys(tiered_keys(before, after, result))
        self._text(report.tiers(result))
        self._text(report.outcome(before, after, result))

        size = largest(self._cluster, standard)
        state = state_for(self._cluster, standard)
        result = run_standard(state, standard)
        after = self._end("standard", state, standard, result)
        self._keys(spec_keys("SPEC", size, standard.template))
        self._text(report.begins("Standard", size, standard.template))
        refused = not result.placed and self._is_refused(state, standard)
        self._keys(standard_keys(before, after, result, is_refused=refused))
        self._text(report.count(result))
        self._text(report.outcome(before, after, result))
        self._keys([("OK", "1")])

    def _introduce(self, state: ClusterState, before: Totals) -> None:
        """What is known before anything is placed."""
        if self._verbosity > 0:
            self._note(report.unaccounted(state))
        self._nodes("Initially", state)
        if self._verbosity > 2:
            self._note(report.terms(state))
        if self._verbosity > 3:
            self._note(report.left_out(state, self._options.accept_existing_errors))
        self._keys(cluster_keys(before))
        self._keys(phase_keys("INI", before))
        self._text(report.cluster(self._cluster, before))

    def _end(
        self,
        what: str,
        state: ClusterState,
        request: TieredRequest,
        result: TieredResult,
    ) -> Totals:
        """Print and save what an allocation came to; it may have been refused."""
        if result.reason:
            raise Failure(f"nothing can be placed: {result.reason}")
        if self._verbosity > 1:
            self._note(report.placements(what, result))
        self._nodes(f"After {what} allocation", state)
        if self._options.save:
            path = Path(f"{self._options.save}.{what}")
            after = filled(self._cluster, state, request.template, result)
            try:
                path.write_text(write_text(after), "utf-8")
            except OSError as error:
                raise Failure(f"{path}: {error.strerror}") from error
            self._note([f"the cluster after {what} allocation is in {path}"])
        return totals(state)

    def _is_refused(self, state: ClusterState, request: TieredRequest) -> bool:
        """Whether nothing is tried since there are nodes that are not N+1 safe."""
        if not state.numbers[FAILING][state.hardware.online].any():
            return False
        filling = Filling(state, request)
        driven(filling.prepare())
        return filling.is_failing

    def _nodes(self, title: str, state: ClusterState) -> None:
        if self._columns is not None:
            self._note([f"{title}:", *node_table(state, self._columns), ""])

    def _keys(self, keys: Iterable[Key]) -> None:
        if self._is_machine:
            for key in keys:
                self._streams.out(key_line(key))

    def _text(self, lines: Iterable[str]) -> None:
        if not self._is_machine:
            for line in lines:
                self._streams.out(line)

    def _note(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._streams.note(line)
