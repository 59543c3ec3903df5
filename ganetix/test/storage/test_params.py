"""Tests of disk templates and their parameters."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import BadParameter
from ganetix.storage.params import DISK_TEMPLATES, check_disk_params, disk_param


class CheckTests(SynchronousTestCase):
    """What is taken and what is refused."""

    def test_takes_every_declared_value(self) -> None:
        """All declared values of all templates are taken."""
        for template, params in DISK_TEMPLATES.items():
            for name, parameter in params.items():
                for value in parameter.values:
                    check_disk_params(template, {name: value})

    def test_unknown_template(self) -> None:
        """An unknown template is refused with the names of the known ones."""
        with self.assertRaisesRegex(BadParameter, "'drbd8'.*diskless, file"):
            check_disk_params("drbd8", {})

    def test_unknown_parameter(self) -> None:
        """An unknown parameter is refused with the names of the known ones."""
        with self.assertRaisesRegex(BadParameter, "file.*'vg'.*format"):
            check_disk_params("file", {"vg": "xenvg"})

    def test_diskless_has_none(self) -> None:
        """A template without parameters says so."""
        with self.assertRaisesRegex(BadParameter, "its parameters: none"):
            check_disk_params("diskless", {"format": "raw"})

    def test_bad_value(self) -> None:
        """A bad value is refused with those that are allowed."""
        with self.assertRaisesRegex(BadParameter, "format is 'vmdk'.*raw, qcow2"):
            check_disk_params("file", {"format": "vmdk"})

    def test_default_is_first(self) -> None:
        """A parameter that is not given has the template's default."""
        self.assertEqual(disk_param("file", {}, "format"), "raw")

    def test_given_value(self) -> None:
        """A parameter that is given has that value."""
        self.assertEqual(disk_param("file", {"format": "qcow2"}, "format"), "qcow2")
