"""Whom this node obeys by its files: ssconf, and what it promised as a candidate."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.logger import Logger

from ganetix.errors import StateFault
from ganetix.objects.replica import Claim
from ganetix.paths import Paths
from ganetix.state.replicate_rows import LOCAL, epochs_in, promise_in
from ganetix.state.rows import Row
from ganetix.state.sqlite_replica import peek

MASTER_FILES = frozenset({"master_epoch", "master_node_uuid"})
"""The ssconf files that say who is master, and since which epoch."""

_log = Logger()


def ssconf_value(paths: Paths, name: str) -> str:
    """The text of a file of one line; empty if there is none. Blocking."""
    try:
        return paths.ssconf(name).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def claim_by_ssconf(paths: Paths) -> Claim:
    """Who is master by ssconf; of number 0 if that is not known. Blocking."""
    epoch = ssconf_value(paths, "master_epoch")
    master = ssconf_value(paths, "master_node_uuid")
    if not master or not epoch.isdecimal():
        return Claim()
    return Claim(number=int(epoch), master=master)


def claim_by_rows(rows: Sequence[Row]) -> Claim:
    """Whom a store of these rows obeys: as it promised, or as its last epoch says."""
    promise = promise_in(rows) or Claim()
    for last in (epochs_in(rows) or ())[-1:]:
        if last.number > promise.number:
            return Claim(number=last.number, master=last.master, since=last.since)
    return promise


def known_claim(paths: Paths) -> Claim:
    """Whom a daemon that starts on these files is to obey. Blocking."""
    by_ssconf = claim_by_ssconf(paths)
    try:
        seen = peek(paths.state_db, ("meta", LOCAL))
        by_rows = claim_by_rows(seen.rows) if seen else Claim()
    except StateFault as error:
        # Whoever replicates to this node is told; the rest of its work goes on.
        _log.warn("what was promised is not known: {why}", why=error.message)
        by_rows = Claim()
    return by_rows if by_rows.number >= by_ssconf.number else by_ssconf
