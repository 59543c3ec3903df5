"""Which disk templates there are, and what their parameters may be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ganetix.errors import BadParameter


@dataclass(frozen=True, kw_only=True)
class DiskParameter:
    """One parameter of a template. ``values`` are all it may be, the default first."""

    name: str
    values: tuple[str, ...]
    doc: str

    @property
    def default(self) -> str:
        """What it is where nobody says."""
        return self.values[0]


_FILE = (
    DiskParameter(
        name="format",
        values=("raw", "qcow2"),
        doc="Format of a disk's file. A disk keeps the one it was made with.",
    ),
)

DISK_TEMPLATES: Mapping[str, Mapping[str, DiskParameter]] = {
    "diskless": {},
    "file": {parameter.name: parameter for parameter in _FILE},
}
"""The parameters of each template, by name."""


def check_disk_params(template: str, params: Mapping[str, str]) -> None:
    """Fail with ``BadParameter`` unless the template takes these parameters."""
    allowed = disk_parameters(template)
    for name, value in params.items():
        if name not in allowed:
            known = ", ".join(sorted(allowed)) or "none"
            raise BadParameter(
                f"disk template {template} has no parameter {name!r};"
                f" its parameters: {known}"
            )
        if value not in allowed[name].values:
            raise BadParameter(
                f"disk parameter {name} is {value!r};"
                f" it may be: {', '.join(allowed[name].values)}"
            )


def disk_param(template: str, params: Mapping[str, str], name: str) -> str:
    """The value of a parameter of a template, its default if it is not given."""
    check_disk_params(template, params)
    return params.get(name) or DISK_TEMPLATES[template][name].default


def disk_parameters(template: str) -> Mapping[str, DiskParameter]:
    """The parameters of a template; ``BadParameter`` if there is no such template."""
    if template not in DISK_TEMPLATES:
        known = ", ".join(sorted(DISK_TEMPLATES))
        raise BadParameter(
            f"disk template {template!r} is not known; there are: {known}"
        )
    return DISK_TEMPLATES[template]
