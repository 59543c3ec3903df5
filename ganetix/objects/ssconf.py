"""One word for the contents of all ssconf files. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def ssconf_digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 (hex) of the files' names and texts, in whatever order they come."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name} {len(files[name])}\n".encode())
        digest.update(files[name])
    return digest.hexdigest()
