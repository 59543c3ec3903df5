"""Tools for Deferreds: task sets, settling, shielding, events, retries, threads."""
