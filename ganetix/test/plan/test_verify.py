"""Tests for what verify finds."""

from __future__ import annotations

import hashlib

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.objects import GuestInfo, GuestState, Instance
from ganetix.objects.intent import InstanceIntent
from ganetix.plan.verify import ERROR_CODES, Expected, Finding, NodeReport, verify
from ganetix.rpc.methods import DiskInfo, NodeVerify
from ganetix.testing.config import (
    apply,
    make_instance,
    make_node,
    make_snapshot,
    uuid_of,
)

NODE = make_node("node1")
NOW = 1_000_000.0
SSCONF = {"cluster_name": "test.example\n"}
EXPECTED = Expected(version="1", now=NOW, ca_fingerprint="ca", ssconf=SSCONF)
HEALTHY = NodeVerify(
    version="1",
    time=NOW,
    certificate_fingerprint=NODE.certificate,
    certificate_expires=NOW + 365 * 86400,
    ca_fingerprint="ca",
    ssconf={"cluster_name": hashlib.sha256(b"test.example\n").hexdigest()},
)
WEB = replace(make_instance("web1", "node1"), admin_state="up")


def guest(instance: Instance, state: GuestState = "running") -> GuestInfo:
    """An instance's guest in that state."""
    return GuestInfo(
        uuid=instance.uuid, name=instance.name, hypervisor="fake", state=state
    )


def disk(instance: Instance) -> DiskInfo:
    """An instance's first disk."""
    return DiskInfo(
        template="file",
        instance_uuid=instance.uuid,
        disk_uuid=uuid_of(instance.name + "/disk0"),
        path=f"/srv/{instance.name}",
        size_mib=1024,
        used_mib=0,
    )


def report(
    *guests: GuestInfo,
    disks: tuple[DiskInfo, ...] = (),
    found: NodeVerify = HEALTHY,
) -> NodeReport:
    """What the node answered."""
    return NodeReport(found=found, guests=guests, disks=disks)


