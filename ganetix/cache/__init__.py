"""What the master remembers of the state of nodes, by node group."""
