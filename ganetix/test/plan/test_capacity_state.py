"""Tests for the state of a cluster, its score, and the choice of nodes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import BadParameter
from ganetix.plan.capacity import pairs
from ganetix.plan.capacity.candidates import Candidates
from ganetix.plan.capacity.changes import Changes
from ganetix.plan.capacity.guest import Guest
from ganetix.plan.capacity.hardware import NONE
from ganetix.plan.capacity.model import CapCluster, CapInstance
from ganetix.plan.capacity.pair_places import pair_places
from ganetix.plan.capacity.pair_scores import PairScores
from ganetix.plan.capacity.score import score
from ganetix.plan.capacity.singles import singles_by_score
from ganetix.plan.capacity.state import ClusterState
from ganetix.plan.capacity.step import best, counts
from ganetix.plan.capacity.totals import totals
from ganetix.plan.capacity.trial import FITS, Trial
from ganetix.test.plan.capacity_clusters import clusters, make_cluster, make_node

PAIR = Guest(memory=700, disk=5000, vcpus=1, template="drbd", spindle_use=0)
SINGLE = Guest(memory=700, disk=5000, vcpus=1, template="plain", spindle_use=0)


def fingerprint(state: ClusterState) -> tuple[bytes, ...]:
    """All that placements change, to the last bit."""
    arrays = (state.numbers, state.columns, state.peers, state.pair_memory, state.alone)
    rest = (state.homes, state.primaries, state.failing_sum, state.tenancies)
    return (*(array.tobytes() for array in arrays), repr(rest).encode())


def changes_of(state: ClusterState, guest: Guest) -> Changes:
    """A guest tried on all online nodes."""
    return Changes(Trial(Candidates(state, state.hardware.online), guest))


class StateTests(SynchronousTestCase):
    """Tests for ``ClusterState``."""

    @given(clusters(), st.data())
    @settings(max_examples=60, deadline=None)
    def test_undo(self, cluster: CapCluster, data: st.DataObject) -> None:
        """What was placed and moved since a mark can be undone to the last bit."""
        state = ClusterState.of(cluster)
        before = fingerprint(state)
        mark = state.mark()
        nodes = st.integers(0, len(cluster.nodes) - 1)
        picks = st.tuples(st.integers(-30, 30), nodes, nodes)
        for pick, primary, secondary in data.draw(st.lists(picks, max_size=6)):
            if state.guests and pick >= 0:
                number = pick % len(state.guests)
                _home, had = state.lift(number)
                state.put(number, primary, NONE if had == NONE else secondary)
            else:
                state.add(PAIR, primary, secondary)
        state.rollback(mark)
        self.assertEqual(fingerprint(state), before)

    @given(clusters())
    @settings(max_examples=60, deadline=None)
    def test_lift_and_put(self, cluster: CapCluster) -> None:
        """An instance that leaves its nodes and comes back changes no number."""
        state = ClusterState.of(cluster)
        numbers, peers = state.numbers.copy(), state.peers.copy()
        for number in range(len(state.guests)):
            state.put(number, *state.lift(number))
        failing = 9
        numbers[failing], state.numbers[failing] = 0, 0
        self.assertTrue((numbers == state.numbers).all())
        self.assertTrue((peers == state.peers).all())

    def test_unknown_node(self) -> None:
        """An instance on a node that is not there is refused by name."""
        stray = CapInstance(name="web", memory=1, disk=1, vcpus=1, primary="n9")
        cluster = CapCluster(
            groups=make_cluster(1).groups, nodes=(make_node(0),), instances=(stray,)
        )
        error = self.assertRaises(BadParameter, ClusterState.of, cluster)
        self.assertEqual(str(error), "instance web: no node n9")

    def test_totals(self) -> None:
        """Sums count what instances use, what they reserve and what nobody has."""
        instance = CapInstance(
            name="web",
            memory=1000,
            disk=2000,
            vcpus=2,
            primary="n0",
            secondary="n1",
            template="drbd",
        )
        nodes = (
            make_node(0, free_memory=14800, free_disk=510000),
            make_node(1, free_disk=510000),
        )
        cluster = CapCluster(
            groups=make_cluster(1).groups, nodes=nodes, instances=(instance,)
        )
        found = totals(ClusterState.of(cluster, min_disk=0.5))
        self.assertEqual(found.mem_inst, 1000)
        self.assertEqual(found.mem_overhead, 2 * 512 + 72)
        self.assertEqual(found.mem_free, 14800 + 15872)
        self.assertEqual(found.mem_reserved, 1000)
        self.assertEqual(found.disk_inst, 4000)
        self.assertEqual(found.disk_avail, 2 * (510000 - 256000))
        self.assertEqual((found.cpu_inst, found.vcpu), (2, 64))


class ChoiceTests(SynchronousTestCase):
    """Tests for the best nodes."""

    @given(clusters())
    @settings(max_examples=60, deadline=None)
    def test_pair_score(self, cluster: CapCluster) -> None:
        """The score that a pair is chosen for is the state's with the guest there."""
        state = ClusterState.of(cluster)
        choice = best(changes_of(state, PAIR))
        if choice is not None:
            state.add(PAIR, choice.primary, choice.secondary)
            self.assertAlmostEqual(score(state), choice.score, places=7)

    @given(clusters())
    @settings(max_examples=60, deadline=None)
    def test_single_score(self, cluster: CapCluster) -> None:
        """The score of each node is the state's with the guest there, bit by bit."""
        state = ClusterState.of(cluster)
        last = 0.0
        for choice in singles_by_score(changes_of(state, SINGLE)):
            self.assertGreaterEqual(choice.score, last)
            last = choice.score
            mark = state.mark()
            state.add(SINGLE, choice.primary)
            self.assertEqual(score(state), choice.score)
            state.rollback(mark)

    @given(clusters(least=20, most=24))
    @settings(max_examples=30, deadline=None)
    def test_few_scores_tell_the_winner(self, cluster: CapCluster) -> None:
        """Among those that are scored, and within bounds, is the best of all pairs."""
        state = ClusterState.of(cluster)
        changes = changes_of(state, PAIR)
        codes = changes.trial.primary_codes, changes.trial.secondary_codes
        primaries, secondaries = (np.flatnonzero(code == FITS) for code in codes)
        if not len(primaries) or not len(secondaries):
            return
        scores = PairScores(changes)
        everything = pairs.best_of(scores, primaries, secondaries)
        if not pairs.reserve_costs(scores):
            return
        bounded = pairs.within_bounds(scores, primaries, secondaries)
        self.assertEqual(pairs.best_of(scores, *bounded), everything)
        found = pairs.best_by_kinds(scores, primaries, secondaries)
        self.assertIn(found, (None, everything))

    @given(clusters(least=4), st.sampled_from((PAIR, SINGLE)), st.data())
    @settings(max_examples=60, deadline=None)
    def test_refresh(
        self, cluster: CapCluster, guest: Guest, data: st.DataObject
    ) -> None:
        """After placements it is as if it was tried anew, to the last bit."""
        state = ClusterState.of(cluster)
        changes = changes_of(state, guest)
        nodes = st.integers(0, len(cluster.nodes) - 1)
        for _number in range(data.draw(st.integers(1, 12))):
            primary, secondary = data.draw(st.tuples(nodes, nodes))
            state.add(PAIR, primary, NONE if secondary == primary else secondary)
        changes.trial.refresh()
        changes.refresh()
        anew = changes_of(state, guest)
        for one, other in (
            (changes.trial.primary_codes, anew.trial.primary_codes),
            (changes.trial.secondary_codes, anew.trial.secondary_codes),
            (changes.before, anew.before),
            (changes.after, anew.after),
            (changes.powers, anew.powers),
            (changes.squares, anew.squares),
        ):
            self.assertEqual(one.tobytes(), other.tobytes())

    def test_equal_nodes(self) -> None:
        """Many equal nodes are told apart by their order: the last pair of all."""
        changes = changes_of(ClusterState.of(make_cluster(60)), PAIR)
        choice = best(changes)
        assert choice is not None
        self.assertEqual((choice.primary, choice.secondary), (59, 58))

    @given(clusters())
    @settings(max_examples=60, deadline=None)
    def test_every_pair_is_counted(self, cluster: CapCluster) -> None:
        """What fails and what fits comes to all pairs of two nodes of a group."""
        state = ClusterState.of(cluster)
        trial = changes_of(state, PAIR).trial
        sizes = trial.candidates.sizes
        fitting = sum(len(places) for _one, places in pair_places(trial))
        self.assertEqual(sum(counts(trial)) + fitting, int((sizes * (sizes - 1)).sum()))
