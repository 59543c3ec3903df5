"""Tests for what verify finds in the configuration, and across nodes."""

from __future__ import annotations

from msgspec.structs import replace

from ganetix.config.snapshot import Edits, Snapshot
from ganetix.objects import Instance
from ganetix.objects.crypto import CaRenewal
from ganetix.objects.replica import Claim, Position
from ganetix.objects.replica_calls import ReplicaStatus
from ganetix.plan.crypto import Trust
from ganetix.plan.group import Placed
from ganetix.plan.verify import Heard, question
from ganetix.plan.verify_instance import split_findings
from ganetix.plan.verify_node import neighbours
from ganetix.test.plan.verifying import (
    DAY,
    EXPECTED,
    HEALTHY,
    INFO,
    NODE,
    NOW,
    ONE_CA,
    WEB,
    VerifyCase,
    disk,
    guest,
    healthy,
    report,
)
from ganetix.testing.config import (
    apply,
    make_instance,
    make_node,
    make_snapshot,
    uuid_of,
)


class ConfigurationTests(VerifyCase):
    """What is wrong by the configuration alone."""

    def test_roles(self) -> None:
        """Flags that do not go together are told, each node by its name."""
        bad = replace(make_node("node2", last=12), master_candidate=True, drained=True)
        worse = replace(make_node("node3", last=13), offline=True, drained=True)
        found = self.of_all(make_snapshot(NODE, bad, worse))
        self.assertEqual(
            [(f.code, f.name, f.level) for f in found if f.code == "ENODEROLE"],
            [("ENODEROLE", "node2", "error"), ("ENODEROLE", "node3", "warning")],
        )

    def test_instance_on_an_offline_node(self) -> None:
        """An instance that should run on an offline node is an error of its own."""
        gone = replace(make_node("node2", last=12), offline=True)
        web = replace(WEB, primary_node=gone.uuid)
        snapshot = make_snapshot(NODE, gone, instances=(web,))
        heard = Heard(reports={NODE.uuid: HEALTHY})
        found = [f for f in self.verified(snapshot, heard) if f.kind == "instance"]
        self.assertEqual([(f.code, f.name) for f in found], [("EINSTANCENODE", "web1")])

    def test_instance_on_a_node_without_vms(self) -> None:
        """So is one on a node that is not VM capable."""
        node = replace(NODE, vm_capable=False)
        snapshot = make_snapshot(node, instances=(make_instance("web1", "node1"),))
        codes = [f.code for f in self.of_all(snapshot) if f.kind == "instance"]
        self.assertIn("EINSTANCENODE", codes)

    def test_disabled(self) -> None:
        """A hypervisor or disk template that is not enabled any more is a warning."""
        web = replace(WEB, hypervisor="kvm", disk_template="sharedfile")
        found = self.found(report(guest(web), disks=(disk(web),)), web)
        self.assertEqual(
            [(f.code, f.level) for f in found], [("EINSTANCEDISABLED", "warning")] * 2
        )

    def test_disabled_but_used(self) -> None:
        """Guests of a hypervisor that is in use are asked for, enabled or not."""
        web = replace(WEB, hypervisor="kvm")
        snapshot = make_snapshot(NODE, instances=(web,))
        asked = question(snapshot, NODE, ())
        self.assertEqual(asked.hypervisors, ("fake",))
        assert asked.state is not None
        self.assertEqual(asked.state.hypervisors, ("fake", "kvm"))

    def test_parameters(self) -> None:
        """Parameters that are not valid any more are named where they were given."""
        web = replace(WEB, hvparams={"colour": "red"})
        answer = report(guest(web), disks=(disk(web),))
        (finding,) = self.found(answer, web)
        self.assertEqual((finding.code, finding.name), ("EINSTANCEPARAMS", "web1"))
        self.assertIn("colour", finding.message)
        snapshot = make_snapshot(NODE)
        group = replace(snapshot.group(None), hvparams={"fake": {"colour": "red"}})
        cluster = replace(snapshot.cluster, hvparams={"fake": {"shape": "round"}})
        found = self.of_all(apply(snapshot, Edits(put=(group, cluster))))
        self.assertEqual({f.code for f in found}, {"ECLUSTERPARAMS", "EGROUPPARAMS"})

    def test_pool(self) -> None:
        """Fewer candidates than there could be is a warning."""
        two = make_snapshot(NODE, make_node("node2", last=12))
        (finding,) = self.of_all(two)
        self.assertEqual((finding.level, finding.code), ("warning", "ECLUSTERPOOL"))
        incapable = replace(make_node("node2", last=12), master_capable=False)
        self.assertEqual(self.of_all(make_snapshot(NODE, incapable)), [])

    def test_mixed_secondaries(self) -> None:
        """IPv4 beside IPv6 secondary addresses is a warning that names the fewer."""
        other = replace(
            make_node("node2", last=12), secondary_ip="fd00::2", master_capable=False
        )
        (finding,) = self.of_all(make_snapshot(NODE, other))
        self.assertEqual((finding.level, finding.code), ("warning", "ECLUSTERADDRESS"))
        self.assertIn("IPv6: node2", finding.message)

    def test_split(self) -> None:
        """An instance on nodes of two groups is an error that says where it is."""
        nodes = [make_node("node1"), make_node("node2", "gold")]
        by_uuid = {node.uuid: node for node in nodes}
        names = {uuid_of("default"): "default", uuid_of("gold"): "gold"}
        whole = Placed(name="web1", nodes=(nodes[0].uuid,))
        split = Placed(name="web2", nodes=tuple(by_uuid))
        (finding,) = split_findings([whole, split], by_uuid, names)
        self.assertEqual((finding.code, finding.name), ("EINSTANCESPLIT", "web2"))
        self.assertIn("node1 of group default, node2 of group gold", finding.message)

    def test_ca_expires(self) -> None:
        """A CA in its last month is a warning, one that ended an error."""
        for left, level in ((20.0, "warning"), (-1.0, "error")):
            expected = replace(EXPECTED, ca_expires=NOW + left * DAY)
            heard = Heard(reports={NODE.uuid: HEALTHY})
            (finding,) = self.verified(make_snapshot(NODE), heard, expected)
            self.assertEqual((finding.code, finding.level), ("ECLUSTERCA", level))


