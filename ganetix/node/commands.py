"""Shell commands that an administrator has run on nodes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ganetix.node.calls import handler, while_attended
from ganetix.objects.output import OutputText
from ganetix.objects.remote import MOST_LINES, CommandEnded, CommandRun
from ganetix.process import USUAL_UMASK, Runner, search_path
from ganetix.rpc.methods import COMMAND_RUN

if TYPE_CHECKING:
    from ganetix.rpc.server import Call, Handler

SHELL = "/bin/sh"


class CommandCalls:
    """Runs commands; one whose caller goes away is ended."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def handlers(self) -> Iterable[tuple[str, Handler]]:
        """The methods' names and what does them."""
        yield handler(COMMAND_RUN, self._run)

    async def _run(self, request: CommandRun, call: Call) -> CommandEnded:
        lines = 0

        def tell(line: str) -> None:
            nonlocal lines
            lines += 1
            if lines <= MOST_LINES:
                call.say(line)

        texts = {1: OutputText("stdout", tell), 2: OutputText("stderr", tell)}

        def take(stream: int, data: bytes) -> None:
            texts[stream].feed(data)

        running = self._runner.run(
            (SHELL, "-c", request.command),
            env={"PATH": search_path(), "HOME": "/root", "LC_ALL": "C.UTF-8"},
            timeout_seconds=request.timeout_seconds,
            on_data=take,
            cwd="/",
            check=False,
            max_output=1,
            umask=USUAL_UMASK,
        )
        try:
            ended = await while_attended(call, running)
        finally:
            for text in texts.values():
                text.end()
        return CommandEnded(
            status=ended.status if ended.status >= 0 else 128 - ended.status,
            told_lines=min(lines, MOST_LINES),
            hidden_lines=max(0, lines - MOST_LINES),
        )
