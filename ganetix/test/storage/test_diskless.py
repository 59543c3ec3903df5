"""Tests of the template without disks."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ganetix.errors import BadParameter
from ganetix.interfaces import IStorage
from ganetix.objects import GuestDisk, new_uuid
from ganetix.storage.diskless import DisklessStorage
from ganetix.testing.storage import ignore

DISK = GuestDisk(uuid=new_uuid(), template="diskless", size_mib=8)


class DisklessTests(SynchronousTestCase):
    """It holds nothing and says so."""

    def test_provides_interface(self) -> None:
        """It has all methods of the interface."""
        self.assertTrue(verifyObject(IStorage, DisklessStorage()))

    def test_refuses_disks(self) -> None:
        """No disk can be made, none has a path."""
        storage = DisklessStorage()
        error = self.failureResultOf(
            storage.create(new_uuid(), DISK, ignore), BadParameter
        )
        self.assertIn("diskless", str(error.value))
        self.assertRaises(BadParameter, storage.path, new_uuid(), DISK)

    def test_has_nothing(self) -> None:
        """There is nothing to list, remove or complain about."""
        storage = DisklessStorage()
        self.assertEqual(self.successResultOf(storage.disks()), ())
        self.assertEqual(self.successResultOf(storage.check()), ())
        self.assertIsNone(self.successResultOf(storage.space()))
        self.assertFalse(self.successResultOf(storage.remove(new_uuid(), new_uuid())))
        self.assertEqual(self.successResultOf(storage.remove_all(new_uuid())), 0)
