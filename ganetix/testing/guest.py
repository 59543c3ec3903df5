"""A guest of a few MiB made from installed packages, for tests that boot one.

Its init prints ``HB n up=SECONDS`` on the serial console each second and powers off
when the ACPI power button is pressed, unless the kernel's command line has ``noacpi``.
Lines typed at the console are heard too: ``off`` powers off, ``die`` panics.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

KERNEL_ARGS = "console=ttyS0 quiet no_timer_check"
MODULES = ("button", "evdev", "virtio_pci", "virtio_blk", "pvpanic-pci")
PACKAGES = "linux-image-cloud-amd64 busybox-static cpio kmod qemu-system-x86"

_INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
for m in /lib/modules/*.ko; do insmod $m 2>/dev/null; done
grep -qw noacpi /proc/cmdline || acpid -l /dev/null
hear() {
  while read -r line; do
    case $line in
      off) poweroff -f;;
      die) echo c >/proc/sysrq-trigger;;
    esac
  done
}
hear </dev/ttyS0 &
n=0
while :; do
  n=$((n + 1)); read -r up rest </proc/uptime
  echo "HB $n up=$up"
  sleep 1
done
"""

_POWER_BUTTON = "#!/bin/sh\necho powers off >/dev/console\nsync\nexec poweroff -f\n"


class GuestImage(NamedTuple):
    """A kernel and an initial RAM disk to boot directly."""

    kernel: Path
    initrd: Path


def missing_for_guest() -> str:
    """Why no guest can be built and run here; empty if one can."""
    programs = ("qemu-system-x86_64", "busybox", "cpio", "modprobe")
    missing = [name for name in programs if _program(name) is None]
    if not _kernels():
        missing.append("a kernel in /boot")
    if not missing:
        return ""
    return f"missing: {', '.join(missing)} (Debian: apt-get install {PACKAGES})"


def build_guest(directory: Path) -> GuestImage:
    """Make a guest's kernel and initial RAM disk in a directory; takes about 1 s."""
    directory.mkdir(parents=True, exist_ok=True)
    kernel = _kernels()[-1]
    tree = directory / "tree"
    for name in ("bin", "lib/modules", "etc/acpi/PWRF"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(_program("busybox") or "", tree / "bin/busybox")
    (tree / "bin/sh").symlink_to("busybox")
    for number, module in enumerate(_modules(kernel.name.removeprefix("vmlinuz-"))):
        shutil.copy(module, tree / f"lib/modules/{number:02}-{module.name}")
    for name, text in (
        ("init", _INIT),
        ("etc/acpi/PWRF/00000080", _POWER_BUTTON),
    ):
        (tree / name).write_text(text)
        (tree / name).chmod(0o755)
    names = [os.fsencode(path.relative_to(tree)) for path in sorted(tree.rglob("*"))]
    packed = subprocess.run(  # noqa: S603
        [_program("cpio") or "cpio", "--quiet", "-o", "-0", "-H", "newc", "-R", "0:0"],
        cwd=tree,
        input=b"\0".join(names) + b"\0",
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    image = GuestImage(directory / "vmlinuz", directory / "initrd.img")
    image.initrd.write_bytes(gzip.compress(packed, 1))
    shutil.copy(kernel, image.kernel)
    shutil.rmtree(tree)
    return image


def _kernels() -> list[Path]:
    found = [path for path in Path("/boot").glob("vmlinuz-*") if os.access(path, 4)]
    return sorted(found, key=lambda path: ("cloud" in path.name, path.name))


def _modules(version: str) -> list[Path]:
    """The files of the modules and what they depend on, in the order of loading."""
    ordered: dict[Path, None] = {}
    for name in MODULES:
        listed = subprocess.run(  # noqa: S603
            [_program("modprobe") or "modprobe", "-S", version, "-D", name],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        ).stdout.decode()
        for line in listed.splitlines():
            verb, _, rest = line.partition(" ")
            if verb == "insmod":
                ordered[Path(rest.split()[0])] = None
    return list(ordered)


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
