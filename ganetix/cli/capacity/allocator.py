"""``ganetix-allocator``: the built-in allocator as a program that others can call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganetix.cli.parser import Options, Tool

if TYPE_CHECKING:
    from ganetix.cli.asking import Asking


def program() -> Tool:
    """The parser of ``ganetix-allocator``."""
    made = Tool(
        "ganetix-allocator",
        allocate,
        "Answers a request to an allocator.",
        "The request is a JSON document with a cluster and what is asked of it, in the"
        " protocol of Ganeti's allocators; the answer is a JSON object on standard"
        " output. Status 1 and a line on standard error say that it is no request, or"
        " none that this allocator knows; that nothing fits is an answer.",
        examples=["request.json", "- < request.json"],
    )
    made.parser.add_argument(
        "file", metavar="FILE", help="the request; - is standard input"
    )
    return made


async def allocate(session: Asking, options: Options) -> int:
    """Read, ask, print."""
    from ganetix.cli.capacity.ask import asked

    return asked(session.streams, options.file)
