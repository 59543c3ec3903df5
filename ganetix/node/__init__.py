"""What the node daemon does: one handler for each node RPC method."""
