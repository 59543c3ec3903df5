"""Which package may import which: the layers of the design, kept by a test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import ganetix

PACKAGE = Path(ganetix.__file__).parent
PURE = {
    *("errors", "paths", "interfaces", "objects", "opcodes"),
    *("jobs.model", "jobs.values"),
}
PURE_PARTS = {
    *("rpc.methods", "hypervisor.params", "storage.params"),
    *("netutils.address", "netutils.prefix"),
}
CORE = PURE | {"plan", "flow", "process", "log", "rpc.methods"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "paths": {"errors"},
    "log": {"errors"},
    "interfaces": {"errors", "paths", "objects", "rpc.methods", "state.rows"},
    "objects": {"errors", "interfaces"},
    "opcodes": {"errors", "interfaces", "objects"},
    "plan": PURE | PURE_PARTS | {"jobs.work", "config.snapshot", "state.rows"},
    "process": {"errors", "interfaces", "objects", "flow"},
    "flow": {"errors", "interfaces"},
    "locking": {"errors", "interfaces", "flow"},
    "scheduler": {"errors", "interfaces", "flow", "locking"},
    "state": {"errors", "paths", "interfaces", "objects", "flow", "plan.replicas"},
    "config": CORE | {"state"},
    "jobs": CORE | {"state", "config", "locking", "scheduler"},
    "cache": CORE | {"config"},
    "rpc": CORE | {"netutils"},
    "netutils": CORE,
    "hypervisor": CORE,
    "storage": CORE,
    "allocators": CORE,
    "node": CORE
    | {"hypervisor", "storage", "rpc.server", "netutils", "bootstrap", "api.types"}
    | {"state"},
    "bootstrap": CORE | {"config", "state", "rpc", "netutils"},
    "units": CORE | {"config", "jobs", "locking"},
    "query": CORE
    | {"config", "jobs", "cache", "api.types", "rpc.fanout"}
    | {"hypervisor.params", "storage.params"},
    "api": CORE | {"config", "jobs", "query", "state", "scheduler", "locking"},
    "cli": PURE
    | {"api.client", "api.link", "api.types", "api.chunks", "api.boxes", "api.quick"}
    | {"api.words"}
    | {"bootstrap", "flow", "hypervisor.params", "netutils", "state.sqlite"}
    | {"storage.params"}
    | {"plan.failover", "plan.capacity.report"},
    # These programs need no master: they compute here, from files.
    "cli.capacity": {"cli", "allocators", "errors", "plan.allocate", "plan.capacity"},
}
UNBOUND = {"tap", "testing", "test"}


def layer_of(path: Path) -> str:
    """The name of a module's layer: the package, a part of it, or a top module."""
    first, *rest = path.relative_to(PACKAGE).with_suffix("").parts
    part = ".".join((first, *rest[:1]))
    return part if part in ALLOWED else first


def module_name(path: Path) -> str:
    """``…/ganetix/rpc/tls.py`` → ``ganetix.rpc.tls``."""
    inner = path.relative_to(PACKAGE.parent).with_suffix("")
    return ".".join(inner.parts).removesuffix(".__init__")


def sources() -> Iterator[tuple[Path, str]]:
    """All modules but the top package's, with their layers."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path != PACKAGE / "__init__.py":
            yield path, layer_of(path)


@cache
def imported(path: Path) -> list[tuple[int, str]]:
    """Line and dotted name of everything a module imports, also inside functions."""
    found = []
    for statement in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                found.append((statement.lineno, alias.name))
        elif isinstance(statement, ast.ImportFrom):
            dots = "." * statement.level
            for alias in statement.names:
                name = f"{dots}{statement.module or ''}.{alias.name}"
                found.append((statement.lineno, name))
    return found


def permits(allowed: set[str], layer: str, name: str) -> bool:
    """May a module of ``layer`` import ``name``?"""
    inner = name.removeprefix("ganetix.")
    return any(f"{inner}.".startswith(f"{there}.") for there in {layer, *allowed})


class ImportTests(SynchronousTestCase):
    """Every module's imports, as they stand in its source."""

    def test_layers(self) -> None:
        """No module imports a layer that the table does not allow it."""
        strays = [
            f"{path.relative_to(PACKAGE.parent)}:{line} {name}"
            for path, layer in sources()
            if layer not in UNBOUND
            for line, name in imported(path)
            if name.startswith("ganetix.")
            and name != "ganetix.__version__"
            and not permits(ALLOWED.get(layer, set()), layer, name)
        ]
        self.assertEqual(strays, [])

    def test_pure(self) -> None:
        """What is called pure imports no Twisted, no sockets and no processes."""
        parts = PURE - {"interfaces"} | {"plan"}
        pure = {f"ganetix.{part}." for part in parts | PURE_PARTS}
        strays = [
            f"{path.relative_to(PACKAGE.parent)}:{line} {name}"
            for path, _ in sources()
            if any(f"{module_name(path)}.".startswith(part) for part in pure)
            for line, name in imported(path)
            if name.partition(".")[0] in {"twisted", "socket", "subprocess", "treq"}
        ]
        self.assertEqual(strays, [])

    def test_every_layer_is_in_the_table(self) -> None:
        """A new package gets its place in the table when it is made."""
        layers = {layer for _, layer in sources()} - UNBOUND
        self.assertEqual(layers - set(ALLOWED), set())

    def test_reactor(self) -> None:
        """The global reactor is imported by tap and by tests alone."""
        strays = [
            f"{path.relative_to(PACKAGE.parent)}:{line}"
            for path, layer in sources()
            if layer not in {"tap", "test"}
            for line, name in imported(path)
            if name == "twisted.internet.reactor"
        ]
        self.assertEqual(strays, [])

    def test_absolute(self) -> None:
        """Imports name their module in full, so that the other tests see them."""
        strays = [
            f"{path.relative_to(PACKAGE.parent)}:{line}"
            for path, _ in sources()
            for line, name in imported(path)
            if name.startswith(".")
        ]
        self.assertEqual(strays, [])

    def test_nothing_leans_on_fakes(self) -> None:
        """Only tests and the fakes themselves import ``ganetix.testing``."""
        strays = [
            f"{path.relative_to(PACKAGE.parent)}:{line}"
            for path, layer in sources()
            if layer not in {"testing", "test"}
            for line, name in imported(path)
            if f"{name}.".startswith(("ganetix.testing.", "ganetix.test."))
        ]
        self.assertEqual(strays, [])
