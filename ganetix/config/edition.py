"""ssconf as it was at one moment, and what brings a node there. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ganetix.objects.node_calls import SsconfWrite
from ganetix.objects.ssconf import ssconf_digest


class Edition:
    """The files of one moment. A greater ``number`` comes later.

    Requests are made once each, however many nodes they go to.
    """

    def __init__(self, number: int, files: Mapping[str, str], serial_no: int) -> None:
        self.number = number
        self.files = dict(files)
        self._serial_no = serial_no
        self._digest = ssconf_digest(
            {name: text.encode() for name, text in files.items()}
        )
        self._patches: dict[str, SsconfWrite] = {}
        self._whole = SsconfWrite(files=self.files, serial_no=serial_no)

    def whole(self) -> SsconfWrite:
        """All files, whatever the node has."""
        return self._whole

    def since(self, known: Edition | None) -> SsconfWrite:
        """What differs from the edition that the node is known to have.

        Of a node of which nothing is known: the question whether it has this one.
        """
        base = known or self
        digest = base._digest
        if digest not in self._patches:
            self._patches[digest] = SsconfWrite(
                files={
                    name: text
                    for name, text in self.files.items()
                    if base.files.get(name) != text
                },
                removed=tuple(sorted(base.files.keys() - self.files.keys())),
                base=digest,
                serial_no=self._serial_no,
            )
        return self._patches[digest]
