"""The first ssconf files of a node that has just been made one. Blocking."""

from __future__ import annotations

from collections.abc import Mapping

from ganetix.bootstrap.dirs import write_file
from ganetix.paths import Paths


def write_first_ssconf(paths: Paths, files: Mapping[str, str], serial_no: int) -> None:
    """Write the files, then the serial number that later ones must not be below."""
    for name, text in files.items():
        write_file(paths.ssconf(name), text.encode())
    write_file(paths.ssconf_serial, f"{serial_no}\n".encode())
