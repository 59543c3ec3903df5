"""Fakes and contract tests, for our own tests and for authors of plug-ins."""
