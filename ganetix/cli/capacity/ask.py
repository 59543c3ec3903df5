"""The run of ``ganetix-allocator``: one request, one answer."""

from __future__ import annotations

import sys
from pathlib import Path

from ganetix.allocators.protocol import read_document, write_answer
from ganetix.cli.errors import EXIT_FAILED
from ganetix.cli.streams import Streams
from ganetix.errors import Refused
from ganetix.plan.allocate import answer


def asked(streams: Streams, name: str) -> int:
    """Answer the request in a file; the exit status. Errors read as hail's do."""
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        cluster, request = read_document(data)
        text = write_answer(answer(cluster, request), request)
    except OSError as error:
        streams.note(f"Error: {name}: {error.strerror}")
        return EXIT_FAILED
    except Refused as error:
        streams.note(f"Error: {error}")
        return EXIT_FAILED
    streams.out(text.decode())
    return 0
