"""Tests of ganetix.locking."""
