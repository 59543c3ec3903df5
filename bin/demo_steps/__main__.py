"""What bin/demo does once .venv is there: bring a cluster up, show it, stop it."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from cluster import DemoCluster
from instances import run_instances, show, take_down
from screen import DemoFailed, detail, say

CHECKOUT = Path(__file__).resolve().parents[2]
LONGEST_ROOT = 36  # a UNIX socket's path ends at 107 bytes; guests' need 71 of them

HELP = """\
Brings up a ganetix cluster on this machine: one master, three node daemons, two
groups, two instances. Run again, it checks and shows what runs, starts what does
not, and goes on where a run was broken off.
"""
EPILOG = """\
Environment:
  GANETIX_DEMO_DIR         where its files are (default: .demo in the checkout)
  GANETIX_DEMO_NET         first three parts of the addresses (default: 127.0.0)
  GANETIX_DEMO_HYPERVISOR  kvm or fake (default: kvm where QEMU is installed)
"""


def place() -> Path:
    """The directory of the demo's files, short enough for the paths of sockets."""
    given = os.environ.get("GANETIX_DEMO_DIR")
    wish = (Path(given) if given else CHECKOUT / ".demo").resolve()
    if len(os.fsencode(wish / "n1")) <= LONGEST_ROOT:
        return wish
    digest = hashlib.sha256(os.fsencode(wish)).hexdigest()[:8]
    return Path(f"/var/tmp/gnt-demo-{digest}")  # noqa: S108 - claim() checks whose


def claim(base: Path) -> None:
    """Make the directory; refuse one that is another user's."""
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    if base.is_symlink() or base.stat().st_uid != os.getuid():
        raise DemoFailed(
            f"{base} belongs to somebody else\nName a short path of your own:"
            " GANETIX_DEMO_DIR=/path bin/demo"
        )


@contextlib.contextmanager
def alone(base: Path) -> Iterator[None]:
    """One bin/demo at a time works in a directory, which is made if need be."""
    while True:
        claim(base)
        descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _lock(descriptor)
            # Whoever had the lock may have removed the directory.
            if base.exists() and os.path.samestat(base.stat(), os.fstat(descriptor)):
                yield
                return
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another bin/demo")
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="bin/demo",
        description=HELP,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--stop", action="store_true", help="end its guests and daemons, nothing else"
    )
    action.add_argument(
        "--clean", action="store_true", help="--stop, then remove all its files"
    )
    return parser.parse_args(arguments)


def work(options: argparse.Namespace) -> None:
    """Do as asked."""
    base = place()
    if (options.stop or options.clean) and not base.exists():
        say("there is no demo here")
        return
    with alone(base):
        demo = DemoCluster(base)
        if not (options.stop or options.clean):
            hypervisor = demo.up()
            run_instances(demo, hypervisor)
            show(demo, hypervisor)
            return
        take_down(demo)
        if options.clean:
            shutil.rmtree(base)
            say(f"removed {base}")


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    options = parsed(arguments)
    try:
        work(options)
    except DemoFailed as error:
        say("FAILED: " + str(error).replace("\n", "\n          "))
        detail("bin/demo goes on from here; bin/demo --clean, then it begins afresh")
        return 1
    except BrokenPipeError:
        # Nobody reads on; keep the interpreter from trying once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        say("broken off; bin/demo goes on from here, bin/demo --stop ends what runs")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
