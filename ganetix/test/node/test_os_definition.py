"""Tests of finding and judging OS definitions."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import ganetix
from ganetix.errors import BadParameter
from ganetix.node.os_definition import (
    SCRIPTS,
    all_definitions,
    check_parameters,
    find_definition,
    read_definition,
    split_os_name,
)

SHIPPED = Path(ganetix.__file__).parents[1] / "etc" / "os"


def make_definition(directory: Path, name: str, **files: str) -> Path:
    """A definition that is in order; ``files`` add to it or change it.

    A file's name is given with ``_`` for ``.``: ``variants_list``.
    """
    path = directory / name
    path.mkdir(parents=True)
    (path / "ganeti_api_version").write_text("20\n")
    for script in SCRIPTS:
        (path / script).write_text("#!/bin/sh\nexit 0\n")
        (path / script).chmod(0o755)
    for file, text in files.items():
        file_name = file.replace("_list", ".list")
        (path / file_name).write_text(text)
    return path


class DefinitionCase(SynchronousTestCase):
    """A test case with a directory for definitions."""

    def setUp(self) -> None:
        """Make the directory."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir(parents=True)


class ReadTests(DefinitionCase):
    """One definition."""

    def problem(self, path: Path) -> str:
        """What is wrong with a definition."""
        return read_definition(path).problem

    def test_in_order(self) -> None:
        """Versions, variants and parameters are read; comments are not."""
        path = make_definition(
            self.directory,
            "debian",
            ganeti_api_version="20\n15\n",
            variants_list="# suites\nbookworm\n\ntrixie\n",
            parameters_list="dhcp Use DHCP (yes or no)\nroot_size\n",
        )
        info = read_definition(path)
        self.assertEqual(
            (info.name, info.api_versions, info.variants, info.problem),
            ("debian", (20, 15), ("bookworm", "trixie"), ""),
        )
        self.assertEqual(
            info.parameters, {"dhcp": "Use DHCP (yes or no)", "root_size": ""}
        )

    def test_newer_api(self) -> None:
        """A definition for newer versions, too, can be used."""
        path = make_definition(self.directory, "x", ganeti_api_version="30\n20\n")
        self.assertEqual(self.problem(path), "")

    def test_missing_script(self) -> None:
        """A missing script is named."""
        path = make_definition(self.directory, "x")
        (path / "rename").unlink()
        self.assertEqual(self.problem(path), "script rename is missing")

    def test_not_executable(self) -> None:
        """A script that may not be run is named."""
        path = make_definition(self.directory, "x")
        (path / "create").chmod(0o644)
        self.assertEqual(self.problem(path), "script create is not executable")

    def test_wrong_api(self) -> None:
        """Versions that do not suit are named, with the one that would."""
        path = make_definition(self.directory, "x", ganeti_api_version="10\n15\n")
        self.assertEqual(
            self.problem(path), "ganeti_api_version lists 10, 15; 20 is needed"
        )

    def test_odd_api(self) -> None:
        """A version that is no number is quoted."""
        path = make_definition(self.directory, "x", ganeti_api_version="twenty\n")
        self.assertIn("'twenty'", self.problem(path))

    def test_no_api(self) -> None:
        """A directory without the version file says so."""
        path = self.directory / "x"
        path.mkdir()
        self.assertEqual(self.problem(path), "file ganeti_api_version is missing")

    def test_odd_parameter(self) -> None:
        """A parameter whose name is no name is quoted."""
        path = make_definition(self.directory, "x", parameters_list="a=b text\n")
        self.assertIn("'a=b'", self.problem(path))

    def test_shipped(self) -> None:
        """The definitions that come with ganetix are in order."""
        found = all_definitions([SHIPPED])
        self.assertEqual(
            [(info.name, info.problem) for info in found], [("noop", ""), ("tiny", "")]
        )
        self.assertEqual(
            set(found[1].parameters), {"heartbeat", "extra_args", "noacpi"}
        )


class FindTests(DefinitionCase):
    """A definition among others."""

    def refusal(self, os_name: str) -> str:
        """Why a name is refused."""
        error = self.assertRaises(
            BadParameter, find_definition, [self.directory], os_name
        )
        return str(error)

    def test_first_wins(self) -> None:
        """A definition earlier in the search path hides one of the same name."""
        own, shipped = self.directory / "own", self.directory / "shipped"
        mine = make_definition(own, "tiny")
        make_definition(shipped, "tiny")
        make_definition(shipped, "noop")
        found = all_definitions([own, self.directory / "missing", shipped])
        self.assertEqual([info.name for info in found], ["noop", "tiny"])
        self.assertEqual(found[1].path, str(mine))

    def test_not_definitions(self) -> None:
        """Hidden directories and plain files are passed over."""
        (self.directory / "README").touch()
        (self.directory / ".git").mkdir()
        self.assertEqual(all_definitions([self.directory]), ())

    def test_unknown(self) -> None:
        """An unknown name is refused with those there are, but for broken ones."""
        make_definition(self.directory, "tiny")
        (self.directory / "broken").mkdir()
        self.assertIn("'debian' is not there; there are: tiny", self.refusal("debian"))

    def test_no_path(self) -> None:
        """A name is never a path."""
        make_definition(self.directory / "x", "tiny")
        for name in ("x/tiny", "../x/tiny", "", ".", ".."):
            self.assertIn("is not there", self.refusal(name))

    def test_broken(self) -> None:
        """A broken one is refused with what is wrong."""
        (self.directory / "broken").mkdir()
        self.assertIn("ganeti_api_version is missing", self.refusal("broken"))

    def test_variant(self) -> None:
        """A variant goes with the name."""
        make_definition(self.directory, "debian", variants_list="a\nb\n")
        self.assertEqual(find_definition([self.directory], "debian+b").name, "debian")
        self.assertEqual(split_os_name("debian+b"), ("debian", "b"))

    def test_wrong_variant(self) -> None:
        """A wrong or missing variant is refused with the choice there is."""
        make_definition(self.directory, "debian", variants_list="a\nb\n")
        for name in ("debian", "debian+c"):
            self.assertIn("debian+a, debian+b", self.refusal(name))

    def test_no_variants(self) -> None:
        """A variant of a definition without any is refused."""
        make_definition(self.directory, "tiny")
        self.assertIn("has no variants; 'x'", self.refusal("tiny+x"))

    def test_parameters(self) -> None:
        """Parameters must be declared; those that are get named."""
        make_definition(self.directory, "tiny", parameters_list="heartbeat\n")
        info = find_definition([self.directory], "tiny")
        check_parameters(info, {"heartbeat": "5"})
        error = self.assertRaises(BadParameter, check_parameters, info, {"hb": "5"})
        self.assertIn("no parameter 'hb'; its parameters: heartbeat", str(error))
