"""Bringing up a cluster: directories, keys and certificates, initialising, joining."""
