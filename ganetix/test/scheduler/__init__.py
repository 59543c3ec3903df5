"""Tests of ganetix.scheduler."""
