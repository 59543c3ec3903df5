"""A real master that kills itself at its n-th batch: run as a program by crash tests.

Arguments: ROOT, the number of the batch since the daemon's start, and ``before`` it is
written or ``behind`` that.
"""

from __future__ import annotations

import sys

from ganetix.interfaces import IStateEngine
from ganetix.tap.master import MasterDaemon, Options
from ganetix.testing.state import CrashingEngine, kill_this_process


def main(root: str, number: int, when: str) -> None:
    """Run the master until it dies."""
    from twisted.internet import reactor
    from twisted.logger import globalLogBeginner

    options = Options()
    options.parseOptions([f"--root={root}"])
    globalLogBeginner.beginLoggingTo([options.observer], redirectStandardIO=False)

    def wrap(engine: IStateEngine) -> IStateEngine:
        crashing: IStateEngine = CrashingEngine(
            engine,
            number,
            kill_this_process,
            "before" if when == "before" else "behind",
        )
        return crashing

    daemon = MasterDaemon(reactor, options, wrap)
    daemon.startService()
    reactor.addSystemEventTrigger("before", "shutdown", daemon.stopService)
    reactor.run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
