"""Tests of ganetix.api."""
