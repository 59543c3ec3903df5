"""Running guests on this host: QEMU, and a fake for tests and simulation."""
