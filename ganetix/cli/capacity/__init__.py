"""Programs about capacity and allocation that need no cluster: they read files."""
