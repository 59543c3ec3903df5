"""Tables, records and JSON on standard output."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from ganetix.api.types import Cell, FieldInfo, FieldKind, QueryResult, QueryRow
from ganetix.cli.parser import Options
from ganetix.cli.quantities import show_mib, size_text
from ganetix.cli.streams import Streams, printable

_RIGHT: frozenset[FieldKind] = frozenset({"number", "mib"})
_NOT_KNOWN = {"offline": "*", "unreachable": "?"}


def show_time(seconds: float) -> str:
    """A time in the local zone, to the second."""
    local = datetime.fromtimestamp(seconds).astimezone()
    return local.strftime("%Y-%m-%d %H:%M:%S")


def show_cell(cell: Cell, kind: FieldKind, source: str = "", unit: str = "h") -> str:
    """A cell as text; an unknown one as ``?`` (unreachable), ``*`` (offline), ``-``."""
    return printable(_text(cell, kind, source, unit))


def _text(cell: Cell, kind: FieldKind, source: str, unit: str) -> str:
    match cell:
        case None:
            return _NOT_KNOWN.get(source, "-")
        case bool():
            return "Y" if cell else "N"
        case int() | float() if kind == "mib":
            return show_mib(cell, unit)
        case int() | float() if kind == "time":
            return show_time(cell) if cell else "-"
        case list():
            return ",".join(cell) or "-"
        case dict():
            return json.dumps(cell, ensure_ascii=False) if cell else "-"
        case str():
            return cell or "-"
        case _:
            return f"{cell}"


def print_query(streams: Streams, result: QueryResult, options: Options) -> None:
    """A query's result as the output options ask for it."""
    if options.json:
        print_json(streams, [row_object(result, row) for row in result.rows])
        return
    unit = options.units or ("m" if options.separator is not None else "h")
    kinds = [field.kind for field in result.fields]
    rows = [
        [
            show_cell(cell, kind, row.source, unit)
            for cell, kind in zip(row.cells, kinds, strict=True)
        ]
        for row in result.rows
    ]
    print_table(
        streams,
        [field.title for field in result.fields],
        rows,
        options,
        [kind in _RIGHT for kind in kinds],
    )


def print_table(
    streams: Streams,
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    options: Options,
    right: Sequence[bool] = (),
) -> None:
    """Aligned columns, or with ``--separator`` plain ones."""
    lines = [*([] if options.no_headers else [titles]), *rows]
    if options.separator is not None:
        for line in lines:
            streams.out(options.separator.join(line))
        return
    widths = [max(map(len, texts), default=0) for texts in zip(*lines, strict=True)]
    right = right or [False] * len(titles)
    for line in lines:
        cells = (
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        )
        streams.out(" ".join(cells).rstrip())


def print_records(streams: Streams, result: QueryResult, options: Options) -> None:
    """Each row as lines of ``Title: value``."""
    if options.json:
        print_json(streams, [row_object(result, row) for row in result.rows])
        return
    for number, row in enumerate(result.rows):
        if number:
            streams.out("")
        for field, cell in zip(result.fields, row.cells, strict=True):
            _print_field(streams, field, cell, row)
        if row.source in _NOT_KNOWN:
            streams.out(
                f"  (its node is {row.source}: what is not known shows as"
                f" {_NOT_KNOWN[row.source]})"
            )


def _print_field(streams: Streams, field: FieldInfo, cell: Cell, row: QueryRow) -> None:
    if not isinstance(cell, dict) or not cell:
        text = show_cell(cell, field.kind, row.source)
        streams.out(f"{field.name}: {text}")
        return
    streams.out(f"{field.name}:")
    for key, value in cell.items():
        if isinstance(value, dict) and set(value) == {"value", "origin"}:
            value = f"{_plain(value['value'])} ({value['origin']})"
        elif isinstance(value, dict):
            value = ", ".join(f"{name}={inner}" for name, inner in value.items())
        streams.out(printable(f"  {key}: {value}"))


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return size_text(value, ", ")
    if isinstance(value, bool):
        return "Y" if value else "N"
    return "-" if value == "" else f"{value}"


def print_fields(streams: Streams, fields: Sequence[FieldInfo]) -> None:
    """What ``--help-fields`` shows; the default ones are marked."""
    width = max(len(field.name) for field in fields)
    for field in fields:
        mark = "*" if field.default else " "
        live = " (asked of the nodes)" if field.live else ""
        streams.out(f"{mark} {field.name.ljust(width)}  {field.doc}{live}")
    streams.out("(* shown if -o names none)")


def row_object(result: QueryResult, row: QueryRow) -> dict[str, object]:
    """A row for scripts: fields by name, and where the values came from."""
    named: dict[str, object] = {
        field.name: cell for field, cell in zip(result.fields, row.cells, strict=True)
    }
    return {**named, "_source": row.source, "_age_seconds": row.age_seconds}


def print_json(streams: Streams, value: object) -> None:
    """Indented JSON."""
    streams.out(json.dumps(value, indent=2, ensure_ascii=False))
