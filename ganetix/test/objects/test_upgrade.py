"""Configurations of every version become current ones."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.rows import KIND_OF
from ganetix.errors import StateFault
from ganetix.objects.base import Value
from ganetix.objects.upgrade import STEPS, VERSION, Document, upgrade

SAMPLES = Path(__file__).parent.parent / "samples"


def _samples() -> dict[int, Document]:
    found = {}
    for path in SAMPLES.glob("config-*.json"):
        [number] = re.findall(r"\d+", path.name)
        found[int(number)] = msgspec.json.decode(path.read_bytes(), type=Document)
    return found


def _holds(written: object, found: object) -> bool:
    """Whether all of one JSON value is in the other; fields may have been added."""
    if isinstance(written, dict) and isinstance(found, dict):
        return all(k in written and _holds(written[k], v) for k, v in found.items())
    if isinstance(written, list) and isinstance(found, list):
        return len(written) == len(found) and all(map(_holds, written, found))
    return written == found


class SampleTests(SynchronousTestCase):
    """The samples, one of each version that was ever written."""

    def test_all_versions(self) -> None:
        """There is a sample of each version up to the current one."""
        self.assertEqual(sorted(_samples()), list(range(1, VERSION + 1)))

    def test_read(self) -> None:
        """Each sample, upgraded, is read whole by the current values."""
        for version, document in _samples().items():
            current = upgrade(document, version)
            self.assertEqual(set(current), set(KIND_OF.values()))
            for kind, rows in current.items():
                for key, found in rows.items():
                    self.check_whole(kind, key, found)

    def check_whole(self, kind: str, key: str, found: object) -> None:
        """What is read and written again has lost nothing of the sample."""
        [value_type] = [value for value, name in KIND_OF.items() if name == kind]
        value: Value = msgspec.convert(found, value_type)
        written: object = msgspec.json.decode(msgspec.json.encode(value))
        self.assertTrue(_holds(written, found), f"{kind} {key}: {written}")


class UpgradeTests(SynchronousTestCase):
    """The chain of steps."""

    def test_current(self) -> None:
        """A current configuration is left as it is."""
        document: Document = {"node": {"n": {"name": "x"}}}
        self.assertIs(upgrade(document, VERSION), document)

    def test_chain(self) -> None:
        """The steps from a version on run in order, those before it do not."""

        def rename(document: Document) -> Document:
            return {
                "node": {k: {"title": v["name"]} for k, v in document["node"].items()}
            }

        def move(document: Document) -> Document:
            return {"host": document["node"]}

        steps = (rename, move)
        old: Document = {"node": {"n": {"name": "x"}}}
        self.assertEqual(upgrade(old, 1, steps), {"host": {"n": {"title": "x"}}})
        self.assertEqual(upgrade(old, 2, steps), {"host": {"n": {"name": "x"}}})
        self.assertEqual(upgrade(old, 3, steps), old)
        self.assertEqual(old, {"node": {"n": {"name": "x"}}})

    def test_newer(self) -> None:
        """A newer version, or none, is refused with what can be read."""
        for version in (VERSION + 1, 0, -1):
            error = self.assertRaises(StateFault, upgrade, {}, version)
            self.assertIn(f"is of version {version}", str(error))

    def test_version(self) -> None:
        """The version counts the steps."""
        self.assertEqual(VERSION, len(STEPS) + 1)
