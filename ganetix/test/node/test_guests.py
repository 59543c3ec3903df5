"""Tests of starting, stopping and purging guests."""

from __future__ import annotations

from ganetix.errors import BadParameter, Cancelled, HypervisorFault
from ganetix.objects import GuestSpec
from ganetix.objects.guest_calls import (
    DisksCreate,
    GuestListRequest,
    GuestName,
    GuestPurge,
    GuestStart,
    GuestStop,
    OsCreate,
    Purged,
)
from ganetix.rpc.methods import (
    DISK_LIST,
    DISKS_CREATE,
    GUEST_LIST,
    GUEST_PURGE,
    GUEST_RESET,
    GUEST_START,
    GUEST_STOP,
    OS_CREATE,
    Nothing,
)
from ganetix.test.node.support import NodeCase, disk, guest


def purge_of(spec: GuestSpec) -> GuestPurge:
    """A request to forget a guest everywhere."""
    return GuestPurge(
        uuid=spec.uuid, hypervisors=("stub",), disk_templates=("diskless", "file")
    )


class GuestTests(NodeCase):
    """Starting, stopping, listing."""

    def test_start(self) -> None:
        """The hypervisor gets the disks' paths in order, its lines reach the caller."""
        spec = guest(disk(), disk())
        attempt = self.attempt(GUEST_START, GuestStart(guest=spec))
        self.assertEqual(self.successResultOf(attempt.result).state, "running")
        self.assertEqual(attempt.lines, ["starting web1"])
        self.assertEqual(
            [path.name for path in self.hypervisor.paths],
            [each.uuid for each in spec.disks],
        )

    def test_start_with_unknown_template(self) -> None:
        """A disk of an unknown template is refused before anything is started."""
        request = GuestStart(guest=guest(disk(template="rbd")))
        self.assertIn("'rbd'", self.refusal(GUEST_START, request, BadParameter))
        self.assertEqual(self.hypervisor.log, [])

    def test_starts_of_one_guest_in_turns(self) -> None:
        """A second start of a guest waits for the first."""
        spec = guest()
        self.hypervisor.hangs = True
        self.attempt(GUEST_START, GuestStart(guest=spec))
        self.hypervisor.hangs = False
        second = self.attempt(GUEST_START, GuestStart(guest=spec))
        self.assertNoResult(second.result)
        self.hypervisor.starting[0].callback(self.hypervisor.add(spec))
        self.successResultOf(second.result)

    def test_other_guests_do_not_wait(self) -> None:
        """A guest that takes long to start holds up no other."""
        self.hypervisor.hangs = True
        self.attempt(GUEST_START, GuestStart(guest=guest()))
        self.hypervisor.hangs = False
        self.ask(GUEST_START, GuestStart(guest=guest(name="web2")))

    def test_stop_does_not_wait(self) -> None:
        """A guest can be ended while it is being started."""
        spec = guest()
        self.hypervisor.hangs = True
        self.attempt(GUEST_START, GuestStart(guest=spec))
        stopped = self.ask(
            GUEST_STOP, GuestStop(hypervisor="stub", uuid=spec.uuid, timeout_seconds=0)
        )
        self.assertEqual(stopped.outcome, "was-down")

    def test_reset(self) -> None:
        """A reset reaches the hypervisor."""
        self.ask(GUEST_RESET, GuestName(hypervisor="stub", uuid=guest().uuid))
        self.assertEqual(self.hypervisor.log, ["reset"])

    def test_list(self) -> None:
        """All guests of the hypervisors named are listed."""
        info = self.hypervisor.add(guest())
        listed = self.ask(GUEST_LIST, GuestListRequest(hypervisors=("stub",)))
        self.assertEqual(listed.guests, (info,))


class PurgeTests(NodeCase):
    """Forgetting a guest."""

    def test_removes_everything(self) -> None:
        """Guest and disks are gone, and counted."""
        spec = guest(disk(), disk())
        self.ask(DISKS_CREATE, DisksCreate(guest=spec))
        self.hypervisor.add(spec)
        self.assertEqual(
            self.ask(GUEST_PURGE, purge_of(spec)), Purged(guest=True, disks=2)
        )
        self.assertEqual(self.ask(DISK_LIST, Nothing()).disks, ())
        self.assertEqual(self.hypervisor.known, {})

    def test_removes_nothing_twice(self) -> None:
        """Purging what is not there is no error."""
        self.assertEqual(
            self.ask(GUEST_PURGE, purge_of(guest())), Purged(guest=False, disks=0)
        )

    def test_guest_that_cannot_be_ended(self) -> None:
        """Disks of a guest that cannot be ended are kept: it may be writing."""
        spec = guest(disk())
        self.ask(DISKS_CREATE, DisksCreate(guest=spec))
        self.hypervisor.forget_error = HypervisorFault("process 17 cannot be ended")
        text = self.refusal(GUEST_PURGE, purge_of(spec), HypervisorFault)
        self.assertIn("process 17", text)
        self.assertEqual(len(self.ask(DISK_LIST, Nothing()).disks), 1)

    def test_ends_running_script(self) -> None:
        """A create script that still runs is ended first, then disks are removed."""
        spec = guest(disk())
        self.ask(DISKS_CREATE, DisksCreate(guest=spec))
        creating = self.attempt(OS_CREATE, OsCreate(guest=spec))
        self.assertEqual(self.ask(GUEST_PURGE, purge_of(spec)).disks, 1)
        error = self.failureResultOf(creating.result, Cancelled)
        self.assertIn("removed", str(error.value))

    def test_ends_waiting_work(self) -> None:
        """Work that waits behind other work of the guest is never begun."""
        spec = guest()
        creating = self.attempt(OS_CREATE, OsCreate(guest=spec))
        starting = self.attempt(GUEST_START, GuestStart(guest=spec))
        self.ask(GUEST_PURGE, purge_of(spec))
        self.failureResultOf(creating.result, Cancelled)
        self.failureResultOf(starting.result, Cancelled)
        self.assertEqual(self.hypervisor.log, ["forget"])

    def test_leaves_other_guests(self) -> None:
        """Work on other guests goes on."""
        creating = self.attempt(OS_CREATE, OsCreate(guest=guest(name="web2")))
        self.ask(GUEST_PURGE, purge_of(guest()))
        self.assertNoResult(creating.result)
        self.os.creating[0].callback(None)
        self.successResultOf(creating.result)
