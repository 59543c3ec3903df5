"""The master's AMP interface: what the command line and other daemons speak."""
