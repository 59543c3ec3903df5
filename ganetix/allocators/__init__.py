"""Allocators: the text formats of htools, the protocol, external executables.

Only ``external`` runs anything; all else is pure.
"""
