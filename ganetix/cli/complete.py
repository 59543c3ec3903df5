"""Candidates for shell completion: commands, options, and names from the cluster.

Where a file is wanted, the exit status says so, and the shell looks for it. Speaks one
AMP question over a plain socket, since importing Twisted would be felt at every press
of the key. Whatever goes wrong, it is silent.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from ganetix.cli.main import parser_of
from ganetix.cli.streams import Streams

TIMEOUT_SECONDS = 1.0
FILE_STATUS = 3
DIRECTORY_STATUS = 4
_STATUS = {"FILE": FILE_STATUS, "DIR": DIRECTORY_STATUS}
_FIELD = {"job": "id"}


class Found(NamedTuple):
    """What may stand in a place: words, or files if the status says so."""

    words: list[str]
    status: int = 0


def complete(program: str, words: Sequence[str], streams: Streams) -> int:
    """Print candidates for the last of ``words``, one a line.

    ``words`` are those after the program's name, the last perhaps empty. The status
    is 3 if the name of a file is wanted instead, 4 if that of a directory.
    """
    found = candidates(program, words, streams)
    for candidate in found.words:
        streams.out(candidate)
    return found.status


def candidates(program: str, words: Sequence[str], streams: Streams) -> Found:
    """What may stand in the place of the last word."""
    *before, current = words or [""]
    option, equals, value = current.partition("=")
    if equals and option.startswith("--"):
        found = candidates(program, [*before, option, value], streams)
        return Found([f"{option}={each}" for each in found.words], found.status)
    before = [part for word in before for part in _parts(word)]
    parser: argparse.ArgumentParser = parser_of(program)
    commands = _subparsers(parser)
    after = before
    action = _expected(parser, before)
    if commands and (action is None or not action.option_strings):
        at = _command_at(parser, before)
        if at is None:
            found_words = [*commands, *_options(parser)] if current else list(commands)
            return Found(_matching(found_words, current))
        if (command := before[at]) not in commands:
            return Found([])
        parser, after = commands[command], before[at + 1 :]
        action = _expected(parser, after)
    takes_value = action is not None and bool(action.option_strings)
    is_option = current.startswith("-") and not takes_value
    if is_option and not _is_foreign(parser, action, after):
        return Found(_matching(_options(parser), current))
    if action is None:
        return Found([])
    if action.choices is not None:
        choices = [str(choice) for choice in action.choices]
        return Found(_matching(choices, current))
    if status := _STATUS.get(str(action.metavar), 0):
        return Found([], status)
    what, _, kind = str(getattr(action, "completes", "")).partition(":")
    if what == "fields":
        return Found(_matching(_lists(kind, current, _root(before, streams)), current))
    names = _names(action, after, _root(before, streams))
    return Found([name for name in _matching(names, current) if name not in after])


def _names(
    action: argparse.Action, words: Sequence[str], socket_path: Path
) -> list[str]:
    kind = getattr(action, "completes", "")
    if kind in ("node", "group", "instance", "os", "job", "reservation"):
        return names_of(kind, socket_path)
    if kind == "error-code":
        from ganetix.objects.finding import ERROR_CODES

        return list(ERROR_CODES)
    return _tags(kind, words, socket_path)


def _lists(kind: str, current: str, socket_path: Path) -> list[str]:
    """What has been typed of a list of fields, with each that may come next."""
    head, comma, last = current.rpartition(",")
    head += comma + ("+" if last.startswith("+") else "")
    given = [name.strip().removeprefix("+") for name in head.split(",")]
    try:
        fields = _told(b"QueryFields", b"kind", kind, socket_path)
        names = [field["name"] for field in fields]
    except (OSError, EOFError, ValueError, KeyError):
        return []
    return [head + name for name in names if name not in given]


def names_of(
    kind: str, socket_path: Path, field: str = "", names: Sequence[str] = ()
) -> list[str]:
    """All names of a kind that the master knows; none if it does not answer.

    :param field: instead of the names; of a list its members
    :param names: of these objects only
    """
    try:
        return _ask(kind, socket_path, field or _FIELD.get(kind, "name"), names)
    except (OSError, EOFError, ValueError, KeyError):
        return []


def _expected(
    parser: argparse.ArgumentParser, words: Sequence[str]
) -> argparse.Action | None:
    """The option whose value comes next, else the positional argument."""
    option, places = _read(parser, words)
    if option is not None:
        return option
    count = len(places)
    for action in parser._get_positional_actions():
        if count == 0 or action.nargs in ("*", "+", argparse.REMAINDER):
            return action
        count -= 1
    return None


def _is_foreign(
    parser: argparse.ArgumentParser,
    action: argparse.Action | None,
    words: Sequence[str],
) -> bool:
    """Whether a command of another program has begun, whose options we do not know."""
    if action is None or action.nargs != argparse.REMAINDER:
        return False
    return bool(_read(parser, words)[1])


def _command_at(parser: argparse.ArgumentParser, words: Sequence[str]) -> int | None:
    """Where the command stands, if it does."""
    _, places = _read(parser, words)
    return places[0] if places else None


def _read(
    parser: argparse.ArgumentParser, words: Sequence[str]
) -> tuple[argparse.Action | None, list[int]]:
    """The option that still wants its value, and where positional arguments stand."""
    wanting: argparse.Action | None = None
    places: list[int] = []
    for place, word in enumerate(words):
        if wanting is not None:
            wanting = None
        elif word.startswith("-") and word != "-":
            option = parser._option_string_actions.get(word)
            if option is not None and option.nargs is None:
                wanting = option
        else:
            places.append(place)
    return wanting, places


def _parts(word: str) -> list[str]:
    """``--option=value`` in two."""
    option, equals, value = word.partition("=")
    return [option, value] if equals and option.startswith("--") else [word]


def _subparsers(
    parser: argparse.ArgumentParser,
) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return [name for name in parser._option_string_actions if name.startswith("--")]


def _matching(found: Sequence[str], current: str) -> list[str]:
    return sorted(name for name in set(found) if name.startswith(current))


def _root(words: Sequence[str], streams: Streams) -> Path:
    from ganetix.paths import Paths

    given = None
    for option, value in pairwise(words):
        if option == "--root":
            given = value
    return Paths.from_environment(given, streams.environ).master_socket


def _tags(kind: str, words: Sequence[str], socket_path: Path) -> list[str]:
    """Of ``tags:KIND`` all tags in use there, of ``own-tags:KIND`` the object's own."""
    what, _, owner = kind.partition(":")
    if what == "tags" or owner == "cluster":
        return names_of(owner, socket_path, "tags")
    if what == "own-tags":
        named = [word for word in words if not word.startswith("-")]
        return names_of(owner, socket_path, "tags", named[:1])
    return []


def _ask(kind: str, socket_path: Path, field: str, names: Sequence[str]) -> list[str]:
    request = {"kind": kind, "fields": [field], "names": list(names)}
    result = _told(b"Query", b"request", request, socket_path)
    if not result:
        return []
    cells = [row["cells"][0] for row in result["rows"]]
    lists = (cell if isinstance(cell, list) else [str(cell)] for cell in cells)
    return [name for names in lists for name in names]


def _told(command: bytes, key: bytes, value: object, socket_path: Path) -> Any:
    """What the master answers to a command with one argument; nothing if it refuses."""
    import json

    from ganetix.api.boxes import packed, read_box
    from ganetix.api.chunks import put_chunks, take_chunks
    from ganetix.errors import BadParameter

    box = {b"_command": command, b"_ask": b"1"}
    put_chunks(box, key, json.dumps(value).encode())
    with socket.socket(socket.AF_UNIX) as master:
        master.settimeout(TIMEOUT_SECONDS)
        master.connect(str(socket_path))
        master.sendall(packed(box))
        with master.makefile("rb") as stream:
            answer = read_box(stream)
    try:
        return json.loads(take_chunks(answer, b"result"))
    except BadParameter:
        return []