class RenewalTests(VerifyCase):
    """While certificates are being renewed."""

    def test_ca(self) -> None:
        """A renewal under way is a warning; old and new CA may be trusted then."""
        renewal = CaRenewal(since=NOW, certificate="", fingerprint="new", old="ca")
        snapshot = make_snapshot(NODE)
        cluster = replace(snapshot.cluster, ca_renewal=renewal)
        snapshot = apply(snapshot, Edits(put=(cluster,)))
        trust = Trust(required=ONE_CA, allowed=ONE_CA | {"new"}, signing="ca")
        both = replace(HEALTHY, authorities=("ca", "new"))
        (finding,) = self.verified(
            snapshot, Heard(reports={NODE.uuid: both}), replace(EXPECTED, trust=trust)
        )
        self.assertEqual((finding.level, finding.code), ("warning", "ECLUSTERCA"))
        self.assertIn("since 1970-01-12 13:46 UTC", finding.message)

    def test_node(self) -> None:
        """A new certificate that was announced and not recorded is a warning."""
        node = replace(NODE, next_certificate="next")
        for shown in (NODE.certificate, "next"):
            answer = replace(HEALTHY, certificate_fingerprint=shown)
            (finding,) = self.found(answer, snapshot=make_snapshot(node))
            self.assertEqual((finding.level, finding.code), ("warning", "ENODECERT"))
            self.assertIn("renew-crypto", finding.message)


class ReachTests(VerifyCase):
    """Nodes that try to reach each other."""

    def test_ring(self) -> None:
        """Each node tries the next ones by name, never itself."""
        nodes = [make_node(f"node{n}", last=n) for n in (3, 1, 2)]
        for number, expected in ((1, [2, 3]), (2, [3, 1]), (3, [1, 2])):
            me = next(node for node in nodes if node.name == f"node{number}")
            names = [node.name for node in neighbours(nodes, me, 3)]
            self.assertEqual(names, [f"node{n}" for n in expected])

    def test_addresses(self) -> None:
        """Primary and secondary addresses are tried, each once."""
        other = replace(make_node("node2", last=12), secondary_ip="192.0.2.12")
        asked = question(make_snapshot(NODE, other), NODE, [other])
        self.assertEqual(
            [each.address for each in asked.neighbours], ["127.0.0.12", "192.0.2.12"]
        )

    def test_master_address(self) -> None:
        """The master is asked for the address of its role, nobody else is."""
        other = make_node("node2", last=12)
        made = make_snapshot(NODE, other)
        cluster = replace(made.cluster, master_ip="127.0.0.99", master_netdev="eth7")
        snapshot = apply(made, Edits(put=(cluster,)))
        self.assertIn("127.0.0.99", question(snapshot, NODE, ()).addresses)
        self.assertNotIn("127.0.0.99", question(snapshot, other, ()).addresses)
        without = replace(HEALTHY, missing_addresses=("127.0.0.99",))
        (finding,) = self.found(report(found=without))
        self.assertEqual(finding.code, "ENODEADDRESS")
        self.assertIn("has the master's address 127.0.0.99", finding.message)

    def test_silent(self) -> None:
        """An address that does not answer is its node's error, with who tried."""
        nodes = [make_node(f"node{n}", last=10 + n) for n in (1, 2, 3)]
        reports = {node.uuid: healthy(node) for node in nodes}
        for asker in nodes[:2]:
            reports[asker.uuid] = replace(
                reports[asker.uuid], silent_addresses=("127.0.0.13",)
            )
        found = self.verified(make_snapshot(*nodes), Heard(reports=reports))
        (finding,) = [f for f in found if f.code == "ENODEREACH"]
        self.assertEqual(finding.name, "node3")
        self.assertIn("127.0.0.13 does not answer node1, node2", finding.message)


