"""Tests of ganetix.bootstrap."""
