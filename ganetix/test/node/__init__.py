"""Tests of what the node daemon does."""
