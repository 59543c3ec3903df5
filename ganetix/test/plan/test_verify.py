"""Tests for what verify finds on nodes and of their instances."""

from __future__ import annotations

from msgspec.structs import replace

from ganetix.config.snapshot import Edits
from ganetix.objects.intent import InstanceIntent
from ganetix.objects.node_calls import DiskSpace
from ganetix.plan.verify import Heard
from ganetix.test.plan.verifying import (
    HEALTHY,
    INFO,
    NODE,
    NOW,
    WEB,
    VerifyCase,
    disk,
    guest,
    report,
)
from ganetix.testing.config import apply, make_instance, make_node, make_snapshot


class VerifyTests(VerifyCase):
    """What nodes say of themselves, their guests and disks."""

    def test_healthy(self) -> None:
        """A healthy node with its guest running gives no findings."""
        self.assertEqual(self.codes(report(guest(WEB), disks=(disk(WEB),)), WEB), [])

    def test_unreachable(self) -> None:
        """A node that does not answer is one finding, with the reason."""
        (finding,) = self.found("connection refused", WEB)
        self.assertEqual((finding.code, finding.name), ("ENODERPC", "node1"))
        self.assertIn("connection refused", finding.message)

    def test_other_node_rpc(self) -> None:
        """A node that speaks another node RPC is one finding, about its version."""
        heard = Heard(other_versions={NODE.uuid: "upgrade node node1"})
        (finding,) = self.verified(make_snapshot(NODE), heard)
        self.assertEqual(finding.code, "ENODEVERSION")
        self.assertEqual(finding.message, "upgrade node node1")

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
            authorities=("other",),
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
                "ENODECERT",
                "ENODEADDRESS",
                "ENODESSCONF",
                "ENODEHOST",
                "ENODESECRET",
            ],
        )

    def test_left_by_a_candidate(self) -> None:
        """A copy of the state, or the CA's key, on a node that is no candidate."""
        found = replace(HEALTHY, master_files=("/var/lib/ganetix/ca.key",))
        (finding,) = self.found(report(found=found))
        self.assertEqual((finding.level, finding.code), ("error", "ENODESECRET"))
        self.assertIn("still has /var/lib/ganetix/ca.key", finding.message)
        candidate = make_snapshot(replace(NODE, master_candidate=True))
        self.assertEqual(self.found(report(found=found), snapshot=candidate), [])

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
        findings = self.verified(snapshot, Heard())
        self.assertEqual([f.code for f in findings], ["EGROUPEMPTY"])

    def test_cannot_be_told(self) -> None:
        """Of what a node could not tell nothing is said."""
        silent = replace(HEALTHY, info=None, disks=None, problems=("disks: broken",))
        (finding,) = self.found(silent, WEB)
        self.assertEqual(finding.code, "ENODEHOST")

    def test_low_disk(self) -> None:
        """Little disk space is a warning with the figures; a diskless one has none."""
        spaces = (
            DiskSpace(template="file", total_mib=100_000, free_mib=4_000),
            DiskSpace(template="diskless", total_mib=0, free_mib=0),
        )
        low = replace(HEALTHY, info=replace(INFO, disk_space=spaces))
        (finding,) = self.found(low)
        self.assertEqual((finding.level, finding.code), ("warning", "ENODEDISK"))
        self.assertIn("4000 of 100000 MiB are free", finding.message)

    def test_name(self) -> None:
        """A name that resolves elsewhere is a warning; one that has none is not."""
        resolved = {NODE.uuid: ("192.0.2.1", "192.0.2.2")}
        (finding,) = self.found(HEALTHY, resolved=resolved)
        self.assertEqual((finding.level, finding.code), ("warning", "ENODENAME"))
        self.assertIn("192.0.2.1, 192.0.2.2", finding.message)
        also = {NODE.uuid: ("192.0.2.1", NODE.primary_ip)}
        self.assertEqual(self.found(HEALTHY, resolved=also), [])

    def test_os(self) -> None:
        """An OS definition that is not on the instance's node is a warning."""
        there = report(guest(WEB), disks=(disk(WEB),))
        self.assertEqual(self.codes(replace(there, os_names=("noop",)), WEB), [])
        (finding,) = self.found(replace(there, os_names=("tiny",)), WEB)
        self.assertEqual((finding.level, finding.code), ("warning", "EINSTANCEOS"))

    def test_ignored(self) -> None:
        """Errors of a code that is ignored are warnings, others stay."""
        heard = Heard(
            reports={NODE.uuid: replace(HEALTHY, problems=("bad",), version="0")}
        )
        found = self.verified(make_snapshot(NODE), heard, ignored=("ENODEHOST",))
        self.assertEqual(
            [(f.code, f.level) for f in found],
            [("ENODEVERSION", "error"), ("ENODEHOST", "warning")],
        )
