"""Logical units: for each opcode what it locks, gathers, decides and does."""
