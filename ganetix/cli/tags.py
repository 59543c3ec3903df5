"""Tags, for every program whose objects have them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ganetix.cli.errors import UsageError, checked
from ganetix.cli.options import add_job_options, add_json_option
from ganetix.cli.parser import Options, Parser, Program, completes

if TYPE_CHECKING:
    from ganetix.api.types import QueryKind
    from ganetix.cli.asking import Asking
    from ganetix.cli.session import Session
    from ganetix.opcodes.tags import TaggedKind

KINDS: tuple[TaggedKind, ...] = ("cluster", "group", "node", "instance")


def add_cluster_tags(made: Program) -> None:
    """Commands for the cluster's own tags, and the search over all objects."""
    add_tag_commands(made, "cluster")


def add_tag_commands(made: Program, kind: TaggedKind) -> None:
    """``list-tags``, ``add-tags``, ``remove-tags``, ``search-tags``."""
    name = "" if kind == "cluster" else "web1 " if kind == "instance" else f"{kind}1 "
    whose = "the cluster" if kind == "cluster" else f"{_a(kind)}"
    listing = made.look(
        "list-tags",
        partial(list_tags, kind),
        f"print the tags of {whose}, one a line",
        examples=[f"list-tags {name}".strip()],
    )
    _add_name(listing, kind)
    add_json_option(listing)
    add = made.command(
        "add-tags",
        partial(change_tags, kind, True),
        f"add tags to {whose}",
        "A tag is 1 to 128 letters, digits and any of . + * / : @ - _",
        examples=[f"add-tags {name}env:prod backup"],
    )
    _add_name(add, kind)
    _add_tags(add, f"tags:{kind}", "what to add; one that is there already stays")
    add_job_options(add)
    remove = made.command(
        "remove-tags",
        partial(change_tags, kind, False),
        f"remove tags from {whose}, all that are named or none",
        examples=[f"remove-tags {name}backup"],
    )
    _add_name(remove, kind)
    _add_tags(remove, f"own-tags:{kind}", "what to remove")
    add_job_options(remove)
    where = "all objects" if kind == "cluster" else f"all {kind}s"
    search = made.look(
        "search-tags",
        partial(search_tags, KINDS if kind == "cluster" else (kind,)),
        f"search the tags of {where}",
        "Prints the path of the object and the tag, one a line. The exit status is 1"
        " if there is none.",
        examples=["search-tags ^env:"],
    )
    search.add_argument(
        "pattern", metavar="PATTERN", help="a regular expression, found anywhere"
    )
    add_json_option(search)


def _add_name(parser: Parser, kind: TaggedKind) -> None:
    if kind != "cluster":
        completes(
            parser.add_argument("name", metavar=kind.upper(), help="which one"), kind
        )


def _add_tags(parser: Parser, completed: str, meaning: str) -> None:
    completes(
        parser.add_argument("tags", metavar="TAG", nargs="+", help=meaning), completed
    )


async def list_tags(kind: TaggedKind, session: Asking, options: Options) -> None:
    """Print the tags of one object."""
    from ganetix.api.types import QueryRequest
    from ganetix.cli.output import print_json

    names = () if kind == "cluster" else (options.name,)
    request = QueryRequest(kind=_query_kind(kind), fields=("tags",), names=names)
    (row,) = (await session.query(request)).rows
    tags = row.cells[0] if isinstance(row.cells[0], list) else []
    if options.json:
        print_json(session.streams, tags)
        return
    for tag in tags:
        session.streams.out(tag)


async def change_tags(
    kind: TaggedKind, adds: bool, session: Session, options: Options
) -> None:
    """Add tags to one object, or remove them."""
    from ganetix.opcodes import OpTagsAdd, OpTagsRemove

    name = "" if kind == "cluster" else options.name
    tags = tuple(options.tags)
    if adds:
        add = checked(OpTagsAdd, kind=kind, name=name, tags=tags)
        await session.run_job(add, options)
    else:
        remove = checked(OpTagsRemove, kind=kind, name=name, tags=tags)
        await session.run_job(remove, options)


async def search_tags(
    kinds: tuple[TaggedKind, ...], session: Asking, options: Options
) -> int:
    """Print objects and tags that match."""
    import re

    from ganetix.api.types import QueryRequest
    from ganetix.cli.output import print_json

    try:
        pattern = re.compile(options.pattern)
    except re.error as error:
        raise UsageError(
            f"PATTERN: {options.pattern!r} is not a regular expression: {error}"
        ) from None
    found: list[dict[str, str]] = []
    for kind in kinds:
        request = QueryRequest(kind=_query_kind(kind), fields=("name", "tags"))
        for row in (await session.query(request)).rows:
            name, tags = str(row.cells[0]), row.cells[1]
            path = "/cluster" if kind == "cluster" else f"/{kind}s/{name}"
            found += (
                {"path": path, "kind": kind, "name": name, "tag": tag}
                for tag in (tags if isinstance(tags, list) else [])
                if pattern.search(tag)
            )
    if options.json:
        print_json(session.streams, found)
    else:
        for each in found:
            session.streams.out(f"{each['path']} {each['tag']}")
    return 0 if found else 1


def _query_kind(kind: TaggedKind) -> QueryKind:
    return kind


def _a(kind: str) -> str:
    return f"an {kind}" if kind == "instance" else f"a {kind}"
