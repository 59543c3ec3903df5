"""This host's own name."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ganetix.flow.offload import inline_offload
from ganetix.netutils.hostname import own_name


class OwnNameTests(SynchronousTestCase):
    """The kernel's name, and what the resolver makes of it."""

    def _name(self, short: str, full: str | None) -> str:
        def canonical(_: str) -> str:
            if full is None:
                raise OSError("no such name")
            return full

        return self.successResultOf(own_name(inline_offload, short, canonical))

    def test_domain(self) -> None:
        """The domain comes from the resolver, all in lower case."""
        self.assertEqual(self._name("Node1", "node1.Example.ORG."), "node1.example.org")

    def test_full_already(self) -> None:
        """A kernel's name with a domain stands as it is."""
        self.assertEqual(self._name("node1.example", "other.example"), "node1.example")

    def test_unknown(self) -> None:
        """A name that the resolver does not know, or without a domain, stays short."""
        self.assertEqual(self._name("node1", None), "node1")
        self.assertEqual(self._name("node1", ""), "node1")

    def test_another(self) -> None:
        """The full form of another name is not this host's."""
        self.assertEqual(self._name("node1", "localhost.localdomain"), "node1")

    def test_real(self) -> None:
        """This host has a name."""
        self.assertTrue(self.successResultOf(own_name(inline_offload)))
