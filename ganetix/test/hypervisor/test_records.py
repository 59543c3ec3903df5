"""Records of guests survive restarts, and bad files among them."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import HypervisorFault
from ganetix.flow.offload import inline_offload
from ganetix.hypervisor.records import GuestRecord, GuestRecords
from ganetix.objects import GuestSpec, new_uuid


class GuestRecordsTests(SynchronousTestCase):
    """The records of one hypervisor's guests."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()) / "guests"
        self.records = self.reopened()
        self.record = self.record_of("kvm")

    def reopened(self) -> GuestRecords:
        """The records as a new daemon finds them."""
        return GuestRecords(self.directory, "kvm", inline_offload)

    def record_of(self, hypervisor: str) -> GuestRecord:
        """A record of a new guest."""
        spec = GuestSpec(
            uuid=new_uuid(),
            name="web1",
            hypervisor=hypervisor,
            memory_mib=64,
            vcpus=1,
        )
        return GuestRecord(spec=spec, since=5.0)

    def test_kept(self) -> None:
        """A record written is there after a restart; its file is private."""
        self.successResultOf(self.records.put(self.record))
        self.assertEqual(self.reopened().all(), (self.record,))
        (path,) = self.directory.iterdir()
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)

    def test_removed(self) -> None:
        """A record removed is gone; removing it again is no error."""
        self.successResultOf(self.records.put(self.record))
        for _ in range(2):
            self.successResultOf(self.records.remove(self.record.spec.uuid))
        self.assertEqual(self.reopened().all(), ())

    def test_not_removable(self) -> None:
        """A record that cannot be removed is a fault."""
        uuid = self.record.spec.uuid
        (self.directory / f"{uuid}.json").mkdir(parents=True)
        failure = self.failureResultOf(self.records.remove(uuid), HypervisorFault)
        self.assertIn(f"guest {uuid} cannot be removed", str(failure.value))

    def test_torn_file(self) -> None:
        """A file that cannot be read costs only its own record."""
        self.successResultOf(self.records.put(self.record))
        (self.directory / f"{new_uuid()}.json").write_text('{"spec": {"uu')
        (self.directory / "notes.json").write_text("")
        self.assertEqual(self.reopened().all(), (self.record,))

    def test_other_hypervisor(self) -> None:
        """Another hypervisor's guests are not ours."""
        self.successResultOf(self.records.put(self.record_of("fake")))
        self.assertEqual(self.reopened().all(), ())

    def test_not_writable(self) -> None:
        """A record that cannot be written is a fault that names the guest."""
        self.directory.parent.write_text("no directory")
        failure = self.failureResultOf(self.records.put(self.record), HypervisorFault)
        self.assertIn("guest web1 cannot be written", str(failure.value))

    def test_never_said_to_have_ended(self) -> None:
        """A guest that is gone though nobody ended it has crashed."""
        self.assertEqual(self.record.ended_info().state, "crashed")
