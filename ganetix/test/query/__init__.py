"""Tests of ganetix.query."""
