"""Built, installed and removed by the ordinary tools, Twisted staying whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

import ganetix

CHECKOUT = Path(ganetix.__file__).parents[1]
PLUGIN = "twisted/plugins/ganetix_plugins.py"
LEFT_OUT = shutil.ignore_patterns(
    ".venv", ".git", ".demo", "_trial_temp*", "__pycache__", "*.egg-info", "*_cache"
)
OFFLINE = (
    "No matching distribution found",
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
)


def run(*command: str | Path) -> str:
    """Run a command away from the checkout; its output, or an error with all of it.

    Skips the test where it fails for want of a network, but not on a CI machine.
    """
    environ = {name: v for name, v in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(  # noqa: S603
        command,
        cwd="/",
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        if any(sign in done.stdout for sign in OFFLINE) and not os.environ.get("CI"):
            raise SkipTest("no package index can be reached")
        raise AssertionError(f"{command} → {done.returncode}:\n{done.stdout}")
    return done.stdout


@cache
def attempt_build() -> tuple[Path, Path] | Exception:
    """Archives, or why there are none: a failed build is not tried again."""
    source = Path("packaging/source").absolute()
    shutil.copytree(CHECKOUT, source, ignore=LEFT_OUT, symlinks=True)
    target = source.with_name("dist")
    try:
        run(sys.executable, "-m", "build", "--outdir", target, source)
    except (AssertionError, SkipTest) as error:
        return error
    return next(target.glob("*.tar.gz")), next(target.glob("*.whl"))


def built() -> tuple[Path, Path]:
    """A source archive of the checkout, and a wheel that was built from it."""
    outcome = attempt_build()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


@cache
def installed() -> Path:
    """The programs of an environment where nothing but the wheel was asked for."""
    environment = Path("packaging/environment").absolute()
    run(sys.executable, "-m", "venv", environment)
    run(environment / "bin/pip", "install", "--quiet", built()[1])
    return environment / "bin"


def tracked() -> list[str]:
    """The files that git keeps here."""
    if not (CHECKOUT / ".git").exists():
        raise SkipTest("not a git checkout")
    listing = run("git", "-C", CHECKOUT, "ls-files", "-z")
    return [name for name in listing.split("\0") if (CHECKOUT / name).is_file()]


class ArchiveTests(SynchronousTestCase):
    """What is in the archives."""

    def test_source_archive_is_complete(self) -> None:
        """The source archive has every file that git has."""
        with tarfile.open(built()[0]) as archive:
            names = {member.name.partition("/")[2] for member in archive}
        self.assertEqual([name for name in tracked() if name not in names], [])

    def test_source_archive_keeps_modes(self) -> None:
        """Programs in the source archive can be run as they are."""
        with tarfile.open(built()[0]) as archive:
            modes = {member.name.partition("/")[2]: member.mode for member in archive}
        plain = [
            name
            for name in tracked()
            if os.access(CHECKOUT / name, os.X_OK) and not modes[name] & 0o100
        ]
        self.assertEqual(plain, [])

    def test_wheel_adds_one_file_to_twisted(self) -> None:
        """Below ``twisted`` the wheel has our plugin file and nothing else."""
        names = zipfile.ZipFile(built()[1]).namelist()
        self.assertEqual([n for n in names if n.startswith("twisted")], [PLUGIN])

    def test_wheel_has_all_modules(self) -> None:
        """The wheel has every module of the package, and the typing marker."""
        names = set(zipfile.ZipFile(built()[1]).namelist())
        modules = [
            str(path.relative_to(CHECKOUT))
            for path in (CHECKOUT / "ganetix").rglob("*.py")
        ]
        missing = [name for name in [*modules, "ganetix/py.typed"] if name not in names]
        self.assertEqual(missing, [])


class InstalledTests(SynchronousTestCase):
    """A fresh environment with the wheel installed."""

    def test_twistd_lists_daemons(self) -> None:
        """twistd knows the daemons as its own subcommands."""
        listing = run(installed() / "twistd", "--help")
        self.assertIn("ganetix-master", listing)
        self.assertIn("ganetix-node", listing)

    def test_commands_run(self) -> None:
        """Every gnt-* command is there and explains itself."""
        commands = sorted(path.name for path in installed().glob("gnt-*"))
        self.assertIn("gnt-cluster", commands)
        for command in commands:
            self.assertIn(command, run(installed() / command, "--help"))

    def test_shared_files(self) -> None:
        """OS definitions, units and sample configuration are in share/ganetix."""
        share = installed().parent / "share/ganetix"
        for path in (CHECKOUT / "etc").rglob("*"):
            if path.is_file():
                copy = share / path.relative_to(CHECKOUT / "etc")
                self.assertEqual(copy.read_bytes(), path.read_bytes())
                self.assertEqual(os.access(copy, os.X_OK), os.access(path, os.X_OK))

    def test_uninstall(self) -> None:
        """Uninstalled, nothing of ganetix is left and twistd has its own plugins."""
        pip = installed() / "pip"
        run(installed() / "twistd", "--help")
        self.addCleanup(run, pip, "install", "--quiet", "--no-deps", built()[1])
        run(pip, "uninstall", "--quiet", "--yes", "ganetix")
        listing = run(installed() / "twistd", "--help")
        self.assertNotIn("ganetix", listing)
        self.assertIn("conch", listing)
        self.assertEqual(list(installed().glob("gnt-*")), [])
        shared = (installed().parent / "share/ganetix").rglob("*")
        self.assertEqual([path for path in shared if path.is_file()], [])


class UnitTests(SynchronousTestCase):
    """The units for systemd."""

    def test_verify(self) -> None:
        """systemd finds nothing wrong with them."""
        if shutil.which("systemd-analyze") is None:
            raise SkipTest("no systemd-analyze")
        copies = Path("units").absolute()
        copies.mkdir()
        for unit in (CHECKOUT / "etc/systemd").glob("*.service"):
            text = unit.read_text().replace("/opt/ganetix/bin/twistd", "/bin/true")
            (copies / unit.name).write_text(text)
        found = run("systemd-analyze", "verify", *copies.glob("*.service"))
        self.assertEqual([x for x in found.splitlines() if str(copies) in x], [])

    def test_guests_stay(self) -> None:
        """Stopping the node daemon's unit ends the daemon alone."""
        text = (CHECKOUT / "etc/systemd/ganetix-node.service").read_text()
        self.assertIn("KillMode=process\n", text)

    def test_guests_are_free(self) -> None:
        """Guests, OS scripts and taps need devices, mounts and all of the network."""
        text = (CHECKOUT / "etc/systemd/ganetix-node.service").read_text()
        for option in (
            *("Private", "Protect", "Restrict", "Device", "NoNewPrivileges"),
            *("Capability", "SystemCall", "MemoryDeny", "ReadOnly", "Inaccessible"),
            *("OOMScoreAdjust", "IPAddress", "RootDirectory", "User", "Memory"),
        ):
            self.assertNotIn(f"\n{option}", text)

    def test_master_reads_every_file(self) -> None:
        """It copies files of administrators' home directories and of /tmp, too."""
        text = (CHECKOUT / "etc/systemd/ganetix-master.service").read_text()
        for option in ("PrivateTmp", "ProtectHome=yes", "ProtectHome=tmpfs"):
            self.assertNotIn(f"\n{option}", text)
