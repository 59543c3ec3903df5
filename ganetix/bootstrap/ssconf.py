"""ssconf files on a node's disk. Blocking: call offloaded."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping

from ganetix.bootstrap.dirs import write_files
from ganetix.errors import BadParameter, WrongState
from ganetix.objects.ssconf import ssconf_digest
from ganetix.paths import Paths

_PREFIX = "ssconf_"
_EPOCH = "master_epoch"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def ssconf_names(paths: Paths) -> frozenset[str]:
    """The names of all ssconf files here."""
    try:
        found = os.listdir(paths.lib)
    except FileNotFoundError:
        return frozenset()
    names = (each.removeprefix(_PREFIX) for each in found if each.startswith(_PREFIX))
    return frozenset(name for name in names if _NAME.fullmatch(name))


def write_ssconf(paths: Paths, files: Mapping[str, str], serial_no: int) -> None:
    """Make the ssconf files exactly these; ``WrongState`` if newer ones are here.

    The serial number is written last: what was cut short is written again.
    """
    _write(paths, files, ssconf_names(paths) - files.keys(), serial_no)


def patch_ssconf(
    paths: Paths,
    base: str,
    files: Mapping[str, str],
    removed: Collection[str],
    serial_no: int,
) -> bool:
    """Write and remove these files, if all files here have that digest; else False.

    ``WrongState`` if newer ones are here.
    """
    if ssconf_digest(_contents(paths)) != base:
        return False
    _write(paths, files, removed, serial_no)
    return True


def _contents(paths: Paths) -> dict[str, bytes]:
    """All files here."""
    found = {}
    prefix = str(paths.ssconf(""))
    for name in ssconf_names(paths):
        with open(prefix + name, "rb", buffering=0) as file:
            found[name] = file.read()
    return found


def _write(
    paths: Paths, files: Mapping[str, str], removed: Collection[str], serial_no: int
) -> None:
    for name in (*files, *removed):
        if not _NAME.fullmatch(name):
            raise BadParameter(f"{name!r} is no name of an ssconf file")
    known = _last_serial(paths)
    if serial_no < known:
        raise WrongState(
            f"ssconf of serial number {serial_no} is older than what is here ({known})"
        )
    for name in removed:
        paths.ssconf(name).unlink(missing_ok=True)
    texts = {paths.ssconf(name): text.encode() for name, text in files.items()}
    last = {}
    if (epoch := texts.pop(paths.ssconf(_EPOCH), None)) is not None:
        # Cut short before this, the new master is obeyed, as of the old epoch; cut
        # short after it and before the rest, the old one would be, as of the new.
        write_files(texts)
        texts, last = {}, {paths.ssconf(_EPOCH): epoch}
    if serial_no != known or not paths.ssconf_serial.exists():
        last[paths.ssconf_serial] = f"{serial_no}\n".encode()
    write_files(texts | last)


def write_first_ssconf(paths: Paths, files: Mapping[str, str], serial_no: int) -> None:
    """The same on a host that has just become a node.

    What an attempt that was cut short left here may be another cluster's, and newer.
    """
    forget_ssconf(paths)
    write_ssconf(paths, files, serial_no)


def forget_ssconf(paths: Paths) -> None:
    """Remove all ssconf files and the memory of their serial number."""
    for name in ssconf_names(paths):
        paths.ssconf(name).unlink(missing_ok=True)
    paths.ssconf_serial.unlink(missing_ok=True)


def _last_serial(paths: Paths) -> int:
    try:
        return int(paths.ssconf_serial.read_text("ascii"))
    except (FileNotFoundError, ValueError):
        return 0