class VerifyTests(SynchronousTestCase):
    """Tests for ``verify``."""

    def found(
        self,
        answer: NodeReport | str,
        *instances: Instance,
        snapshot: Snapshot | None = None,
        cut_short: tuple[str, ...] = (),
    ) -> list[Finding]:
        """The findings in a cluster of one node."""
        config = snapshot or make_snapshot(NODE, instances=instances)
        reports = {NODE.uuid: answer} if isinstance(answer, NodeReport) else {}
        failures = {NODE.uuid: answer} if isinstance(answer, str) else {}
        group = config.cluster.default_group
        findings = verify(config, group, EXPECTED, reports, failures, cut_short)
        self.assertTrue(all(f.code in ERROR_CODES for f in findings))
        return list(findings)

    def codes(self, answer: NodeReport | str, *instances: Instance) -> list[str]:
        """The codes of the findings."""
        return [finding.code for finding in self.found(answer, *instances)]

    def test_healthy(self) -> None:
        """A healthy node with its guest running gives no findings."""
        self.assertEqual(self.codes(report(guest(WEB), disks=(disk(WEB),)), WEB), [])

    def test_unreachable(self) -> None:
        """A node that does not answer is one finding, with the reason."""
        (finding,) = self.found("connection refused", WEB)
        self.assertEqual((finding.code, finding.name), ("ENODERPC", "node1"))
        self.assertIn("connection refused", finding.message)

    def test_too_few_candidates(self) -> None:
        """A group that lacks candidates of its minimum is a warning."""
        snapshot = make_snapshot(NODE)
        group = replace(snapshot.group(None), min_candidates=3)
        snapshot = apply(snapshot, Edits(put=(group,)))
        (finding,) = self.found(report(), snapshot=snapshot)
        self.assertEqual(
            (finding.level, finding.code, finding.name),
            ("warning", "EGROUPCANDIDATES", "default"),
        )
        self.assertIn("3 master candidates at least, and lacks 2", finding.message)

    def test_guest_missing(self) -> None:
        """An instance that should run and does not is named with its node."""
        (finding,) = self.found(report(disks=(disk(WEB),)), WEB)
        self.assertEqual((finding.code, finding.name), ("EINSTANCEDOWN", "web1"))
        self.assertIn("node1", finding.message)

    def test_crashed(self) -> None:
        """So is one that crashed."""
        answer = report(guest(WEB, "crashed"), disks=(disk(WEB),))
        self.assertEqual(self.codes(answer, WEB), ["EINSTANCEDOWN"])

    def test_shut_down_by_its_user(self) -> None:
        """A guest that its user shut down is no error."""
        answer = report(guest(WEB, "user-down"), disks=(disk(WEB),))
        self.assertEqual(self.codes(answer, WEB), [])

    def test_runs_although_down(self) -> None:
        """An instance that should be down and runs is an error."""
        down = replace(WEB, admin_state="down")
        answer = report(guest(down), disks=(disk(down),))
        self.assertEqual(self.codes(answer, down), ["EINSTANCEUP"])

    def test_unknown_guest_and_disk(self) -> None:
        """Guests and disks of no instance are found on their node."""
        stray = make_instance("stray", "node1")
        answer = report(guest(stray), disks=(disk(stray),))
        self.assertEqual(self.codes(answer), ["ENODEORPHANINSTANCE", "ENODEORPHANDISK"])

    def test_missing_disk(self) -> None:
        """A disk that is not there is named by its number."""
        (finding,) = self.found(report(guest(WEB)), WEB)
        self.assertEqual(finding.code, "EINSTANCEDISKMISSING")
        self.assertIn("disk 0", finding.message)

    def test_creation_under_way(self) -> None:
        """What a running job is making is nobody's orphan."""
        coming = make_instance("new1", "node1")
        intent = InstanceIntent(instance=coming, job_id=1, step="disks")
        snapshot = make_snapshot(NODE, intents=(intent,))
        answer = report(guest(coming), disks=(disk(coming),))
        self.assertEqual(self.found(answer, snapshot=snapshot), [])

    def test_creation_cut_short(self) -> None:
        """A creation that no job works on is reported with its step."""
        coming = make_instance("new1", "node1")
        intent = InstanceIntent(instance=coming, job_id=1, step="disks")
        snapshot = make_snapshot(NODE, intents=(intent,))
        (finding,) = self.found(report(), snapshot=snapshot, cut_short=(coming.uuid,))
        self.assertEqual(finding.code, "ECLUSTERUNFINISHED")
        self.assertIn("step disks", finding.message)

    def test_node_itself(self) -> None:
        """Version, clock, certificate, CA, addresses, host and secrets are checked."""
        sick = replace(
            HEALTHY,
            version="0",
            time=NOW + 1000,
            certificate_fingerprint="other",
            ca_fingerprint="other",
            certificate_expires=NOW - 1,
            missing_addresses=("127.0.0.11",),
            problems=("qemu is not installed",),
            loose_secrets=("/var/lib/ganetix/node.key",),
            ssconf={},
        )
        self.assertEqual(
            self.codes(report(found=sick)),
            [
                "ENODEVERSION",
                "ENODETIME",
                "ENODECERT",
                "ENODECERT",
                "ENODECERT",
                "ENODEADDRESS",
                "ENODESSCONF",
                "ENODEHOST",
                "ENODESECRET",
            ],
        )

    def test_certificate_expires_soon(self) -> None:
        """A certificate in its last month is a warning with the days left."""
        soon = replace(HEALTHY, certificate_expires=NOW + 10.5 * 86400)
        (finding,) = self.found(report(found=soon))
        self.assertEqual((finding.level, finding.code), ("warning", "ENODECERT"))
        self.assertIn("10 days", finding.message)

    def test_ssconf_differs(self) -> None:
        """Files that differ, are missing or are too many are named."""
        odd = replace(HEALTHY, ssconf={"cluster_name": "x", "extra": "y"})
        (finding,) = self.found(report(found=odd))
        self.assertEqual(finding.message, "ssconf files differ: cluster_name, extra")

    def test_wrong_node(self) -> None:
        """A guest that runs on a node that is not its own is an instance's error."""
        other = make_node("node2", last=12)
        snapshot = make_snapshot(
            NODE, other, instances=(make_instance("web1", "node2"),)
        )
        (finding,) = [
            f
            for f in self.found(report(guest(WEB)), snapshot=snapshot)
            if f.kind == "instance"
        ]
        self.assertEqual(finding.code, "EINSTANCEWRONGNODE")
        self.assertIn("its node is node2", finding.message)

    def test_empty_default_group(self) -> None:
        """A default group without nodes is an error of the group."""
        snapshot = make_snapshot(make_node("node1", "gold"), groups=("default", "gold"))
        group = snapshot.cluster.default_group
        findings = verify(snapshot, group, EXPECTED, {}, {}, ())
        self.assertEqual([f.code for f in findings], ["EGROUPEMPTY"])
