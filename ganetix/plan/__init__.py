"""Pure decisions: no clock, no node, no file; what they need is passed in."""
