"""Tests of the patience of opcodes."""

from itertools import pairwise

from twisted.trial.unittest import SynchronousTestCase

from ganetix.jobs.attempts import ATTEMPT_SECONDS, TOTAL_SECONDS, Patience


class PatienceTests(SynchronousTestCase):
    """Lock attempts and escalation."""

    def test_growth(self) -> None:
        """Attempts take 1 s at first, grow by the rule, and take 10 s at most."""
        self.assertEqual(ATTEMPT_SECONDS[0], 1.0)
        self.assertAlmostEqual(ATTEMPT_SECONDS[1], 1.05**1.25)
        for before, after in pairwise(ATTEMPT_SECONDS):
            self.assertAlmostEqual(after, min((before * 1.05) ** 1.25, 10))
        self.assertEqual(max(ATTEMPT_SECONDS), 10)

    def test_total(self) -> None:
        """The attempts at one priority add up to just over 150 s."""
        self.assertGreaterEqual(sum(ATTEMPT_SECONDS), TOTAL_SECONDS)
        self.assertLess(sum(ATTEMPT_SECONDS[:-1]), TOTAL_SECONDS)

    def test_jitter(self) -> None:
        """The jitter is five percent either way."""
        patience = Patience(priority=0)
        self.assertEqual(
            [patience.timeout(random) for random in (0, 0.5, 1)], [0.95, 1.0, 1.05]
        )

    def test_escalation(self) -> None:
        """After attempts in vain an opcode is a step more urgent and begins anew."""
        patience = Patience(priority=0)
        for _ in ATTEMPT_SECONDS:
            self.assertEqual(patience.priority, 0)
            patience = patience.after_timeout()
        self.assertEqual(patience, Patience(priority=-1, attempt=0))

    def test_best(self) -> None:
        """At the best priority it waits for ever, and never goes beyond."""
        patience = Patience(priority=-20)
        self.assertIsNone(patience.timeout(0.5))
        self.assertEqual(patience.after_timeout(), patience)
