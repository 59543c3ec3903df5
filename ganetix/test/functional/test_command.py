"""``gnt-cluster command`` in a real cluster: what nodes write arrives as it is."""

from __future__ import annotations

import base64
import json
import sys

from ganetix.test.functional.test_first_light import ClusterCase

NUL_AND_WORSE = b"a\0b\xff\xc3\n\x1b[1m\r\n\\c \\x41 \xc3\xa4\xe2\x80\xa8\n\n end"
"""With a NUL, what is no UTF-8, controls, escapes, a line separator, no newline."""


class CommandTests(ClusterCase):
    """Two nodes."""

    nodes = 2
    network = 49

    async def command(self, *argv: str, expect: int = 0) -> tuple[bytes, bytes]:
        """What the command writes to standard output and error."""
        code = "import sys; from ganetix.cli import main; sys.exit(main.gnt_cluster())"
        running = self.cluster.spawn([sys.executable, "-c", code, "command", *argv])
        await running.ended
        self.assertEqual(running.status, expect, running.err[-300:])
        return bytes(running.out), bytes(running.err)

    def file(self, name: str, data: bytes) -> str:
        """A file for nodes to read; its path."""
        path = self.cluster.base / name
        path.write_bytes(data)
        path.chmod(0o644)
        return str(path)

    async def test_bytes(self) -> None:
        """All of it arrives, on the stream it was written to, however it is shown."""
        path = self.file("odd", NUL_AND_WORSE)
        long = self.file("long", b"x" * 300_000 + "ä".encode() * 100_000)
        binary = bytes(range(256)) * 2000
        blob = self.file("blob", binary)
        both = f"cat {path}; cat {blob} >&2; exit 3"
        for options in (("-n", "node2"), ("--raw", "-n", "node2")):
            out, err = await self.command(*options, both, expect=3)
            self.assertEqual(out, NUL_AND_WORSE)
            self.assertEqual(err, binary)
        out, _ = await self.command("-n", "node1", f"cat {long}")
        self.assertEqual(out, b"x" * 300_000 + "ä".encode() * 100_000)
        cut = "printf 'a\\303'; sleep 0.3; printf '\\244b'"
        out, _ = await self.command("-n", "node1", cut)
        self.assertEqual(out, "aäb".encode())

    async def test_names(self) -> None:
        """Behind the names of nodes lines are as they were, and whole."""
        path = self.file("odd", NUL_AND_WORSE)
        long = self.file("long", b"x" * 300_000 + b"\n")
        out, err = await self.command(f"cat {path}; echo; cat {long}; cat {path} >&2")
        lines = (NUL_AND_WORSE + b"\n" + b"x" * 300_000).split(b"\n")
        for name in (b"node1: ", b"node2: "):
            found = [x for x in out.split(b"\n") if x.startswith(name)]
            self.assertEqual(found, [name + line for line in lines])
            found = [x for x in err.split(b"\n") if x.startswith(name)]
            self.assertEqual(found, [name + x for x in NUL_AND_WORSE.split(b"\n")])

    async def test_json(self) -> None:
        """In JSON nothing is lost."""
        path = self.file("odd", NUL_AND_WORSE)
        both = f"cat {path} >&2; printf 'two\\nlines \\0'; exit 1"
        out, _ = await self.command("--json", both, expect=1)
        for node in json.loads(out)["nodes"]:
            self.assertEqual(node["stdout"], "two\nlines \0")
            self.assertIsNone(node["stdout_base64"])
            self.assertEqual(base64.b64decode(node["stderr_base64"]), NUL_AND_WORSE)

    async def test_fast_and_much(self) -> None:
        """Megabytes that come at once arrive; beyond the bound that is an error."""
        data = (b"\xff" + b"y" * 2000 + b"\n") * 3000
        path = self.file("much", data)
        out, _ = await self.command("-n", "node2", f"cat {path}")
        self.assertEqual(out, data)
        out, err = await self.command("-n", "node2", "seq 20000", expect=255)
        self.assertEqual(out, b"".join(b"%d\n" % n for n in range(1, 10001)))
        self.assertIn(b"10000 lines of its output are missing", err)
