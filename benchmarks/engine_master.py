"""A real master whose reactor's longest stall is kept in the file ROOT/stall."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ganetix.tap.master import MasterDaemon
from ganetix.tap.master_options import Options

PROBE_SECONDS = 0.002


def main(root: str) -> None:
    """Run the master until it is ended."""
    from twisted.internet import reactor as global_reactor
    from twisted.logger import globalLogBeginner

    reactor: Any = global_reactor
    options = Options()  # type: ignore[no-untyped-call]
    argv = [f"--root={root}", "--log-level=warn"]
    options.parseOptions(argv)  # type: ignore[no-untyped-call]
    globalLogBeginner.beginLoggingTo([options.observer], redirectStandardIO=False)
    daemon = MasterDaemon(reactor, options)
    worst = 0.0
    file = Path(root, "stall")

    def probe(due: float) -> None:
        nonlocal worst
        now = reactor.seconds()
        if now - due > worst:
            worst = now - due
            file.write_text(f"{worst}")
        reactor.callLater(PROBE_SECONDS, probe, now + PROBE_SECONDS)

    daemon.startService()
    reactor.addSystemEventTrigger("before", "shutdown", daemon.stopService)
    # Starting is not what is measured.
    file.write_text("0")
    reactor.callLater(1.0, lambda: probe(reactor.seconds()))
    reactor.run()


if __name__ == "__main__":
    main(sys.argv[1])
