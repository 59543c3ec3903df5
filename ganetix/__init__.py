"""Virtual machine clusters for people who own their hosts."""

__version__ = "0.1.0"
