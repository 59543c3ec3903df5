"""Tests for the table of roles."""

from __future__ import annotations

from typing import get_args

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import WrongState
from ganetix.plan.roles import (
    TRANSITIONS,
    WISHES,
    Never,
    Role,
    Wish,
    changed_role,
    role_of,
    with_role,
)
from ganetix.testing.config import make_node, make_snapshot

MASTER = replace(make_node("node1"), master_candidate=True)
NODE = make_node("node2", last=12)
SNAPSHOT = make_snapshot(MASTER, NODE)
ROLES: tuple[Role, ...] = get_args(Role)


class RoleTests(SynchronousTestCase):
    """Tests for roles."""

    def test_table_is_whole(self) -> None:
        """Every role has an answer to every wish."""
        self.assertEqual(set(TRANSITIONS), set(ROLES))
        self.assertEqual(set(WISHES), set(get_args(Wish)))
        for answers in TRANSITIONS.values():
            self.assertEqual(set(answers), set(WISHES))

    def test_roles_are_kept(self) -> None:
        """A node put into a role has that role."""
        for role in ROLES[1:]:
            self.assertEqual(role_of(with_role(NODE, role), SNAPSHOT.cluster), role)

    def test_every_transition(self) -> None:
        """Each wish in each role comes to what the table says."""
        for role, answers in TRANSITIONS.items():
            node = MASTER if role == "master" else with_role(NODE, role)
            for wish, outcome in answers.items():
                if isinstance(outcome, Never):
                    error = self.assertRaises(
                        WrongState, changed_role, node, [wish], SNAPSHOT
                    )
                    self.assertIn(node.name, str(error))
                else:
                    after = changed_role(node, [wish], SNAPSHOT)
                    self.assertEqual(role_of(after, SNAPSHOT.cluster), outcome)

    def test_back_and_promoted(self) -> None:
        """Wishes of one request are granted in an order that makes sense."""
        offline = with_role(NODE, "offline")
        after = changed_role(offline, ["promote", "online"], SNAPSHOT)
        self.assertEqual(role_of(after, SNAPSHOT.cluster), "candidate")

    def test_back_and_drained(self) -> None:
        """A node may come back drained."""
        offline = with_role(NODE, "offline")
        after = changed_role(offline, ["drain", "online"], SNAPSHOT)
        self.assertEqual(role_of(after, SNAPSHOT.cluster), "drained")

    def test_not_capable(self) -> None:
        """What is not master capable is no candidate."""
        node = replace(NODE, master_capable=False)
        error = self.assertRaises(WrongState, changed_role, node, ["promote"], SNAPSHOT)
        self.assertIn("--master-capable yes", str(error))

    def test_nothing(self) -> None:
        """A wish that is granted already leaves the node as it is."""
        self.assertIs(changed_role(NODE, ["undrain", "online"], SNAPSHOT), NODE)
