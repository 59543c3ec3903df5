"""Network helpers, for IPv4 and IPv6 alike: addresses, names, probes, binding."""
