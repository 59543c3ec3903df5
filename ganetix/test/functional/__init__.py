"""Tests of ganetix.functional."""
