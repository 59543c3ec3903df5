"""Lines of the policy section: who it is of, the specs, templates, ratios."""

from __future__ import annotations

from collections.abc import Sequence

from ganetix.allocators.columns import Line, shown, whole_number
from ganetix.plan.capacity.model import Policy, Spec, SpecRange, Template

HTOOLS_TEMPLATES: tuple[Template, ...] = (
    "diskless",
    "file",
    "sharedfile",
    "plain",
    "blockdev",
    "drbd",
    "rbd",
    "ext",
    "gluster",
)
"""All templates that htools knows, in its order: the first is its default."""

BUILT_IN = Policy(templates=HTOOLS_TEMPLATES)
"""The policy of whoever has no line of its own."""


def htools_name(template: Template) -> Template:
    """What htools calls a template; ``mirror`` counts there as ``drbd`` does."""
    return "drbd" if template == "mirror" else template


def template_named(line: Line, column: str, name: str) -> Template:
    """A template; ``BadParameter`` if htools does not know it."""
    if name not in HTOOLS_TEMPLATES:
        known = ", ".join(HTOOLS_TEMPLATES)
        line.refuse(column, f"{name!r} is not one of {known}")
    return name


def read_policy(line: Line) -> Policy:
    """The policy of one line."""
    std = _spec(line, "standard spec", line.cells[1])
    bounds = [_spec(line, "bounds", text) for text in line.cells[2].split(";") if text]
    if len(bounds) % 2:
        line.refuse("bounds", "are not pairs of a smallest and a largest spec")
    ranges = tuple(
        SpecRange(min=low, max=high)
        for low, high in zip(bounds[::2], bounds[1::2], strict=True)
    )
    return Policy(
        std=std,
        ranges=ranges,
        templates=tuple(
            template_named(line, "templates", name) for name in line.names(3)
        ),
        vcpu_ratio=line.real(4, "vcpu ratio"),
        spindle_ratio=line.real(5, "spindle ratio"),
    )


def _spec(line: Line, column: str, text: str) -> Spec:
    values = [whole_number(part) for part in text.split(",")]
    numbers = [value for value in values if value is not None and value >= 0]
    if len(numbers) != 6 or len(values) != 6:
        line.refuse(
            column,
            f"{text!r} is not six whole numbers: memory, vcpus, disk, disks, NICs,"
            " spindle use",
        )
    memory, vcpus, disk, disk_count, nic_count, spindle_use = numbers
    return Spec(
        memory=memory,
        vcpus=vcpus,
        disk=disk,
        disk_count=disk_count,
        nic_count=nic_count,
        spindle_use=spindle_use,
    )


def policy_line(owner: str, policy: Policy) -> str:
    """The line of a policy; ``owner`` is empty for the cluster's."""
    bounds = [text for pair in policy.ranges for text in _bounds(pair)]
    templates: Sequence[str] = [htools_name(one) for one in policy.templates]
    return "|".join(
        [
            owner,
            _spec_text(policy.std),
            ";".join(bounds),
            ",".join(dict.fromkeys(templates)),
            shown(policy.vcpu_ratio),
            shown(policy.spindle_ratio),
        ]
    )


def _bounds(pair: SpecRange) -> tuple[str, str]:
    return _spec_text(pair.min), _spec_text(pair.max)


def _spec_text(spec: Spec) -> str:
    return (
        f"{spec.memory},{spec.vcpus},{spec.disk},{spec.disk_count},{spec.nic_count},"
        f"{spec.spindle_use}"
    )
