"""Tests of the commands that change parameters of cluster and groups."""

from __future__ import annotations

from ganetix.cli.settings import given_pairs
from ganetix.errors import BadParameter, ConfigConflict
from ganetix.opcodes import OpClusterModify, OpGroupModify, parameters
from ganetix.storage.params import DISK_TEMPLATES
from ganetix.test.cli.support import CommandTestCase


class ModifyTestCase(CommandTestCase):
    """Jobs succeed at once; changes are told."""

    async def setUp(self) -> None:  # type: ignore[override]
        """Every change comes to two lines."""
        await super().setUp()
        result = {
            "changes": [
                {"name": "be/vcpus", "before": None, "after": 2},
                {"name": "ipv6_secondary", "before": False, "after": True},
                {"name": "enabled_hypervisors", "before": ["kvm"], "after": []},
                {"name": "master_ip", "before": "", "after": "192.0.2.9"},
                {
                    "name": "capacity/max_inst_spec",
                    "before": None,
                    "after": {"vcpus": 2},
                },
            ]
        }
        for kind in (OpClusterModify, OpGroupModify):
            self.master.results[kind] = result


class ClusterTests(ModifyTestCase):
    """``gnt-cluster modify``."""

    async def test_every_option(self) -> None:
        """Each option is its field; the rest is absent."""
        await self.run_line(
            "gnt-cluster modify --default-group rack2 --candidate-pool-size 5"
            " --enabled-hypervisors kvm,fake --enabled-disk-templates file"
            " -H kvm:accel=tcg,tcg_tb_size=default -H fake:accel=kvm"
            " -B memory=1.5G,vcpus=2,auto_balance=no"
            " -D file:format=qcow2 -N mode=bridged,link=br0 --mac-prefix aa:00:01"
            " --node-parameters reserved_memory=2G,cpu_speed=1.5"
            " --max-inst-spec memory=4G,disk=50G,vcpus=2 --default-template file"
            " --max-cpu-ratio 6 --max-disk-usage 0.9 --capacity-checks no"
            " --default-iallocator hail --master-ip 192.0.2.9 --master-netdev eth0"
            " --master-netmask 24 --ipv6-secondary yes --remote-commands no"
            " --cache-time 30m --watcher-interval 60 --max-running-jobs 20"
            " --expect-serial 12"
        )
        self.assertEqual(
            self.asked(),
            OpClusterModify(
                default_group="rack2",
                candidate_pool_size=5,
                enabled_hypervisors=("kvm", "fake"),
                enabled_disk_templates=("file",),
                hvparams={
                    "kvm": {"accel": "tcg", "tcg_tb_size": None},
                    "fake": {"accel": "kvm"},
                },
                beparams={"memory_mib": 1536, "vcpus": 2, "auto_balance": False},
                diskparams={"file": {"format": "qcow2"}},
                nicparams={"mode": "bridged", "link": "br0"},
                mac_prefix="aa:00:01",
                ndparams={"reserved_memory_mib": 2048, "cpu_speed": 1.5},
                capacity={
                    "max_inst_spec": {
                        "memory_mib": 4096,
                        "disk_mib": 51200,
                        "vcpus": 2,
                    },
                    "default_template": "file",
                    "max_cpu_ratio": 6.0,
                    "max_disk_usage": 0.9,
                    "capacity_checks": False,
                },
                default_iallocator="hail",
                master_ip="192.0.2.9",
                master_netdev="eth0",
                master_netmask=24,
                ipv6_secondary=True,
                remote_commands=False,
                cache_seconds=1800,
                watcher_seconds=60,
                max_running_jobs=20,
                expected_serial=12,
            ),
        )

    async def test_reset_and_none(self) -> None:
        """``default`` inherits again, ``none`` switches off."""
        await self.run_line(
            "gnt-cluster modify -B memory=default --max-inst-spec default"
            " --max-cpu-ratio default --master-ip none --master-netdev none"
            " --master-netmask none"
        )
        self.assertEqual(
            self.asked(),
            OpClusterModify(
                beparams={"memory_mib": None},
                capacity={"max_inst_spec": None, "max_cpu_ratio": None},
                master_ip="",
                master_netdev="",
                master_netmask=0,
            ),
        )

    async def test_prints_changes(self) -> None:
        """What changed is printed, old and new."""
        self.assertEqual(
            await self.run_line("gnt-cluster modify --ipv6-secondary yes"), 0
        )
        self.assertEqual(
            self.out,
            "be/vcpus: default -> 2\n"
            "ipv6_secondary: no -> yes\n"
            "enabled_hypervisors: kvm -> none\n"
            "master_ip: none -> 192.0.2.9\n"
            "capacity/max_inst_spec: default -> vcpus=2\n",
        )

    async def test_no_change(self) -> None:
        """A change to what is so already is told, and no error."""
        self.master.results[OpClusterModify] = {"changes": []}
        line = "gnt-cluster modify --candidate-pool-size 10"
        self.assertEqual(await self.run_line(line), 0)
        self.assertIn("nothing was changed", self.err)

    async def test_bad_values(self) -> None:
        """Wrong values are refused with the option, the value and what is allowed."""
        for options, text in (
            ("", "nothing to change"),
            ("--expect-serial 3", "nothing to change"),
            ("--candidate-pool-size 0", "--candidate-pool-size: 0 is not between 1"),
            ("--candidate-pool-size x", "'x' is not a whole number"),
            ("-B ram=1G", "-B: 'ram' is not one of memory, vcpus, auto_balance"),
            ("-B memory=much", "-B: memory: 'much' is not a size"),
            ("-B vcpus=1.5", "-B: vcpus: '1.5' is not a whole number"),
            ("-B vcpus=0", "-B: vcpus: 0 is not between 1 and 1024"),
            ("-B auto_balance=maybe", "auto_balance: 'maybe' is not yes or no"),
            ("-B memory", "-B: 'memory' is not KEY=VALUE"),
            ("-H accel=tcg", "-H: 'accel=tcg' is not HYPERVISOR:KEY=VALUE"),
            ("-H xen:a=b", "hypervisor 'xen' is not known; there are: fake, kvm"),
            ("-H kvm:colour=red", "hypervisor kvm has no parameter 'colour'"),
            ("-H kvm:tcg_tb_size=0", "tcg_tb_size is 0; it may be 1 to 4096"),
            ("-H kvm:", "-H: 'kvm:' is not HYPERVISOR:KEY=VALUE"),
            ("-H kvm:accel=tcg -H kvm:accel=kvm", "-H: kvm:accel is given twice"),
            ("-D format=raw", "-D: 'format=raw' is not TEMPLATE:KEY=VALUE"),
            ("-D file:format=raw,format=raw", "-D: format is given twice"),
            ("-D drbd:a=b", "'drbd' is not known; there are: diskless, file"),
            ("-D file:colour=red", "file has no parameter 'colour'; its parameters: f"),
            ("-D file:format=vmdk", "format is 'vmdk'; it may be: raw, qcow2"),
            (
                "--nic-parameters mode=tap",
                "-N: mode: 'tap' is not one of user, bridged",
            ),
            ("--nic-parameters speed=1", "'speed' is not one of mode, link"),
            ("--mac-prefix 01:00:00", "--mac-prefix: '01:00:00' is not three bytes"),
            ("--enabled-hypervisors ,", "--enabled-hypervisors: at least one"),
            ("--max-inst-spec memory=default", "--max-inst-spec: give any of"),
            ("--max-inst-spec vcpus=0", "--max-inst-spec: vcpus: 0 is not"),
            ("--max-cpu-ratio many", "--max-cpu-ratio: 'many' is not a number"),
            ("--max-cpu-ratio nan", "--max-cpu-ratio: nan is not between"),
            ("--max-disk-usage 2", "--max-disk-usage: 2 is not between 0.01 and 1"),
            ("--capacity-checks perhaps", "'perhaps' is not yes or no"),
            ("--master-netmask 200", "--master-netmask: '200' is not between 1"),
            ("--remote-commands 1", "--remote-commands: '1' is not yes or no"),
            ("--cache-time 0", "--cache-time: 0 is not between 1 and 86400 s"),
            ("--cache-time 1.5", "1.5 s is not a whole number of seconds"),
            (f"--cache-time {'9' * 400}", "a number of 400 digits is too large"),
            (f"-B memory={'9' * 400}", "a number of 400 digits is too large"),
            (f"-B vcpus={'9' * 40}", "-B: vcpus: a number so large is not between"),
            ("--master-ip=", "--master-ip: it is empty; 'none' is for none"),
            ("--master-netdev eth/0", "--master-netdev: 'eth/0' is not the name"),
            ("--node-parameters cpu_speed=0", "--node-parameters: cpu_speed: 0 is"),
            ("--watcher-interval 1h", "--watcher-interval: 3600 is not between 10"),
            ("--max-running-jobs 0", "--max-running-jobs: 0 is not between 1 and 1000"),
        ):
            with self.subTest(options=options):
                await self.refused(f"gnt-cluster modify {options}", text)

    async def test_conflict(self) -> None:
        """Who is second is told in one line."""
        self.master.failures[OpClusterModify] = ConfigConflict("changed since")
        line = "gnt-cluster modify --candidate-pool-size 3 --expect-serial 1"
        self.assertEqual(await self.run_line(line), 1)
        self.assertIn("changed since", self.err)
        self.assertEqual(self.out, "")

    async def test_refused_by_the_master(self) -> None:
        """What the job says of a field is said of the option that set it."""
        for said, shown in (
            ("master_netdev: missing; a master_ip", "--master-netdev: missing; a mast"),
            ("capacity: default_template: 'drbd'", "--default-template: 'drbd'"),
            ("group rack2: capacity: default_template: 'drbd'", "group rack2: capac"),
            ("what: is this", "what: is this"),
        ):
            self.master.failures[OpClusterModify] = BadParameter(said)
            await self.run_line("gnt-cluster modify --master-ip 192.0.2.9")
            self.assertRegex(self.err, f"job [0-9]+: {shown}")


