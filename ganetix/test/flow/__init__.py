"""Tests of ganetix.flow."""
