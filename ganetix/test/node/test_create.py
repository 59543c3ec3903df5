"""Tests of the question whether a guest may be created, and of installing it."""

from __future__ import annotations

from msgspec.structs import replace

from ganetix.errors import (
    BadParameter,
    CommandFailed,
    GanetixError,
    NoResources,
    WrongState,
)
from ganetix.objects import GuestSpec
from ganetix.objects.guest_calls import CreateCheck, OsCreate
from ganetix.rpc.methods import CREATE_CHECK, OS_CREATE, OS_LIST, Nothing
from ganetix.test.node.support import NodeCase, disk, guest


class CreateCheckTests(NodeCase):
    """The method ``create_check``."""

    def refused(self, spec: GuestSpec, kind: type[GanetixError]) -> str:
        """The text with which a guest is refused."""
        return self.refusal(CREATE_CHECK, CreateCheck(guest=spec), kind)

    def test_may_be_created(self) -> None:
        """A guest that fits is allowed, and nothing is made of it."""
        self.ask(CREATE_CHECK, CreateCheck(guest=guest(disk())))
        self.assertEqual(self.successResultOf(self.storage.disks()), ())

    def test_diskless(self) -> None:
        """A guest without disks and OS definition is allowed."""
        self.ask(CREATE_CHECK, CreateCheck(guest=guest(os="")))

    def test_memory(self) -> None:
        """Too little memory is refused with both figures."""
        text = self.refused(guest(memory_mib=4096), NoResources)
        self.assertIn("web1 needs 4096 MiB of memory; the node has 1000 MiB", text)

    def test_all_memory(self) -> None:
        """A guest may take all that is free."""
        self.ask(CREATE_CHECK, CreateCheck(guest=guest(memory_mib=1000)))

    def test_disks_together(self) -> None:
        """Disks must fit together, not one by one."""
        text = self.refused(guest(disk(6000), disk(6000)), NoResources)
        self.assertIn("12000 MiB of disk template file; the node has 10000 MiB", text)

    def test_unknown_hypervisor(self) -> None:
        """An unknown hypervisor is refused."""
        self.assertIn(
            "hypervisor 'lxc'",
            self.refused(replace(guest(), hypervisor="lxc"), BadParameter),
        )

    def test_unknown_template(self) -> None:
        """An unknown disk template is refused."""
        self.assertIn("'rbd'", self.refused(guest(disk(template="rbd")), BadParameter))

    def test_disks_of_diskless(self) -> None:
        """A disk of template diskless is refused."""
        self.refused(guest(disk(template="diskless")), BadParameter)

    def test_broken_hypervisor(self) -> None:
        """What keeps the hypervisor from working is quoted."""
        self.hypervisor.problems = ("qemu is not installed",)
        self.assertIn("qemu is not installed", self.refused(guest(), WrongState))

    def test_broken_storage(self) -> None:
        """What keeps the storage from working is quoted."""
        self.storage.problems = ["/srv is read-only"]
        self.assertIn("/srv is read-only", self.refused(guest(disk()), WrongState))

    def test_os(self) -> None:
        """What the OS definition says against it is passed on."""
        self.os.refusal = BadParameter("OS definition tiny has no parameter 'x'")
        self.assertIn("no parameter 'x'", self.refused(guest(), BadParameter))


class OsTests(NodeCase):
    """Listing and running OS definitions."""

    def test_list(self) -> None:
        """The definitions of this node are listed."""
        (info,) = self.ask(OS_LIST, Nothing()).definitions
        self.assertEqual(info.name, "tiny")

    def test_create(self) -> None:
        """The definition gets guest, paths and purpose; its lines reach the caller."""
        spec = guest(disk())
        attempt = self.attempt(OS_CREATE, OsCreate(guest=spec, reinstall=True))
        self.assertEqual(attempt.lines, ["creating"])
        ((seen, paths, reinstall),) = self.os.seen
        self.assertEqual((seen, len(paths), reinstall), (spec, 1, True))
        self.os.creating[0].callback(None)
        self.successResultOf(attempt.result)

    def test_failure(self) -> None:
        """A failing script is an answer."""
        attempt = self.attempt(OS_CREATE, OsCreate(guest=guest()))
        self.os.creating[0].errback(CommandFailed("status 3"))
        self.failureResultOf(attempt.result, CommandFailed)

    def test_caller_goes_away(self) -> None:
        """A script goes on without its caller: half an installation helps nobody."""
        attempt = self.attempt(OS_CREATE, OsCreate(guest=guest()))
        attempt.hang_up()
        self.assertNoResult(attempt.result)
        self.os.creating[0].callback(None)
        self.successResultOf(attempt.result)

    def test_without_os(self) -> None:
        """A guest without an OS definition cannot be installed."""
        text = self.refusal(OS_CREATE, OsCreate(guest=guest(os="")), BadParameter)
        self.assertIn("web1", text)
