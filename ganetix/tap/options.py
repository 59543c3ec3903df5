"""Options that all daemons share."""

from __future__ import annotations

from pathlib import Path

from twisted.logger import ILogObserver, LogLevel
from twisted.python import usage

from ganetix.log import log_observer
from ganetix.paths import Paths

FORMATS = ("text", "json")


class DaemonOptions(usage.Options):
    """``--root`` and where the log goes."""

    optParameters = [
        [
            "root",
            None,
            None,
            "Directory below which all files of this installation are"
            " [default: $GANETIX_ROOT, else /]",
        ],
        ["log-format", None, "text", "Form of log events: text or json (a line each)"],
        ["log-file", None, None, "Log to this file, rotated [default: stderr]"],
        ["log-level", None, "info", "Least level logged: debug, info, warn, error"],
    ]

    paths: Paths
    observer: ILogObserver

    def postOptions(self) -> None:
        """Check what was given."""
        if self["log-format"] not in FORMATS:
            raise usage.UsageError(
                f"--log-format: {self['log-format']!r} is not text or json"
            )
        names = [level.name for level in LogLevel.iterconstants()]
        if self["log-level"] not in names:
            raise usage.UsageError(
                f"--log-level: {self['log-level']!r} is not one of {', '.join(names)}"
            )
        self.paths = Paths.from_environment(self["root"])
        if not self.paths.root.is_dir():
            raise usage.UsageError(f"--root: there is no directory {self.paths.root}")
        path = Path(self["log-file"]).absolute() if self["log-file"] else None
        try:
            self.observer = log_observer(self["log-format"], path, self["log-level"])
        except OSError as error:
            raise usage.UsageError(f"--log-file: {path}: {error.strerror}") from None
