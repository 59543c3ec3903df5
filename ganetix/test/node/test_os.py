"""Tests of running the scripts of OS definitions."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from zope.interface.verify import verifyObject

from ganetix.errors import BadParameter, CommandFailed
from ganetix.flow.offload import inline_offload
from ganetix.interfaces import IOsProvider
from ganetix.node.os import MOST_LINES, OsProvider
from ganetix.node.os_environment import guest_environment
from ganetix.objects import GuestDisk, GuestNic, GuestSpec, new_uuid
from ganetix.test.node.test_os_definition import DefinitionCase, make_definition
from ganetix.testing.process import FakeCall, FakeRunner
from ganetix.testing.storage import ignore

DISK = GuestDisk(
    uuid=new_uuid(), template="file", size_mib=512, params={"format": "qcow2"}
)
DATA = GuestDisk(uuid=new_uuid(), template="rbd", size_mib=64, mode="ro")
GUEST = GuestSpec(
    uuid=new_uuid(),
    name="web1.example.com",
    hypervisor="kvm",
    memory_mib=256,
    vcpus=2,
    os="debian+trixie",
    osparams={"dhcp": "yes", "root-size": "8"},
    hvparams={"accel": "tcg", "kernel_path": "", "acpi": True},
    disks=(DISK, DATA),
    nics=(
        GuestNic(uuid=new_uuid(), mac="aa:00:00:00:00:01", mode="bridged", link="br0"),
        GuestNic(uuid=new_uuid(), mac="aa:00:00:00:00:02", ip="192.0.2.7"),
    ),
)
PATHS = (Path("/srv/a.qcow2"), Path("/dev/rbd0"))


class EnvironmentTests(DefinitionCase):
    """What scripts are told."""

    def test_guest(self) -> None:
        """Existing definitions find everything under the names that they know."""
        environment = guest_environment(GUEST, PATHS, "node1.example.com")
        expected = {
            "OS_API_VERSION": "20",
            "OS_NAME": "debian",
            "OS_VARIANT": "trixie",
            "OSP_DHCP": "yes",
            "OSP_ROOT_SIZE": "8",
            "DEBUG_LEVEL": "0",
            "INSTANCE_NAME": "web1.example.com",
            "INSTANCE_UUID": GUEST.uuid,
            "INSTANCE_OS": "debian+trixie",
            "INSTANCE_PRIMARY_NODE": "node1.example.com",
            "INSTANCE_SECONDARY_NODES": "",
            "INSTANCE_BE_memory": "256",
            "INSTANCE_BE_maxmem": "256",
            "INSTANCE_BE_minmem": "256",
            "INSTANCE_BE_vcpus": "2",
            "INSTANCE_HV_accel": "tcg",
            "INSTANCE_HV_kernel_path": "",
            "INSTANCE_HV_acpi": "True",
            "HYPERVISOR": "kvm",
            "DISK_COUNT": "2",
            "DISK_0_PATH": "/srv/a.qcow2",
            "DISK_0_UUID": DISK.uuid,
            "DISK_0_SIZE": "512",
            "DISK_0_ACCESS": "rw",
            "DISK_0_FRONTEND_TYPE": "paravirtual",
            "DISK_0_BACKEND_TYPE": "file:loop",
            "DISK_0_FORMAT": "qcow2",
            "DISK_1_PATH": "/dev/rbd0",
            "DISK_1_UUID": DATA.uuid,
            "DISK_1_SIZE": "64",
            "DISK_1_ACCESS": "ro",
            "DISK_1_FRONTEND_TYPE": "paravirtual",
            "DISK_1_BACKEND_TYPE": "block",
            "DISK_1_FORMAT": "raw",
            "NIC_COUNT": "2",
            "NIC_0_MAC": "aa:00:00:00:00:01",
            "NIC_0_UUID": GUEST.nics[0].uuid,
            "NIC_0_MODE": "bridged",
            "NIC_0_LINK": "br0",
            "NIC_0_BRIDGE": "br0",
            "NIC_0_FRONTEND_TYPE": "paravirtual",
            "NIC_1_MAC": "aa:00:00:00:00:02",
            "NIC_1_UUID": GUEST.nics[1].uuid,
            "NIC_1_IP": "192.0.2.7",
            "NIC_1_MODE": "user",
            "NIC_1_FRONTEND_TYPE": "paravirtual",
        }
        self.assertEqual(
            {k: v for k, v in environment.items() if k not in ("PATH", "LC_ALL")},
            expected,
        )

    def test_path(self) -> None:
        """Scripts find system commands, and nothing of the daemon's environment."""
        environment = guest_environment(GUEST, PATHS, "node1")
        self.assertEqual(environment["PATH"], "/sbin:/bin:/usr/sbin:/usr/bin")
        self.assertNotIn("HOME", environment)


