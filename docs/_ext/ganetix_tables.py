"""Directives that make reference pages from the tables that the code runs on."""

from __future__ import annotations

import abc
import argparse
import importlib
import inspect
import os
import types
import typing
from collections.abc import Iterator, Sequence

import msgspec
from docutils import nodes  # type: ignore[import-untyped,unused-ignore]
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from ganetix.cli.main import PROGRAMS, parser_of
from ganetix.errors import GanetixError
from ganetix.hypervisor.params import HV_PARAMETERS
from ganetix.objects import BackendParams, CapacityParams, NicParams, NodeParams
from ganetix.objects.finding import ERROR_CODES
from ganetix.opcodes import AnyOpcode
from ganetix.opcodes.parameters import BACKEND, CAPACITY, NIC, NODE, SIZE
from ganetix.plan.roles import TRANSITIONS, WISHES, Never
from ganetix.rpc.methods import METHODS, TIMEOUT_SECONDS
from ganetix.storage.params import DISK_TEMPLATES

WORDS = {"str": "text", "int": "integer", "float": "number", "bool": "true or false"}


def summary(thing: object) -> str:
    """A docstring's paragraphs, as reST."""
    return inspect.getdoc(thing) or ""


def type_words(kind: object) -> str:
    """A field's type in words."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return type_words(arguments[0])
    if origin in (typing.Union, types.UnionType):
        given = [type_words(one) for one in arguments if one is not type(None)]
        tail = " or null" if type(None) in arguments else ""
        return " or ".join(dict.fromkeys(given)) + tail
    if origin is typing.Literal:
        return " or ".join(f"``{one}``" for one in arguments)
    if origin in (tuple, list):
        return f"list of {type_words(arguments[0])}" if arguments else "list"
    if origin is dict:
        return f"map of {type_words(arguments[0])} to {type_words(arguments[1])}"
    name = getattr(kind, "__name__", str(kind))
    return WORDS.get(name, name)


def default_words(field: msgspec.structs.FieldInfo) -> str:
    """A field's default as JSON; empty if it must be given."""
    if field.default is not msgspec.NODEFAULT:
        value = field.default
    elif field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    else:
        return ""
    return f"``{msgspec.json.encode(value).decode()}``"


def structs_in(kind: object) -> Iterator[type[msgspec.Struct]]:
    """The struct types that a field's type mentions."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for argument in typing.get_args(kind):
        yield from structs_in(argument)


def row(cells: tuple[str, ...]) -> list[str]:
    """A row of a list-table."""
    lines: list[str] = []
    for number, cell in enumerate(cells):
        mark = "   * - " if number == 0 else "     - "
        first, *others = cell.splitlines() or [""]
        lines.append(mark + first)
        lines.extend("       " + line for line in others)
    return lines


def table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table as reST."""
    head = [".. list-table::", "   :header-rows: 1", ""]
    body = [line for cells in [titles, *rows] for line in row(cells)]
    return "\n".join([*head, *body, ""])


def fields_table(kind: type[msgspec.Struct]) -> str:
    """The fields of a struct."""
    rows = [
        (f"``{field.encode_name}``", type_words(field.type), default_words(field))
        for field in msgspec.structs.fields(kind)
    ]
    return table(("field", "type", "default"), rows) if rows else "No fields.\n"


def titled(title: str, mark: str) -> str:
    """A heading."""
    return f"{title}\n{mark * len(title)}\n"


class Generated(SphinxDirective, abc.ABC):
    """A directive that says in reST what it stands for."""

    optional_arguments = 1

    @abc.abstractmethod
    def text(self) -> str:
        """The reST."""

    def run(self) -> list[nodes.Node]:
        """The nodes in place of the directive."""
        return self.parse_text_to_nodes(self.text(), allow_section_headings=True)


class OpcodeTable(Generated):
    """All opcodes with their fields, and the values that fields are made of."""

    def text(self) -> str:
        """A section an opcode."""
        parts: list[str] = []
        inner: dict[str, type[msgspec.Struct]] = {}
        for kind in sorted(typing.get_args(AnyOpcode), key=lambda one: one.__name__):
            parts += [titled(opcode_id_of(kind), "-"), summary(kind), ""]
            parts.append(fields_table(kind))
            for field in msgspec.structs.fields(kind):
                inner.update({s.__name__: s for s in structs_in(field.type)})
        for name, kind in sorted(inner.items()):
            parts += [titled(name, "-"), summary(kind), "", fields_table(kind)]
        return "\n".join(parts)


def opcode_id_of(kind: type[msgspec.Struct]) -> str:
    """The tag of an opcode's type."""
    return str(kind.__struct_config__.tag)


class MethodTable(Generated):
    """All methods of node RPC."""

    def text(self) -> str:
        """A section a method."""
        parts: list[str] = []
        for name, method in sorted(METHODS.items()):
            seconds = TIMEOUT_SECONDS[method.timeout]
            limit = "no time limit" if seconds is None else f"{seconds:g} s"
            again = "may be repeated" if method.idempotent else "runs once a request id"
            parts += [titled(name, "-"), f"{limit}; {again}.", ""]
            for role, kind in (("Request", method.request), ("Result", method.result)):
                struct = typing.cast("type[msgspec.Struct]", kind)
                parts += [f"{role} ``{struct.__name__}``: {summary(struct)}", ""]
                if msgspec.structs.fields(struct):
                    parts.append(fields_table(struct))
        return "\n".join(parts)


