"""Which disk templates there are, and what their parameters may be. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ganetix.errors import BadParameter

DISK_TEMPLATES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "diskless": {},
    "file": {"format": ("raw", "qcow2")},
}
"""Parameters of each template, with what they may be; the first is the default."""


def check_disk_params(template: str, params: Mapping[str, str]) -> None:
    """Fail with ``BadParameter`` unless the template takes these parameters."""
    if template not in DISK_TEMPLATES:
        known = ", ".join(sorted(DISK_TEMPLATES))
        raise BadParameter(
            f"disk template {template!r} is not known; there are: {known}"
        )
    allowed = DISK_TEMPLATES[template]
    for name, value in params.items():
        if name not in allowed:
            known = ", ".join(sorted(allowed)) or "none"
            raise BadParameter(
                f"disk template {template} has no parameter {name!r};"
                f" its parameters: {known}"
            )
        if value not in allowed[name]:
            raise BadParameter(
                f"disk parameter {name} is {value!r};"
                f" it may be: {', '.join(allowed[name])}"
            )


def disk_param(template: str, params: Mapping[str, str], name: str) -> str:
    """The value of a parameter of a template, its default if it is not given."""
    check_disk_params(template, params)
    return params.get(name) or DISK_TEMPLATES[template][name][0]
