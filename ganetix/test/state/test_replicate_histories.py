"""Random crashes, cuts and fail-overs: what was acknowledged is never lost."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ganetix.bootstrap.failover import Outcome
from ganetix.errors import GanetixError
from ganetix.state.replicate_rows import LOCAL, RECENT
from ganetix.testing.replicas import SimReplicas

_NAMES = st.integers(0, 4)
_STEPS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 4)),
    st.tuples(st.just("advance"), st.sampled_from([0.003, 0.01, 0.02, 0.3, 1.0, 2.5])),
    st.tuples(st.just("cut"), st.tuples(_NAMES, _NAMES)),
    st.tuples(st.just("isolate"), _NAMES),
    st.tuples(st.just("heal"), st.none()),
    st.tuples(st.just("kill"), _NAMES),
    st.tuples(st.just("kill master"), _NAMES),
    st.tuples(st.just("fill disk"), st.tuples(_NAMES, st.booleans())),
    st.tuples(st.just("start"), _NAMES),
    st.tuples(st.just("start master"), _NAMES),
    st.tuples(st.just("fail over"), _NAMES),
    st.tuples(st.just("want"), st.tuples(_NAMES, st.booleans())),
)


class History:
    """One run of a schedule over simulated candidates."""

    def __init__(self, case: SynchronousTestCase, directory: Path, nodes: int) -> None:
        self.case = case
        self.sim = SimReplicas(directory, nodes)
        self.names = list(self.sim.candidates)
        self.written = 0
        self.failovers = 0

    def name(self, number: int) -> str:
        """The node of a number."""
        return self.names[number % len(self.names)]

    def step(self, what: str, how: object) -> None:
        """Do one thing."""
        sim = self.sim
        match what, how:
            case "write", int(count):
                for candidate in sim.candidates.values():
                    for _ in range(count if candidate.master else 0):
                        self.written += 1
                        assert candidate.master is not None
                        _ = candidate.master.write(f"{self.written:06}")
            case "advance", float(seconds):
                sim.advance(seconds, min(seconds, 0.05))
            case "cut", (int(one), int(other)):
                if self.name(one) != self.name(other):
                    sim.cut(self.name(one), self.name(other))
            case "isolate", int(number):
                sim.isolate(self.name(number))
            case "heal", _:
                sim.heal()
            case "kill", int(number):
                sim.candidates[self.name(number)].kill()
            case "kill master", int(number):
                sim.candidates[self.name(number)].kill_master()
            case "fill disk", (int(number), bool(is_full)):
                sim.candidates[self.name(number)].is_full = is_full
            case "start", int(number):
                candidate = sim.candidates[self.name(number)]
                if candidate.replica is None:
                    candidate.start()
            case "start master", int(number):
                self.start_master(self.name(number))
            case "fail over", int(number):
                self.fail_over(self.name(number))
            case "want", (int(number), bool(is_wanted)):
                self.want(self.name(number), is_wanted)
        self.check()

    def start_master(self, name: str) -> bool:
        """Start a master where that is allowed; whether it was."""
        try:
            self.sim.start_master(name)
        except GanetixError:
            return False
        return True

    def want(self, name: str, is_wanted: bool) -> None:
        """Make a node a candidate, or none, by whatever master there is."""
        uuid = self.sim.candidates[name].node.uuid
        for candidate in self.sim.candidates.values():
            if candidate.master is not None:
                replicator = candidate.master.replicator
                wanted = {*replicator.members}
                (wanted.add if is_wanted else wanted.discard)(uuid)
                replicator.set_candidates(wanted)

    def fail_over(self, name: str) -> bool:
        """Fail over to a node without any word, and start its master."""
        sim = self.sim
        if sim.candidates[name].replica is None:
            return False
        ended: list[Outcome | Failure] = []
        attempt: Deferred[Outcome] = sim.failover(name)
        _ = attempt.addBoth(ended.append)
        sim.until(lambda: bool(ended))
        (outcome,) = ended
        if isinstance(outcome, Failure):
            outcome.trap(GanetixError)
            return False
        self.failovers += 1
        self.check_complete(name)
        self.start_master(name)
        return True

    def check(self) -> None:
        """What is acknowledged never goes back to an earlier epoch."""
        epochs = [epoch for epoch, _ in self.sim.acknowledged]
        self.case.assertEqual(epochs, sorted(epochs), "two masters acknowledge")

    def check_complete(self, name: str) -> None:
        """All that was ever acknowledged is on this node."""
        there = self.sim.candidates[name].rows("k")
        missing = [key for _, key in self.sim.acknowledged if key not in there]
        self.case.assertEqual(missing, [], "acknowledged, and lost")

    def conclude(self) -> None:
        """With everything up again, there is a master, and all is where it belongs."""
        sim = self.sim
        sim.heal()
        for candidate in sim.candidates.values():
            candidate.is_full = False
            if candidate.replica is None:
                candidate.start()
        sim.advance(4.0)
        self.check()
        masters = [n for n in self.names if sim.candidates[n].master is not None]
        if not masters:
            masters = [
                name
                for name in self.names
                if self.start_master(name) or self.fail_over(name)
            ]
            sim.advance(4.0)
            masters = [n for n in masters if sim.candidates[n].master is not None]
        self.case.assertEqual(len(masters), 1, masters)
        master = sim.candidates[masters[0]].master
        assert master is not None
        before = len(sim.acknowledged)
        _ = master.write("last")
        sim.advance(25.0)
        self.case.assertEqual(sim.acknowledged[before:][-1:][0][1], "last")
        self.check()
        self.check_complete(masters[0])
        expected = self.shared(masters[0])
        for state in master.replicator.candidates():
            name = master.links.name_of(state.uuid)
            self.case.assertTrue(state.is_in_step, f"{name}: {state}")
            self.case.assertEqual(self.shared(name), expected)

    def shared(self, name: str) -> dict[object, bytes]:
        """All on a node's disk that is replicated."""
        medium = self.sim.candidates[name].medium
        return {k: data for k, data in medium.items() if k.kind not in (LOCAL, RECENT)}


class HistoryTests(SynchronousTestCase):
    """Schedules that hypothesis finds."""

    def run_history(self, nodes: int, steps: list[tuple[str, object]]) -> History:
        """Run one from candidates in step to its conclusion."""
        with tempfile.TemporaryDirectory() as directory:
            history = History(self, Path(directory), nodes)
            history.sim.advance(1.0)
            for what, how in steps:
                history.step(what, how)
            history.conclude()
            return history

    @settings(max_examples=150, deadline=None, suppress_health_check=[*HealthCheck])
    @given(st.integers(1, 5), st.lists(_STEPS, max_size=30))
    def test_nothing_lost(self, nodes: int, steps: list[tuple[str, object]]) -> None:
        """No allowed fail-over loses what was acknowledged; one master at a time."""
        self.run_history(nodes, steps)
