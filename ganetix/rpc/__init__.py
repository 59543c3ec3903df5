"""Node RPC: one table of methods, a client and a server made from it."""
