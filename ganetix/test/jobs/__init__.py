"""Tests of ganetix.jobs."""
