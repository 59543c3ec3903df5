"""A command that only looks: it asks the master, prints, and ends.

It runs without a reactor, for that takes longer to import than most questions take.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ganetix.cli.errors import EXIT_INTERRUPTED, Failure, UsageError
from ganetix.cli.parser import Options
from ganetix.cli.streams import Streams
from ganetix.paths import Paths

if TYPE_CHECKING:
    from ganetix.api.quick import Asker, QuickClient
    from ganetix.api.types import QueryRequest, QueryResult

FIELDS = "fields: "
"""What a refusal begins with that is about the fields asked for."""


class Asking:
    """What every command has at hand: streams, paths, a master to ask."""

    def __init__(self, program: str, streams: Streams, paths: Paths) -> None:
        self.program = program
        self.streams = streams
        self.paths = paths
        self._quick: QuickClient | None = None

    async def client(self) -> Asker:
        """The master; connects when first asked for."""
        from ganetix.api.quick import QuickClient

        if self._quick is None:
            name = self.ssconf("master_node")
            self._quick = QuickClient(self.paths.master_socket, name)
        return self._quick

    def ssconf(self, name: str) -> str:
        """The text of an ssconf file, or nothing if it cannot be read."""
        try:
            return self.paths.ssconf(name).read_text("utf-8").strip()
        except OSError:
            return ""

    async def query(self, request: QueryRequest) -> QueryResult:
        """List objects; ``UsageError`` for a field that there is not."""
        from ganetix.errors import BadParameter

        try:
            return await (await self.client()).query(request)
        except BadParameter as error:
            if not error.message.startswith(FIELDS):
                raise
            raise UsageError(f"-o: {error.message.removeprefix(FIELDS)}") from error

    def confirm(self, question: str, force_option: str = "-f") -> None:
        """Ask yes or no; ``Failure`` on no, and where nobody can answer."""
        if not self.streams.is_interactive:
            raise Failure(f"{question} Refusing to assume yes: give {force_option}")
        self.streams.stderr.write(f"{question} [y/N] ")
        self.streams.stderr.flush()
        answer = self.streams.stdin.readline().strip().lower()
        if answer not in ("y", "yes"):
            raise Failure("not confirmed: nothing was done")

    def close(self) -> None:
        """Hang up."""
        if self._quick is not None:
            self._quick.close()


Ask = Callable[[Asking, Options], Awaitable[int | None]]


def run_at_once(program: str, options: Options, streams: Streams) -> int:
    """Run a command that never waits for a reactor; its exit status."""
    from ganetix.cli.main import report

    paths = Paths.from_environment(getattr(options, "root", None), streams.environ)
    session = Asking(program, streams, paths)
    coroutine = options.run(session, options)
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value or 0
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - printed: users see no traceback
        return report(program, error, streams, options.by_option)
    finally:
        coroutine.close()
        session.close()
    return report(program, RuntimeError("the command waits for a reactor"), streams)
