"""Tests of ganetix.cache."""
