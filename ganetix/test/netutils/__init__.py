"""Tests of ganetix.netutils."""
