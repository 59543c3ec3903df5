"""OS definitions as directories: reading and judging them. Blocking: call offloaded."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ganetix.errors import BadParameter
from ganetix.objects.node_calls import OsInfo

API_VERSION = 20
SCRIPTS = ("create", "import", "export", "rename", "verify")

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def split_os_name(os_name: str) -> tuple[str, str]:
    """The definition's name and the variant, empty if there is none."""
    name, _, variant = os_name.partition("+")
    return name, variant


def all_definitions(search_path: Sequence[Path]) -> Sequence[OsInfo]:
    """All definitions by name; the first directory that has a name wins."""
    found: dict[str, OsInfo] = {}
    for directory in search_path:
        for path in _directories(directory):
            if path.name not in found:
                found[path.name] = read_definition(path)
    return tuple(found[name] for name in sorted(found))


def find_definition(search_path: Sequence[Path], os_name: str) -> OsInfo:
    """The usable definition of that name (with its variant, if it has variants).

    Fails with ``BadParameter``, which says what is wrong and what there is.
    """
    name, variant = split_os_name(os_name)
    definitions = {info.name: info for info in all_definitions(search_path)}
    info = definitions.get(name)
    if info is None:
        known = ", ".join(n for n, i in definitions.items() if not i.problem) or "none"
        raise BadParameter(f"OS definition {name!r} is not there; there are: {known}")
    if info.problem:
        raise BadParameter(f"OS definition {name} cannot be used: {info.problem}")
    if variant not in (info.variants or ("",)):
        raise BadParameter(_wrong_variant(info, variant))
    return info


def check_parameters(info: OsInfo, osparams: Mapping[str, str]) -> None:
    """Fail with ``BadParameter`` if the definition does not declare one of these."""
    for name in osparams:
        if name not in info.parameters:
            known = ", ".join(sorted(info.parameters)) or "none"
            raise BadParameter(
                f"OS definition {info.name} has no parameter {name!r};"
                f" its parameters: {known}"
            )


def read_definition(path: Path) -> OsInfo:
    """The definition in this directory; ``problem`` says why it cannot be used."""
    try:
        versions = _api_versions(path)
        variants = tuple(_lines(path / "variants.list", optional=True))
        parameters = dict(_parameters(path))
        problem = _script_problem(path)
    except _Broken as broken:
        return OsInfo(name=path.name, path=str(path), problem=str(broken))
    except (OSError, UnicodeDecodeError) as error:
        return OsInfo(
            name=path.name, path=str(path), problem=f"cannot be read: {error}"
        )
    return OsInfo(
        name=path.name,
        path=str(path),
        api_versions=versions,
        variants=variants,
        parameters=parameters,
        problem=problem,
    )


class _Broken(Exception):
    """What is wrong with a definition."""


def _directories(directory: Path) -> Iterator[Path]:
    try:
        entries = sorted(directory.iterdir())
    except OSError:
        return  # a directory of the search path need not exist
    for path in entries:
        if _NAME.fullmatch(path.name) and path.is_dir():
            yield path


def _lines(path: Path, *, optional: bool) -> Iterator[str]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        if optional:
            return
        raise _Broken(f"file {path.name} is missing") from None
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip()


def _api_versions(path: Path) -> tuple[int, ...]:
    versions = []
    for line in _lines(path / "ganeti_api_version", optional=False):
        if not (line.isascii() and line.isdigit()):
            raise _Broken(f"ganeti_api_version holds {line!r}, which is no number")
        versions.append(int(line))
    if API_VERSION not in versions:
        listed = ", ".join(str(version) for version in versions) or "nothing"
        raise _Broken(f"ganeti_api_version lists {listed}; {API_VERSION} is needed")
    return tuple(versions)


def _parameters(path: Path) -> Iterator[tuple[str, str]]:
    for line in _lines(path / "parameters.list", optional=True):
        name, *description = line.split(maxsplit=1)
        if not _PARAMETER.fullmatch(name):
            raise _Broken(f"parameters.list names {name!r}, which is no name")
        yield name, "".join(description)


def _script_problem(path: Path) -> str:
    for name in SCRIPTS:
        script = path / name
        if not script.exists():
            return f"script {name} is missing"
        if not script.is_file() or not os.access(script, os.X_OK):
            return f"script {name} is not executable"
    return ""


def _wrong_variant(info: OsInfo, variant: str) -> str:
    if not info.variants:
        return f"OS definition {info.name} has no variants; {variant!r} was asked for"
    choice = ", ".join(f"{info.name}+{name}" for name in info.variants)
    if not variant:
        return f"OS definition {info.name} has variants; choose one of {choice}"
    return (
        f"OS definition {info.name} has no variant {variant!r}; choose one of {choice}"
    )