class ErrorTable(Generated):
    """All error codes, by kind."""

    def text(self) -> str:
        """One table."""
        rows: list[tuple[str, ...]] = []

        def visit(kind: type[GanetixError], depth: int) -> None:
            rows.append((f"``{kind.code}``", "· " * depth + kind.__name__, doc(kind)))
            for child in kind.__subclasses__():
                if child.__module__ == GanetixError.__module__:
                    visit(child, depth + 1)

        def doc(kind: type[GanetixError]) -> str:
            return summary(kind).partition("\n\n")[0].replace("\n", " ")

        for kind in GanetixError.__subclasses__():
            if kind.__module__ == GanetixError.__module__:
                visit(kind, 0)
        return table(("code", "class", "meaning"), rows)


class FindingTable(Generated):
    """What ``gnt-cluster verify`` can find."""

    def text(self) -> str:
        """One table."""
        rows = [(f"``{code}``", meaning) for code, meaning in ERROR_CODES.items()]
        return table(("code", "meaning"), rows)


class FieldTable(Generated):
    """The fields of one kind of object: argument ``module:TABLE``."""

    required_arguments = 1
    optional_arguments = 0

    def text(self) -> str:
        """One table."""
        module, _, name = self.arguments[0].partition(":")
        found = getattr(importlib.import_module(module), name)
        fields = (found(()) if callable(found) else found).fields
        rows = [
            (
                f"``{field.name}``" + (" \\*" if field.default else ""),
                field.title,
                "node" if field.live else "configuration",
                field.kind,
                field.doc,
            )
            for field in fields
        ]
        return table(("field", "title", "from", "kind", "meaning"), rows)


class CommandTable(Generated):
    """All programs with their commands, as they explain themselves."""

    def text(self) -> str:
        """A section a program, one within it a command."""
        parts: list[str] = []
        os.environ["COLUMNS"] = "86"
        for program in PROGRAMS:
            parser = parser_of(program)
            found = list(commands_of(parser))
            parts += [titled(program, "-")]
            if not found:
                parts += literal(parser.format_help())
                continue
            parts += [f"{parser.description}", ""]
            for command, inner in found:
                parts += [titled(f"{program} {command}", "~")]
                parts += literal(inner.format_help())
        return "\n".join(parts)


def literal(text: str) -> list[str]:
    """Lines that are shown as they are."""
    return ["::", "", *("   " + line for line in text.splitlines()), ""]


def commands_of(
    parser: argparse.ArgumentParser,
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The commands of a program, each once however many names it has."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            seen: set[int] = set()
            for name, inner in action.choices.items():
                if id(inner) not in seen:
                    seen.add(id(inner))
                    yield name, inner


class HypervisorTable(Generated):
    """All hypervisors with their parameters."""

    def text(self) -> str:
        """A section a hypervisor."""
        parts: list[str] = []
        for name, parameters in HV_PARAMETERS.items():
            rows = [
                (
                    f"``{one.name}``",
                    f"``{msgspec.json.encode(one.default).decode()}``",
                    one.allowed,
                    one.doc,
                )
                for one in parameters.values()
            ]
            parts.append(titled(name, "-"))
            titles = ("parameter", "default", "allowed", "meaning")
            parts.append(table(titles, rows) if rows else "No parameters.\n")
        return "\n".join(parts)


class ParameterTables(Generated):
    """All parameters that inherit, by family."""

    def text(self) -> str:
        """A section a family."""
        parts: list[str] = []
        for title, family, built_in in (
            ("Backend parameters (be)", BACKEND, BackendParams()),
            ("NIC parameters (nic)", NIC, NicParams()),
            ("Node parameters (nd)", NODE, NodeParams()),
            ("Capacity (capacity)", CAPACITY, CapacityParams()),
            ("Capacity: max_inst_spec", SIZE, CapacityParams().max_inst_spec),
        ):
            rows = [
                (
                    f"``{one.name}``",
                    f"``{msgspec.json.encode(getattr(built_in, field)).decode()}``",
                    one.allowed,
                    one.doc,
                )
                for field, one in family.items()
            ]
            parts.append(titled(title, "-"))
            parts.append(table(("parameter", "default", "allowed", "meaning"), rows))
        parts += [titled("Disk parameters (disk)", "-"), disk_table()]
        return "\n".join(parts)


def disk_table() -> str:
    """The parameters of all disk templates."""
    rows = [
        (
            f"``{template}``",
            f"``{one.name}``",
            f"``{one.default}``",
            " or ".join(f"``{value}``" for value in one.values),
            one.doc,
        )
        for template, parameters in DISK_TEMPLATES.items()
        for one in parameters.values()
    ]
    return table(("template", "parameter", "default", "allowed", "meaning"), rows)


class RoleTable(Generated):
    """What becomes of a node in each role at each wish."""

    def text(self) -> str:
        """One table."""
        options = {
            "online": "--offline no",
            "undrain": "--drained no",
            "demote": "--master-candidate no",
            "promote": "--master-candidate yes",
            "drain": "--drained yes",
            "offline": "--offline yes",
        }
        rows = [
            (
                f"**{role}**",
                *(
                    "refused"
                    if isinstance(answers[wish], Never)
                    else f"{answers[wish]}"
                    for wish in WISHES
                ),
            )
            for role, answers in TRANSITIONS.items()
        ]
        return table(("role", *(f"``{options[wish]}``" for wish in WISHES)), rows)


def setup(app: Sphinx) -> dict[str, object]:
    """Tell Sphinx of the directives."""
    app.add_directive("ganetix-opcodes", OpcodeTable)
    app.add_directive("ganetix-rpc-methods", MethodTable)
    app.add_directive("ganetix-errors", ErrorTable)
    app.add_directive("ganetix-findings", FindingTable)
    app.add_directive("ganetix-fields", FieldTable)
    app.add_directive("ganetix-commands", CommandTable)
    app.add_directive("ganetix-hypervisors", HypervisorTable)
    app.add_directive("ganetix-parameters", ParameterTables)
    app.add_directive("ganetix-roles", RoleTable)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
