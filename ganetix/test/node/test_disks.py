"""Tests of making disks: all or none."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from ganetix.errors import BadParameter, Cancelled, NoResources, StorageFault
from ganetix.objects.guest_calls import DisksCreate, GuestPurge
from ganetix.rpc.methods import DISK_LIST, DISKS_CREATE, GUEST_PURGE, Nothing
from ganetix.test.node.support import NodeCase, disk, guest


class DisksTests(NodeCase):
    """The methods about disks."""

    def listed(self) -> list[str]:
        """The UUIDs of all disks."""
        return sorted(each.disk_uuid for each in self.ask(DISK_LIST, Nothing()).disks)

    def test_makes_all(self) -> None:
        """All disks of the guest are made, and said."""
        spec = guest(disk(), disk())
        attempt = self.attempt(DISKS_CREATE, DisksCreate(guest=spec))
        self.successResultOf(attempt.result)
        self.assertEqual(self.listed(), sorted(each.uuid for each in spec.disks))
        self.assertEqual(len(attempt.lines), 2)

    def test_all_or_none(self) -> None:
        """If one cannot be made, those made before are removed again."""
        self.storage.failures = [None, None, StorageFault("medium is broken")]
        request = DisksCreate(guest=guest(disk(), disk(), disk()))
        self.assertIn("broken", self.refusal(DISKS_CREATE, request, StorageFault))
        self.assertEqual(self.listed(), [])

    def test_second_does_not_fit(self) -> None:
        """Disks that fit one by one but not together are refused, and none is left."""
        request = DisksCreate(guest=guest(disk(6000), disk(6000)))
        text = self.refusal(DISKS_CREATE, request, NoResources)
        self.assertRegex(text, "6000 MiB.*4000 MiB")
        self.assertEqual(self.listed(), [])

    def test_existing_is_kept(self) -> None:
        """A disk that was there before is not taken for one made now."""
        spec = guest(disk())
        self.ask(DISKS_CREATE, DisksCreate(guest=spec))
        result = self.attempt(DISKS_CREATE, DisksCreate(guest=spec)).result
        self.failureResultOf(result)
        self.assertEqual(len(self.listed()), 1)

    def test_unknown_template(self) -> None:
        """An unknown template among others is refused before anything is made."""
        request = DisksCreate(guest=guest(disk(), disk(template="drbd")))
        self.assertIn(
            "'drbd'; it has: diskless, file",
            self.refusal(DISKS_CREATE, request, BadParameter),
        )
        self.assertEqual(self.listed(), [])

    def test_undo_that_fails_is_said(self) -> None:
        """A disk that cannot be removed again is named; the first error is kept."""
        spec = guest(disk(), disk())
        self.storage.failures = [None, StorageFault("medium is broken")]
        self.storage.removal_failures = [StorageFault("medium is read-only")]
        attempt = self.attempt(DISKS_CREATE, DisksCreate(guest=spec))
        error = self.failureResultOf(attempt.result, StorageFault)
        self.assertIn("broken", str(error.value))
        self.assertIn(spec.disks[0].uuid, attempt.lines[-1])
        self.assertIn("read-only", attempt.lines[-1])

    def test_cancelled(self) -> None:
        """Removing the guest ends the making of its disks; none is left."""
        self.storage.failures = [None, Deferred()]
        spec = guest(disk(), disk())
        attempt = self.attempt(DISKS_CREATE, DisksCreate(guest=spec))
        purge = GuestPurge(uuid=spec.uuid, hypervisors=(), disk_templates=("file",))
        self.assertEqual(self.ask(GUEST_PURGE, purge).disks, 0)
        self.failureResultOf(attempt.result, Cancelled)
        self.assertEqual(self.listed(), [])
