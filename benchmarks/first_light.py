"""How long first light takes: from a fresh clone to guests whose hearts beat.

Clones this checkout (its last commit) into a temporary directory, runs the demo there
on addresses of its own, and measures in it. Takes some minutes; ends what it started.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
NET = "127.0.61"
DEMO_LIMIT_SECONDS = 900.0
BEAT_LIMIT_SECONDS = 180.0
NAME = "bench1.demo"
MEANINGS = {
    "demo_first_s": "bin/demo in a fresh clone",
    "demo_again_s": "bin/demo after bin/demo --stop",
    "instance_add_to_heartbeat_s": "gnt-instance add to the first heartbeat",
    "guest_boot_s": "from the start of QEMU to the first heartbeat",
}


class Failed(Exception):
    """A step failed; the text is what it printed."""


class Clone:
    """A fresh clone, and its demo."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.demo = place / "d"
        self.root = self.demo / "n1"

    def make(self) -> None:
        """Clone the last commit."""
        run(["git", "clone", "--quiet", CHECKOUT, self.place / "c"], dict(os.environ))

    def bin_demo(self, *options: str) -> None:
        """Run bin/demo."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("GANETIX_")}
        own = {"GANETIX_DEMO_DIR": str(self.demo), "GANETIX_DEMO_NET": NET}
        run([self.place / "c/bin/demo", *options], {**kept, **own})

    def program(self, name: str) -> Path:
        """One of the clone's commands."""
        return self.place / "c/.venv/bin" / name

    def console_logs(self) -> set[Path]:
        """The console logs of all guests."""
        return set(self.demo.glob("n*/run/ganetix/guests/*/console.log"))


def run(command: list[str | Path], environ: dict[str, str]) -> str:
    """Run a command; what it printed, or ``Failed`` with it."""
    done = subprocess.run(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEMO_LIMIT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(f"{command} → {done.returncode}\n{done.stdout}")
    return done.stdout


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def first_beat(clone: Clone, known: set[Path], process: subprocess.Popen[str]) -> Path:
    """Wait for a new guest's first heartbeat; its console log."""
    deadline = time.monotonic() + BEAT_LIMIT_SECONDS
    while time.monotonic() < deadline:
        for log in clone.console_logs() - known:
            if b"\nHB " in log.read_bytes():
                return log
        if process.poll() not in (None, 0):
            raise Failed(f"gnt-instance add:\n{process.communicate()[0]}")
        time.sleep(0.02)
    raise Failed(f"no heartbeat for {BEAT_LIMIT_SECONDS:g} s")


def process_age(pid: int) -> float:
    """For how many seconds a process has run."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return uptime - int(fields[19]) / os.sysconf("SC_CLK_TCK")


def add_instance(clone: Clone) -> dict[str, float]:
    """Add an instance, and see when its heart beats."""
    known = clone.console_logs()
    began = time.monotonic()
    words = ["add", "-t", "file", "--disk", "0:size=128M", "-g", "rack1", "-o", "tiny"]
    words += ["--net", "0:mode=user"]
    with subprocess.Popen(
        [clone.program("gnt-instance"), *words, "-B", "memory=128M,vcpus=1", NAME],
        env={**os.environ, "GANETIX_ROOT": str(clone.root)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        log = first_beat(clone, known, process)
        return {
            "instance_add_to_heartbeat_s": time.monotonic() - began,
            "guest_boot_s": process_age(int((log.parent / "pid").read_text())),
        }


def measure(clone: Clone) -> dict[str, float]:
    """All figures, in seconds."""
    clone.make()
    first = seconds(clone.bin_demo)
    clone.bin_demo("--stop")
    again = seconds(clone.bin_demo)
    return {"demo_first_s": first, "demo_again_s": again, **add_instance(clone)}


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="gnt-"))
    clone = Clone(place)
    try:
        found = measure(clone)
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if (place / "c/bin/demo").exists():
            clone.bin_demo("--clean")
        shutil.rmtree(place, ignore_errors=True)
    figures = {name: round(value, 2) for name, value in found.items()}
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:28} {value:8.2f} s  {MEANINGS[name]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
