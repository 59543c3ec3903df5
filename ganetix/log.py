"""Where log events go: JSON lines or text, to stderr or a file.

What is logged while an opcode is done says so: the job follows its coroutines by
itself, since each that is started takes over the context of the one that starts it.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from pathlib import Path
from typing import Literal, TextIO, cast

from twisted.application.service import IServiceCollection, MultiService
from twisted.internet.defer import Deferred, succeed
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
    formatTime,
    jsonFileLogObserver,
)
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from twisted.python.logfile import LogFile
from zope.interface import implementer

LogFormat = Literal["text", "json"]
ROTATE_BYTES = 16 * 1024 * 1024
KEPT_FILES = 8

CHATTY = (
    "twisted.web.client",
    "twisted.protocols.amp",
    "twisted.internet.endpoints",
    "log_legacy",
)
"""Who tells every connection at level info."""


_working: ContextVar[tuple[int, str] | None] = ContextVar("working", default=None)


class WorkingOn:
    """A ``with`` statement in which events belong to a job and one of its opcodes.

    :param op: the opcode's OP_ID
    """

    __slots__ = ("_what",)

    def __init__(self, job: int, op: str) -> None:
        self._what = (job, op)

    def __enter__(self) -> None:
        """From here on."""
        _working.set(self._what)

    def __exit__(self, *_: object) -> None:
        """Not a token's reset: a coroutine may be thrown away from anywhere."""
        _working.set(None)


def escaped(text: str) -> str:
    """The text as one line: line breaks and control characters as in Python."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


@implementer(ILogObserver)
class TextObserver:
    """One line an event: time, level, namespace, text; tracebacks below, indented.

    Before the text stands the job that it belongs to, if any, as ``[job 7 OP_ID]``.
    Whatever others had put into an event, it cannot pass for another event.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, event: LogEvent) -> None:
        level = event.get("log_level")
        name = level.name if level is not None else "info"
        time = formatTime(event.get("log_time"))
        text = eventAsText(
            event, includeTraceback=False, includeTimestamp=False, includeSystem=False
        )
        source = event.get("log_namespace", "")
        working = _working.get()
        where = f" [job {working[0]} {working[1]}]" if working else ""
        self._out.write(f"{time} {name:8} {source}{where}: {escaped(text)}\n")
        failure = event.get("log_failure")
        if isinstance(failure, Failure):
            for line in failure.getTraceback().splitlines():
                self._out.write(f"    {escaped(line)}\n")
        self._out.flush()


@implementer(ILogObserver)
class JsonObserver:
    """One line of JSON an event; ``job`` and ``op`` are those that it belongs to."""

    def __init__(self, out: TextIO) -> None:
        self._write = jsonFileLogObserver(out, recordSeparator="")

    def __call__(self, event: LogEvent) -> None:
        if working := _working.get():
            event = {"job": working[0], "op": working[1], **event}
        self._write(event)


def log_observer(
    form: LogFormat, path: Path | None, level: str = "info"
) -> ILogObserver:
    """An observer that writes events of ``level`` and above.

    A file is rotated at 16 MiB and eight old ones are kept; without one, stderr.
    """
    if path is None:
        out: TextIO = sys.stderr
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        # LogFile encodes text by itself, and has what observers use of a stream.
        out = cast(
            "TextIO",
            LogFile(
                path.name,
                str(path.parent),
                rotateLength=ROTATE_BYTES,
                maxRotatedFiles=KEPT_FILES,
                defaultMode=0o640,
            ),
        )
    observer = JsonObserver(out) if form == "json" else TextObserver(out)
    wanted = LogLevelFilterPredicate(LogLevel.levelWithName(level))
    if level == "info":
        for namespace in CHATTY:
            wanted.setLogLevelForNamespace(namespace, LogLevel.warn)
    return FilteringLogObserver(observer, [wanted])


class LoggedService(MultiService):
    """A daemon's root service, whose log goes where its options say.

    twistd takes an application's own observer instead of its default one; the
    application is at hand only when this service is put below it.
    """

    def __init__(self, observer: ILogObserver) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._observer = observer

    def setServiceParent(self, parent: IServiceCollection) -> None:
        """Also called by twistd, with the application."""
        if isinstance(parent, Componentized):
            parent.setComponent(  # type: ignore[no-untyped-call]
                ILogObserver, self._observer
            )
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]

    def startService(self) -> None:
        """Called by twistd."""
        super().startService()  # type: ignore[no-untyped-call]

    def stopService(self) -> Deferred[None]:
        """Called by twistd, which waits for the answer."""
        stopped: Deferred[None] | None = super().stopService()  # type: ignore[no-untyped-call]
        return stopped or succeed(None)
