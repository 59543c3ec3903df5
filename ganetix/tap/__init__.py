"""What twistd starts: options and service trees, the only users of the reactor."""
