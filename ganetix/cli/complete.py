"""Candidates for shell completion: commands, options, and names from the cluster.

Speaks one AMP question over a plain socket, since importing Twisted would be felt at
every press of the key. Whatever goes wrong, it is silent.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from ganetix.cli.main import parser_of
from ganetix.cli.streams import Streams

TIMEOUT_SECONDS = 1.0
_FIELD = {"job": "id"}


def complete(program: str, words: Sequence[str], streams: Streams) -> int:
    """Print candidates for the last of ``words``, one a line.

    ``words`` are those after the program's name, the last perhaps empty.
    """
    for candidate in candidates(program, words, streams):
        streams.out(candidate)
    return 0


def candidates(program: str, words: Sequence[str], streams: Streams) -> list[str]:
    """What may stand in the place of the last word."""
    *before, current = words or [""]
    parser: argparse.ArgumentParser = parser_of(program)
    commands = _subparsers(parser)
    command = next((word for word in before if word in commands), None)
    after = before
    if commands:
        if command is None:
            found = [*commands, *_options(parser)] if current else list(commands)
            return _matching(found, current)
        parser = commands[command]
        after = before[before.index(command) + 1 :]
    action = _expected(parser, after)
    if current.startswith("-") and (action is None or not action.option_strings):
        return _matching(_options(parser), current)
    if action is None:
        return []
    if action.choices is not None:
        return _matching([str(choice) for choice in action.choices], current)
    kind = getattr(action, "completes", "")
    socket_path = _root(before, streams)
    if kind in ("node", "group", "instance", "os", "job"):
        found = names_of(kind, socket_path)
    elif kind == "error-code":
        from ganetix.objects.finding import ERROR_CODES

        found = list(ERROR_CODES)
    else:
        found = _tags(kind, after, socket_path)
    return [name for name in _matching(found, current) if name not in after]


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
    actions = parser._option_string_actions
    if words and (option := actions.get(words[-1])) and option.nargs is None:
        return option
    count = 0
    takes_value = False
    for word in words:
        if takes_value:
            takes_value = False
        elif word.startswith("-") and word != "-":
            option = actions.get(word)
            takes_value = option is not None and option.nargs is None
        else:
            count += 1
    for action in parser._get_positional_actions():
        if action.nargs in ("*", "+"):
            return action
        if count == 0:
            return action
        count -= 1
    return None


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
    import json

    from ganetix.api.boxes import packed, read_box
    from ganetix.api.chunks import put_chunks, take_chunks
    from ganetix.errors import BadParameter

    request = {"kind": kind, "fields": [field], "names": list(names), "limit": 200}
    box = {b"_command": b"Query", b"_ask": b"1"}
    put_chunks(box, b"request", json.dumps(request).encode())
    with socket.socket(socket.AF_UNIX) as master:
        master.settimeout(TIMEOUT_SECONDS)
        master.connect(str(socket_path))
        master.sendall(packed(box))
        with master.makefile("rb") as stream:
            answer = read_box(stream)
    try:
        result = json.loads(take_chunks(answer, b"result"))
    except BadParameter:
        return []
    cells = [row["cells"][0] for row in result["rows"]]
    lists = (cell if isinstance(cell, list) else [str(cell)] for cell in cells)
    return [name for names in lists for name in names]