class GroupTests(ModifyTestCase):
    """``gnt-group modify``, and what else names a group."""

    async def test_modify(self) -> None:
        """Options of a group, and what they came to."""
        await self.run_line(
            "gnt-group modify --alloc-policy last_resort --min-candidates 2"
            " -H kvm:accel=default --node-parameters spindle_count=4"
            " --max-cpu-ratio default --expect-serial 3 rack2"
        )
        self.assertEqual(
            self.asked(),
            OpGroupModify(
                name="rack2",
                alloc_policy="last_resort",
                min_candidates=2,
                hvparams={"kvm": {"accel": None}},
                ndparams={"spindle_count": 4},
                capacity={"max_cpu_ratio": None},
                expected_serial=3,
            ),
        )
        self.assertIn("be/vcpus: default -> 2\n", self.out)

    async def test_bad_values(self) -> None:
        """Wrong values are refused before anything is sent."""
        for line, text in (
            ("modify rack2", "nothing to change"),
            (
                "modify --min-candidates -1 rack2",
                "--min-candidates: -1 is not between 0",
            ),
            ("modify --alloc-policy never rack2", "'never' is not one of preferred"),
            ("add two.words,here", "name: 'two.words,here' is not a name"),
            ("rename rack2 a/b", "new_name: 'a/b' is not a name"),
            ("assign-nodes rack2", "the following arguments are required: NODE"),
        ):
            with self.subTest(line=line):
                await self.refused(f"gnt-group {line}", text)


class TableTests(CommandTestCase):
    """The tables of parameters, as options show them."""

    async def test_help_names_every_parameter(self) -> None:
        """The help texts name each parameter that there is."""
        from ganetix.cli.main import parser_of

        text = " ".join(parser_of("gnt-cluster").format_help().split())
        modify = parser_of("gnt-cluster")._subparsers
        assert modify is not None
        for action in modify._group_actions:
            assert isinstance(action.choices, dict)
            text = " ".join(action.choices["modify"].format_help().split())
        for family in ("BACKEND", "NIC", "NODE", "SIZE"):
            for parameter in getattr(parameters, family).values():
                self.assertIn(f"{parameter.name}=", text)
        for template, known in DISK_TEMPLATES.items():
            for name, disk_parameter in known.items():
                values = "|".join(disk_parameter.values)
                self.assertIn(f"{template}:{name}={values}", text)
        for field in (*parameters.CAPACITY, "max_inst_spec"):
            self.assertIn(f"--{field.replace('_', '-')}", text)

    async def test_pairs(self) -> None:
        """Names are typed, fields are meant."""
        given = given_pairs("-B", "memory=1G,vcpus=default", parameters.BACKEND)
        self.assertEqual(given, {"memory_mib": 1024, "vcpus": None})
