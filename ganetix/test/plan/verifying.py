"""A healthy cluster, and what is found when something of it is not so."""

from __future__ import annotations

import hashlib

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from ganetix.config.snapshot import Snapshot
from ganetix.objects import GuestInfo, GuestState, Instance, Node
from ganetix.objects.finding import ERROR_CODES, Finding
from ganetix.objects.node_calls import DiskInfo, NodeInfo, NodeVerify
from ganetix.plan.crypto import Trust
from ganetix.plan.verify import Heard, verify
from ganetix.plan.verify_node import Expected
from ganetix.testing.config import make_instance, make_node, make_snapshot, uuid_of

NODE = make_node("node1")


NOW = 1_000_000.0


SSCONF = {"cluster_name": "test.example\n"}


DAY = 86400.0


ONE_CA = frozenset({"ca"})


TRUST = Trust(required=ONE_CA, allowed=ONE_CA, signing="ca")


EXPECTED = Expected(
    version="1", now=NOW, trust=TRUST, ca_expires=NOW + 1000 * DAY, ssconf=SSCONF
)


INFO = NodeInfo(
    version="1",
    node_uuid=NODE.uuid,
    boot_id="1",
    time=NOW,
    memory_total_mib=8192,
    memory_free_mib=4096,
    cpus=4,
)


HEALTHY = NodeVerify(
    version="1",
    time=NOW,
    certificate_fingerprint=NODE.certificate,
    certificate_expires=NOW + 365 * DAY,
    authorities=("ca",),
    ssconf={"cluster_name": hashlib.sha256(b"test.example\n").hexdigest()},
    info=INFO,
    disks=(),
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
) -> NodeVerify:
    """What the node answered."""
    return replace(found, info=replace(INFO, guests=guests), disks=disks)


def healthy(node: Node) -> NodeVerify:
    """What a node answers that is well."""
    return replace(HEALTHY, certificate_fingerprint=node.certificate)


class VerifyCase(SynchronousTestCase):
    """A test case that verifies."""

    def found(
        self,
        answer: NodeVerify | str,
        *instances: Instance,
        snapshot: Snapshot | None = None,
        cut_short: tuple[str, ...] = (),
        **more: object,
    ) -> list[Finding]:
        """The findings in a cluster of one node."""
        config = snapshot or make_snapshot(NODE, instances=instances)
        reports = {NODE.uuid: answer} if isinstance(answer, NodeVerify) else {}
        failures = {NODE.uuid: answer} if isinstance(answer, str) else {}
        heard = Heard(
            reports=reports, failures=failures, cut_short=frozenset(cut_short)
        )
        return self.verified(config, replace(heard, **more))

    def verified(
        self,
        snapshot: Snapshot,
        heard: Heard,
        expected: Expected = EXPECTED,
        ignored: tuple[str, ...] = (),
    ) -> list[Finding]:
        """The findings in the default group."""
        group = snapshot.cluster.default_group
        findings = verify(snapshot, group, expected, heard, ignored)
        self.assertTrue(all(f.code in ERROR_CODES for f in findings))
        return list(findings)

    def of_all(self, snapshot: Snapshot) -> list[Finding]:
        """The findings if all nodes are well by their own word."""
        reports = {node.uuid: healthy(node) for node in snapshot.nodes.values()}
        return self.verified(snapshot, Heard(reports=reports))

    def codes(self, answer: NodeVerify | str, *instances: Instance) -> list[str]:
        """The codes of the findings."""
        return [finding.code for finding in self.found(answer, *instances)]
