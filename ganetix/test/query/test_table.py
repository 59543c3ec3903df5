"""Tests of picking fields."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import BadParameter
from ganetix.query.node import NODES
from ganetix.query.table import by_name


def picked(*names: str) -> list[str]:
    """Names of the columns for a request."""
    return [column.info.name for column in NODES.pick(names)]


class PickTests(SynchronousTestCase):
    """Which columns a request means."""

    def test_default(self) -> None:
        """No names are the default ones."""
        self.assertEqual(picked()[:3], ["name", "group", "role"])

    def test_named(self) -> None:
        """Names are taken in their order, also twice."""
        self.assertEqual(picked("sip", "name", "sip"), ["sip", "name", "sip"])

    def test_added(self) -> None:
        """A plus adds all names to the default ones."""
        self.assertEqual(picked("+sip", "pip"), [*picked(), "sip", "pip"])

    def test_unknown(self) -> None:
        """An unknown one is refused with those that are close."""
        error = self.assertRaises(BadParameter, picked, "mtotl")
        self.assertIn("nodes have no field 'mtotl'; did you mean mtotal", str(error))

    def test_all_work(self) -> None:
        """No name stands twice, and each can be picked."""
        names = [field.name for field in NODES.fields]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(picked(*names), names)


class ByNameTests(SynchronousTestCase):
    """The order of names."""

    def test_numbers(self) -> None:
        """Numbers in names count as numbers."""
        names = ["node10", "node2", "a", "node", "node2-b", "9"]
        expected = ["9", "a", "node", "node2", "node2-b", "node10"]
        self.assertEqual(sorted(names, key=by_name), expected)