class ProviderTests(DefinitionCase):
    """Running scripts."""

    def setUp(self) -> None:
        """Make a definition and what runs it."""
        super().setUp()
        self.path = make_definition(
            self.directory,
            "debian",
            variants_list="trixie\n",
            parameters_list="dhcp\nroot-size\n",
        )
        self.runner = FakeRunner()
        self.provider = OsProvider(
            [self.directory], self.runner, inline_offload, "node1", script_seconds=99.0
        )

    def create(self, spec: GuestSpec = GUEST, reinstall: bool = False) -> FakeCall:
        """Run a create script that succeeds; how it was run."""
        self.runner.on("create")
        self.successResultOf(self.provider.create(spec, PATHS, reinstall, ignore))
        return self.runner.calls[-1]

    def test_provides_interface(self) -> None:
        """It has all methods of the interface."""
        self.assertTrue(verifyObject(IOsProvider, self.provider))

    def test_create(self) -> None:
        """The script runs in its directory, with environment, deadline and umask."""
        call = self.create()
        self.assertEqual(call.argv, (str(self.path / "create"),))
        self.assertEqual((call.cwd, call.timeout_seconds), (str(self.path), 99.0))
        self.assertEqual(call.env, guest_environment(GUEST, PATHS, "node1"))
        self.assertEqual(call.umask, 0o022)

    def test_reinstall(self) -> None:
        """A reinstallation is told from a first installation."""
        env = self.create(reinstall=True).env
        assert env is not None
        self.assertEqual(env["INSTANCE_REINSTALL"], "1")

    def test_rename(self) -> None:
        """The rename script learns the old name."""
        self.runner.on("rename")
        self.successResultOf(self.provider.rename(GUEST, PATHS, "old1", ignore))
        env = self.runner.calls[-1].env
        assert env is not None
        self.assertEqual(
            (env["OLD_INSTANCE_NAME"], env["INSTANCE_NAME"]),
            ("old1", "web1.example.com"),
        )

    def test_output(self) -> None:
        """What the script prints is passed on line by line."""
        said: list[str] = []
        self.runner.on("create", stdout=b"one\n\ntwo\n", stderr=b"oops\n")
        self.successResultOf(self.provider.create(GUEST, PATHS, False, said.append))
        self.assertEqual(said, ["one", "", "two", "oops"])

    def test_output_without_end(self) -> None:
        """A script that writes on and on does not fill the job's log."""
        said: list[str] = []
        self.runner.on("create", stdout=b"flood\n" * (MOST_LINES + 5000))
        self.successResultOf(self.provider.create(GUEST, PATHS, False, said.append))
        self.assertEqual(len(said), MOST_LINES + 1)
        self.assertIn("more is not shown", said[-1])

    def test_failure(self) -> None:
        """A failure names definition, script, status and the last lines."""
        self.runner.on("create", status=3, stdout=b"a\nb\nc\n\nno space left\n")
        error = self.failureResultOf(
            self.provider.create(GUEST, PATHS, False, ignore), CommandFailed
        )
        self.assertEqual(
            str(error.value),
            "OS definition debian: create failed with status 3: b; c; no space left",
        )
        self.assertEqual(error.value.detail, {"instance": "web1.example.com"})

    def test_killed(self) -> None:
        """A script that was ended by a signal says so."""
        self.runner.on("create", status=-9)
        error = self.failureResultOf(
            self.provider.create(GUEST, PATHS, False, ignore), CommandFailed
        )
        self.assertEqual(
            str(error.value), "OS definition debian: create was ended by signal 9"
        )

    def test_too_long(self) -> None:
        """A script that takes too long is named with its definition."""
        self.runner.on(
            "create", error=CommandFailed("create did not finish within 99 s")
        )
        error = self.failureResultOf(
            self.provider.create(GUEST, PATHS, False, ignore), CommandFailed
        )
        self.assertEqual(
            str(error.value), "OS definition debian: create did not finish within 99 s"
        )

    def test_unknown_definition(self) -> None:
        """Nothing is run for an unknown definition."""
        spec = replace(GUEST, os="gentoo")
        self.failureResultOf(
            self.provider.create(spec, PATHS, False, ignore), BadParameter
        )
        self.assertEqual(self.runner.calls, [])

    def test_undeclared_parameter(self) -> None:
        """Nothing is run with a parameter that is not declared."""
        spec = replace(GUEST, osparams={"PATH": "/evil"})
        self.failureResultOf(
            self.provider.create(spec, PATHS, False, ignore), BadParameter
        )
        self.assertEqual(self.runner.calls, [])

    def test_definitions(self) -> None:
        """Definitions are listed, broken ones with their problem."""
        (self.directory / "broken").mkdir()
        found = self.successResultOf(self.provider.definitions())
        self.assertEqual([info.name for info in found], ["broken", "debian"])
        self.assertTrue(found[0].problem)

    def test_verify(self) -> None:
        """The verify script is asked about parameters, without any guest."""
        self.runner.on("verify")
        self.successResultOf(self.provider.verify("debian+trixie", {"dhcp": "yes"}))
        call = self.runner.calls[-1]
        assert call.env is not None
        self.assertEqual(call.argv[1:], ("parameters",))
        self.assertEqual(call.env["OSP_DHCP"], "yes")
        self.assertNotIn("INSTANCE_NAME", call.env)

    def test_verify_refuses(self) -> None:
        """What the verify script says is the user's answer."""
        self.runner.on("verify", status=1, stderr=b"dhcp must be yes or no\n")
        error = self.failureResultOf(
            self.provider.verify("debian+trixie", {"dhcp": "x"}), BadParameter
        )
        self.assertEqual(
            str(error.value),
            "OS definition debian refuses these parameters: dhcp must be yes or no",
        )

    def test_verify_unknown_parameter(self) -> None:
        """An undeclared parameter is refused without asking the script."""
        self.failureResultOf(
            self.provider.verify("debian+trixie", {"x": "y"}), BadParameter
        )
        self.assertEqual(self.runner.calls, [])
