"""Tests of the configuration values."""
