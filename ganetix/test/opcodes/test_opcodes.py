"""Tests for requests as values: their form on the wire, and what they refuse."""

from __future__ import annotations

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from ganetix.opcodes import (
    AnyOpcode,
    DiskRequest,
    NicRequest,
    OpInstanceCreate,
    OpNodeAdd,
    OpTestDelay,
    opcode_id,
    summary,
)


class OpcodeTests(SynchronousTestCase):
    """Tests for opcodes."""

    def refused(self, body: bytes) -> str:
        """Why a body is no opcode."""
        error = self.assertRaises(
            msgspec.ValidationError, msgspec.json.decode, body, type=AnyOpcode
        )
        return str(error)

    def test_round_trip(self) -> None:
        """An opcode comes out of JSON as it went in, found by its OP_ID."""
        op = OpInstanceCreate(name="web1", os="tiny", disks=(DiskRequest(size_mib=1),))
        body = msgspec.json.encode(op)
        self.assertIn(b'"OP_ID":"OP_INSTANCE_CREATE"', body)
        self.assertEqual(msgspec.json.decode(body, type=AnyOpcode), op)

    def test_summary(self) -> None:
        """A line for lists names the kind of work and its subject."""
        self.assertEqual(summary(OpTestDelay(duration=2)), "TEST_DELAY(2)")
        op = OpNodeAdd(name="n1", primary_ip="192.0.2.1")
        self.assertEqual((opcode_id(op), summary(op)), ("OP_NODE_ADD", "NODE_ADD(n1)"))

    def test_unknown(self) -> None:
        """Unknown kinds and unknown fields are refused by name."""
        self.assertIn("OP_MAGIC", self.refused(b'{"OP_ID":"OP_MAGIC"}'))
        body = b'{"OP_ID":"OP_TEST_DELAY","duration":1,"colour":"red"}'
        self.assertIn("colour", self.refused(body))

    def test_wrong_type(self) -> None:
        """A value of the wrong type is refused with its path."""
        body = b'{"OP_ID":"OP_TEST_DELAY","duration":"long"}'
        self.assertIn("$.duration", self.refused(body))

    def test_wrong_instances(self) -> None:
        """What no instance can be is refused, naming field, value and limits."""
        disk = DiskRequest(size_mib=1)
        for fields, shown in (
            ({"name": "A b"}, "name: 'A b'"),
            ({"memory_mib": 0}, "memory: 0 is not between 1 and 16777216 MiB"),
            ({"vcpus": 5000}, "vcpus: 5000"),
            ({"os": ""}, "os: missing"),
            ({"disks": ()}, "disks: template file needs a disk"),
            ({"disk_template": "diskless"}, "diskless takes no disks"),
            ({"disks": (disk,) * 17}, "number of disks: 17 is not between 0 and 16"),
            ({"nics": (NicRequest(),) * 9}, "number of nics: 9"),
        ):
            given = {"name": "web1", "os": "tiny", "disks": (disk,), **fields}
            error = self.assertRaises(ValueError, OpInstanceCreate, **given)
            self.assertIn(shown, str(error))

    def test_without_installation(self) -> None:
        """An instance that nothing is installed on needs no OS definition."""
        op = OpInstanceCreate(
            name="web1", os="", no_install=True, disk_template="diskless"
        )
        self.assertEqual(op.os, "")
