"""Tests of what states are called."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.objects import AdminState, GuestInfo, GuestState
from ganetix.query.status import NodeState, role_of, status_of
from ganetix.testing.config import make_instance, make_snapshot


def word(
    admin: AdminState,
    guest: GuestState | None,
    node: NodeState = "live",
    by_user: bool = False,
) -> str:
    """The status word for what is wanted and what is."""
    instance = replace(
        make_instance("web1", "node1"),
        admin_state=admin,
        admin_state_source="user" if by_user else "admin",
    )
    info = None
    if guest is not None:
        info = GuestInfo(
            uuid=instance.uuid, name="web1", hypervisor="fake", state=guest
        )
    return status_of(instance, info, node)


class StatusTests(SynchronousTestCase):
    """One word for what should be and what is."""

    def test_table(self) -> None:
        """Wish and fact make Ganeti's word."""
        for expected, admin, guest in (
            ("running", "up", "running"),
            ("running", "up", "starting"),
            ("running", "up", "paused"),
            ("ERROR_down", "up", None),
            ("ERROR_down", "up", "crashed"),
            ("ERROR_down", "up", "admin-down"),
            ("USER_down", "up", "user-down"),
            ("ADMIN_down", "down", None),
            ("ADMIN_down", "down", "admin-down"),
            ("ADMIN_down", "down", "user-down"),
            ("ERROR_up", "down", "running"),
            ("ADMIN_offline", "offline", None),
            ("ERROR_up", "offline", "running"),
        ):
            with self.subTest(admin=admin, guest=guest):
                self.assertEqual(word(admin, guest), expected)  # type: ignore[arg-type]

    def test_shut_down_by_user(self) -> None:
        """A wish recorded as the user's is told apart from the administrator's."""
        self.assertEqual(word("down", "user-down", by_user=True), "USER_down")

    def test_node(self) -> None:
        """Where the node cannot say, its state is the word, whatever was wanted."""
        for admin in ("up", "down", "offline"):
            self.assertEqual(word(admin, None, "offline"), "ERROR_nodeoffline")
            self.assertEqual(word(admin, None, "unreachable"), "ERROR_nodedown")


class RoleTests(SynchronousTestCase):
    """One letter for a node's role."""

    def test_roles(self) -> None:
        """The master comes first, then what keeps a node from being used."""
        snapshot = make_snapshot()
        cluster = snapshot.cluster
        master = snapshot.nodes[cluster.master_node]
        plain = replace(master, uuid="other", master_candidate=False)
        self.assertEqual(role_of(master, cluster), "M")
        self.assertEqual(role_of(plain, cluster), "R")
        self.assertEqual(role_of(replace(plain, master_candidate=True), cluster), "C")
        self.assertEqual(role_of(replace(plain, drained=True), cluster), "D")
        both = replace(plain, drained=True, offline=True)
        self.assertEqual(role_of(both, cluster), "O")
