"""Package metadata; tools are configured in pyproject.toml."""

from collections.abc import Sequence
from pathlib import Path

from setuptools import find_packages, setup

COMMANDS = ("capacity", "cluster", "debug", "group", "instance", "job", "node", "os")


def shared_files() -> list[tuple[str, Sequence[str]]]:
    """All that is below ``etc``, for ``PREFIX/share/ganetix``."""
    found: dict[str, list[str]] = {}
    for path in sorted(Path("etc").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            target = Path("share/ganetix") / path.parent.relative_to("etc")
            found.setdefault(str(target), []).append(str(path))
    return [(target, found[target]) for target in sorted(found)]


setup(
    name="ganetix",
    version="0.1.0",
    description="Virtual machine clusters for people who own their hosts",
    long_description=Path(__file__).with_name("README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="BSD-2-Clause",
    python_requires=">=3.11",
    packages=[*find_packages(include=["ganetix", "ganetix.*"]), "twisted.plugins"],
    package_data={
        "ganetix": ["py.typed"],
        "ganetix.test": ["samples/*", "samples/*/*"],
        "twisted.plugins": ["ganetix_plugins.py"],
    },
    data_files=shared_files(),
    install_requires=[
        "Twisted>=26.4",
        "service-identity>=24.1",
        "pyOpenSSL>=25.0",
        "cryptography>=42",
        "zope.interface>=6.0",
        "treq>=24.9",
        "msgspec>=0.19",
        "numpy>=1.26",
    ],
    extras_require={
        "dev": [
            "hypothesis>=6.100",
            "mypy>=1.18",
            "mypy-zope>=1.0.14",
            "ruff>=0.14",
            "sphinx>=8",
            "build>=1.2",
            "towncrier>=24.8",
            "types-setuptools",
        ]
    },
    entry_points={
        "console_scripts": [
            *(f"gnt-{name} = ganetix.cli.main:gnt_{name}" for name in COMMANDS),
            "ganetix-node = ganetix.cli.main:ganetix_node",
            "ganetix-allocator = ganetix.cli.main:ganetix_allocator",
        ]
    },
    zip_safe=False,
)
