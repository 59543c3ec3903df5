"""Tests of sizes, durations and key-value options as people type them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ganetix.cli.pairs import parse_numbered, parse_pairs, refuse_unknown
from ganetix.cli.quantities import parse_mib, parse_seconds, show_mib, show_seconds


class SizeTests(SynchronousTestCase):
    """Sizes in MiB."""

    def test_good(self) -> None:
        """Bare numbers are MiB; units and fractions are understood."""
        for text, mib in (
            ("512", 512),
            ("512M", 512),
            ("512m", 512),
            ("512MiB", 512),
            ("4G", 4096),
            ("4 GB", 4096),
            ("1.5G", 1536),
            ("1T", 1048576),
            ("0", 0),
        ):
            with self.subTest(text=text):
                self.assertEqual(parse_mib(text), mib)

    def test_wrong(self) -> None:
        """What is no size is refused with examples of what is."""
        for text in ("", "G", "-1", "1K", "1e3", "four", "1,5G", "1.0001M", "1G1M"):
            with self.subTest(text=text):
                self.assertRaises(ValueError, parse_mib, text)

    def test_shown(self) -> None:
        """The fitting unit by default, a bare number in a fixed one."""
        self.assertEqual(show_mib(512), "512M")
        self.assertEqual(show_mib(1536), "1.5G")
        self.assertEqual(show_mib(3 * 1024 * 1024), "3.0T")
        self.assertEqual(show_mib(1536, "m"), "1536")
        self.assertEqual(show_mib(1536, "g"), "1.5")


class DurationTests(SynchronousTestCase):
    """Durations in seconds."""

    def test_good(self) -> None:
        """Bare numbers are seconds."""
        for text, seconds in (
            ("90", 90.0),
            ("30s", 30.0),
            ("5m", 300.0),
            ("1h", 3600.0),
            ("1.5h", 5400.0),
            ("2d", 172800.0),
        ):
            with self.subTest(text=text):
                self.assertEqual(parse_seconds(text), seconds)

    def test_wrong(self) -> None:
        """What is no duration is refused."""
        for text in ("", "h", "-5", "1w", "soon"):
            with self.subTest(text=text):
                self.assertRaises(ValueError, parse_seconds, text)

    def test_shown(self) -> None:
        """Two units at most."""
        for seconds, text in (
            (0.44, "0.4s"),
            (59.6, "1m00s"),
            (185, "3m05s"),
            (7800, "2h10m"),
        ):
            self.assertEqual(show_seconds(seconds), text)


class PairTests(SynchronousTestCase):
    """``key=value`` lists."""

    def test_pairs(self) -> None:
        """Values may hold equals signs, be empty, and hold escaped commas."""
        text = r"a=1,b=x=y,c=,d=1\,2"
        expected = {"a": "1", "b": "x=y", "c": "", "d": "1,2"}
        self.assertEqual(parse_pairs("-B", text), expected)

    def test_wrong(self) -> None:
        """No value, no key, the same key twice."""
        for text in ("a", "=1", "a=1,,b=2", "a=1,a=2", "a=1,"):
            with self.subTest(text=text):
                error = self.assertRaises(ValueError, parse_pairs, "-B", text)
                self.assertTrue(str(error).startswith("-B: "))

    def test_numbered(self) -> None:
        """Numbers may come in any order, and alone."""
        self.assertEqual(
            parse_numbered("--net", ["1:ip=x", "0"]), ((0, {}), (1, {"ip": "x"}))
        )

    def test_wrong_numbers(self) -> None:
        """Gaps, repetitions and words are refused."""
        for texts in (["size=1G"], ["1:size=1G"], ["0:a=1", "0:a=2"], ["-1:a=1"], [""]):
            with self.subTest(texts=texts):
                self.assertRaises(ValueError, parse_numbered, "--disk", texts)

    def test_unknown_key(self) -> None:
        """An unknown key is named with those that are known."""
        error = self.assertRaises(ValueError, refuse_unknown, "-B", {"x": "1"}, ["a"])
        self.assertEqual(str(error), "-B: 'x' is not one of a")
