"""The ``gnt-*`` commands: parse, ask the master, print."""
