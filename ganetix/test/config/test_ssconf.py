"""The flat files that every node holds."""

from __future__ import annotations

from msgspec.structs import replace

from ganetix import __version__
from ganetix.config.snapshot import Edits
from ganetix.config.ssconf import is_same_ssconf, ssconf_files, ssconf_serial
from ganetix.errors import Bug
from ganetix.test.config.support import (
    ConfigTestCase,
    make_cluster,
    make_group,
    make_instance,
    make_node,
)


class SsconfTests(ConfigTestCase):
    """Names and contents."""

    def test_files(self) -> None:
        """All files of a small cluster, word for word."""
        self.put(
            make_group(2),
            replace(make_node(3, "g2"), master_candidate=True),
            replace(make_node(2), offline=True),
            make_instance(2, "n3"),
            make_instance(1),
        )
        fingerprints = {n: f"{n:064x}" for n in (1, 2, 3)}
        self.assertEqual(
            ssconf_files(self.config.snapshot()),
            {
                "cluster_name": "cluster\n",
                "cluster_uuid": "c\n",
                "master_node": "node1\n",
                "master_node_uuid": "n1\n",
                "master_epoch": "1\n",
                "master_ip": "192.0.2.1\n",
                "master_candidates": "node1\nnode3\n",
                "master_candidates_ips": "192.0.2.1\n192.0.2.3\n",
                "master_candidates_certs": f"n1={fingerprints[1]}\n"
                f"n3={fingerprints[3]}\n",
                "node_list": "node1\nnode2\nnode3\n",
                "node_uuids": "n1 node1\nn2 node2\nn3 node3\n",
                "node_primary_ips": "node1 192.0.2.1\nnode2 192.0.2.2\n"
                "node3 192.0.2.3\n",
                "node_secondary_ips": "node1 198.51.100.1\nnode2 198.51.100.2\n"
                "node3 198.51.100.3\n",
                "online_nodes": "node1\nnode3\n",
                "offline_nodes": "node2\n",
                "nodegroups": "g1 group1\ng2 group2\n",
                "instance_list": "inst1\ninst2\n",
                "primary_ip_family": "2\n",
                "hypervisor_list": "kvm\n",
                "release_version": f"{__version__}\n",
            },
        )

    def test_empty_list(self) -> None:
        """A list with nothing in it has no lines."""
        self.assertEqual(ssconf_files(self.config.snapshot())["instance_list"], "")

    def test_ip_version_6(self) -> None:
        """A cluster on IPv6 has the number of that address family."""
        cluster = replace(self.config.snapshot().cluster, primary_ip_version=6)
        files = ssconf_files(self.config.snapshot().changed(cluster=cluster))
        self.assertEqual(files["primary_ip_family"], "10\n")

    def test_no_certificate(self) -> None:
        """A candidate without a certificate is obeyed by nobody."""
        snapshot = self.config.snapshot()
        nodes = {"n1": replace(make_node(1), certificate="")}
        files = ssconf_files(snapshot.changed(nodes=nodes))
        self.assertEqual(files["master_candidates_certs"], "")

    def test_certificate_being_renewed(self) -> None:
        """The old certificate of a candidate and the next one are obeyed."""
        node = self.config.snapshot().node("node1")
        self.put(replace(node, certificate="a" * 64, next_certificate="b" * 64))
        self.assertEqual(
            ssconf_files(self.config.snapshot())["master_candidates_certs"],
            f"n1={'a' * 64}\nn1={'b' * 64}\n",
        )

    def test_line_break(self) -> None:
        """A value with a line break cannot smuggle in a line."""
        node = replace(make_node(1), certificate="a\nn9=b")
        snapshot = self.config.snapshot().changed(nodes={"n1": node})
        self.assertRaises(Bug, ssconf_files, snapshot)

    def test_serial_grows(self) -> None:
        """Each change has a greater serial number, after a new start as well."""
        before = ssconf_serial(self.config.snapshot())
        self.put(make_group(2))
        after = ssconf_serial(self.config.snapshot())
        self.assertGreater(after, before)
        self.assertGreaterEqual(ssconf_serial(self.loaded().snapshot()), after)

    def test_same_at_a_glance(self) -> None:
        """A change inside an instance leaves the files alone; a new one does not."""
        self.put(make_instance(1))
        before = self.config.snapshot()
        self.put(replace(before.instance("inst1"), admin_state="up"))
        started = self.config.snapshot()
        self.assertTrue(is_same_ssconf(before, started))
        self.put(make_instance(2))
        self.assertFalse(is_same_ssconf(started, self.config.snapshot()))

    def test_cluster_change(self) -> None:
        """A change of the cluster object is looked at."""
        before = self.config.snapshot()
        commit = self.config.commit(
            lambda now: Edits(put=(replace(now.cluster, name="other"),))
        )
        self.held.release_all()
        self.assertFalse(is_same_ssconf(before, self.successResultOf(commit)))
        self.assertNotEqual(make_cluster().name, self.config.snapshot().cluster.name)
