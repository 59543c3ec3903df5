"""Where the files of one installation are, below its root directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec


class Paths(msgspec.Struct, frozen=True):
    """All paths below one root; several roots make several nodes on one machine."""

    root: Path = Path("/")

    @classmethod
    def from_environment(
        cls, given: str | None = None, environ: Mapping[str, str] = os.environ
    ) -> Paths:
        """The root given, else ``GANETIX_ROOT``, else ``/``."""
        return cls(Path(given or environ.get("GANETIX_ROOT") or "/").absolute())

    @property
    def etc(self) -> Path:
        """Configuration that an administrator may edit."""
        return self.root / "etc/ganetix"

    @property
    def lib(self) -> Path:
        """Durable state."""
        return self.root / "var/lib/ganetix"

    @property
    def log(self) -> Path:
        """Log files."""
        return self.root / "var/log/ganetix"

    @property
    def run(self) -> Path:
        """Sockets, pid files and guests' runtime files; gone after a reboot."""
        return self.root / "run/ganetix"

    @property
    def file_storage(self) -> Path:
        """Disks of templates ``file``."""
        return self.root / "srv/ganetix/file-storage"

    @property
    def master_socket(self) -> Path:
        """The master's AMP socket."""
        return self.run / "master.sock"

    @property
    def state_db(self) -> Path:
        """The SQLite state store."""
        return self.lib / "state.db"

    @property
    def ca_certificate(self) -> Path:
        """The cluster CA's certificate, PEM; two while the CA is being renewed."""
        return self.lib / "ca.pem"

    @property
    def ca_key(self) -> Path:
        """The cluster CA's private key, PEM, 0600; on master and candidates only."""
        return self.lib / "ca.key"

    @property
    def next_ca_key(self) -> Path:
        """The private key of a CA that is coming into use; as ``ca_key``."""
        return self.lib / "ca-next.key"

    @property
    def node_certificate(self) -> Path:
        """This node's certificate, PEM."""
        return self.lib / "node.pem"

    @property
    def node_key(self) -> Path:
        """This node's private key, PEM, mode 0600; made here, never leaves."""
        return self.lib / "node.key"

    @property
    def next_node_key(self) -> Path:
        """The key that this node's next certificate is asked for; as ``node_key``."""
        return self.lib / "node-next.key"

    @property
    def ssconf_serial(self) -> Path:
        """The serial number of the ssconf files here; written after them."""
        return self.lib / "ssconf.serial"

    def ssconf(self, name: str) -> Path:
        """The ssconf file of that name."""
        return self.lib / f"ssconf_{name}"

    def guest_run(self, instance_uuid: str) -> Path:
        """Runtime directory of one guest: sockets, pid file, console log."""
        return self.run / "guests" / instance_uuid

    def guest_record(self, instance_uuid: str) -> Path:
        """What was asked of one guest and how it ended; survives a reboot."""
        return self.lib / "guests" / f"{instance_uuid}.json"

    def os_search_path(self, shipped: Path | None = None) -> tuple[Path, ...]:
        """Directories with OS definitions, best first."""
        own = (self.etc / "os", self.root / "srv/ganetix/os")
        return (*own, shipped) if shipped else own
