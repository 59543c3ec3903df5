"""A real master that kills itself at its n-th batch: run as a program by crash tests.

Argument: ROOT. At SIGUSR1 it reads the file ``ROOT/crash``: the number of the batch,
counted from then on, and ``before`` it is written or ``behind`` that.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from ganetix.interfaces import IStateEngine
from ganetix.tap.master import MasterDaemon
from ganetix.tap.master_options import Options
from ganetix.testing.state import CrashingEngine, kill_this_process


def main(root: str) -> None:
    """Run the master until it dies."""
    from twisted.internet import reactor
    from twisted.logger import globalLogBeginner

    options = Options()
    options.parseOptions([f"--root={root}"])
    globalLogBeginner.beginLoggingTo([options.observer], redirectStandardIO=False)

    def wrap(engine: IStateEngine) -> IStateEngine:
        crashing = CrashingEngine(engine, 0, kill_this_process)

        def arm(*_: object) -> None:
            number, when = (Path(root) / "crash").read_text().split()
            crashing.arm(int(number), "before" if when == "before" else "behind")

        signal.signal(signal.SIGUSR1, arm)
        wrapped: IStateEngine = crashing
        return wrapped

    daemon = MasterDaemon(reactor, options, wrap)
    daemon.startService()
    reactor.addSystemEventTrigger("before", "shutdown", daemon.stopService)
    reactor.run()


if __name__ == "__main__":
    main(sys.argv[1])