class MemoryTests(VerifyCase):
    """Memory that is promised."""

    def snapshot(self, *instances: Instance) -> Snapshot:
        """Two nodes, one of them with these instances, which should run."""
        other = replace(make_node("node2", last=12), master_capable=False)
        up = tuple(
            replace(i, admin_state="up", disk_template="diskless", disks=(), os="")
            for i in instances
        )
        return make_snapshot(NODE, other, instances=up)

    def codes_of(self, snapshot: Snapshot) -> list[tuple[str, str]]:
        """Codes about memory with names; all instances run."""
        reports = {}
        for node in snapshot.nodes.values():
            running = tuple(
                replace(guest(i), memory_mib=int(i.beparams["memory_mib"]))
                for i in snapshot.instances_on(node.uuid)
            )
            free = 8192 - sum(g.memory_mib for g in running)
            info = replace(INFO, guests=running, memory_free_mib=free)
            reports[node.uuid] = replace(healthy(node), info=info)
        return [
            (f.code, f.name) for f in self.verified(snapshot, Heard(reports=reports))
        ]

    def test_room(self) -> None:
        """Nodes with room for each other's instances are well."""
        snapshot = self.snapshot(make_instance("web1", "node1", memory_mib=4096))
        self.assertEqual(self.codes_of(snapshot), [])

    def test_overcommitted(self) -> None:
        """Instances that may use more than there is, reserve aside, are an error."""
        snapshot = self.snapshot(
            make_instance("web1", "node1", memory_mib=4096),
            make_instance("web2", "node1", memory_mib=3500),
        )
        self.assertIn(("ENODEMEMORY", "node1"), self.codes_of(snapshot))

    def test_n_plus_1(self) -> None:
        """A node whose instances find no room elsewhere may not fail."""
        snapshot = self.snapshot(
            make_instance("web1", "node1", memory_mib=4096),
            make_instance("web2", "node2", memory_mib=4096),
        )
        self.assertEqual(
            self.codes_of(snapshot), [("ENODEN1", "node1"), ("ENODEN1", "node2")]
        )

    def test_not_movable(self) -> None:
        """Instances that cannot leave their node are none of it."""
        snapshot = self.snapshot(make_instance("web1", "node1", memory_mib=7000))
        (web,) = snapshot.instances.values()
        (node2,) = (n for n in snapshot.nodes.values() if n.name == "node2")
        drained = replace(node2, drained=True)
        stuck = apply(snapshot, Edits(put=(drained,)))
        self.assertEqual(self.codes_of(stuck), [("ENODEN1", "node1")])
        local = replace(web, disk_template="file")
        settled = apply(stuck, Edits(put=(local,)))
        self.assertEqual(self.codes_of(settled), [])


class ReplicaTests(VerifyCase):
    """Master candidates and their replicas."""

    def problem(self, status: ReplicaStatus | str) -> tuple[str, str] | None:
        """Level and message for a candidate that says this, if there is a finding."""
        other = replace(make_node("node2", last=12), master_candidate=True)
        snapshot = replace(make_snapshot(NODE, other), revision=7)
        heard = Heard(
            reports={n.uuid: healthy(n) for n in snapshot.nodes.values()},
            replicas={other.uuid: status},
        )
        found = self.verified(snapshot, heard, replace(EXPECTED, secrets="s"))
        self.assertTrue(
            all((f.code, f.name) == ("ECLUSTERREPLICA", "node2") for f in found)
        )
        return (found[0].level, found[0].message) if found else None

    def test_in_step(self) -> None:
        """A candidate at the master's revision, or after it by now, is well."""
        for revision in (7, 9):
            position = Position(epoch=1, revision=revision)
            status = ReplicaStatus(position=position, secrets="s")
            self.assertIsNone(self.problem(status))

    def test_behind(self) -> None:
        """One that lags is a warning; one of another epoch, or with none, an error."""
        newer = Claim(number=2, master=uuid_of("node2"))
        for status, level, words in (
            (ReplicaStatus(secrets="s"), "error", "no replica"),
            (
                ReplicaStatus(position=Position(epoch=1, revision=5), secrets="s"),
                "warning",
                "revision 5",
            ),
            (
                ReplicaStatus(position=Position(epoch=3, revision=9), secrets="s"),
                "error",
                "epoch 3",
            ),
            (ReplicaStatus(promise=newer, secrets="s"), "error", "epoch 2, node2"),
            (
                ReplicaStatus(position=Position(epoch=1, revision=7)),
                "error",
                "keys",
            ),
            ("it does not answer", "error", "does not answer"),
        ):
            problem = self.problem(status)
            assert problem is not None
            self.assertEqual(problem[0], level)
            self.assertIn(words, problem[1])
